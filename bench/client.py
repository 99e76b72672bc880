"""What is asked of a server (paths, Accept headers, bodies), and a client that finds the paths."""

import json
import secrets
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.http import Connection, request

JSON = {"Accept": "application/dicom+json"}
FRAME = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
INSTANCE = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


class Client:
    """A kept connection to one server."""

    def __init__(self, port: int, root: str) -> None:
        self._url = f"http://127.0.0.1:{port}{root}"
        self._root = root
        self._connection = Connection(port)

    def request(self, path: str, headers: dict[str, str]) -> bytes:
        """The bytes of a GET, made before anything is measured."""
        return request(self._root + path, headers)

    def store_request(self, files: Sequence[bytes]) -> bytes:
        """The bytes of a STOW-RS of some instances."""
        boundary = secrets.token_hex(16)
        lines = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join(lines + data + b"\r\n" for data in files) + f"--{boundary}--\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        return request(f"{self._root}/studies", {"Content-Type": kind, **JSON}, "POST", body)

    def ask(self, message: bytes) -> int:
        """Send, and read everything; the number of bytes."""
        return self._connection.ask(message)

    def store(self, files: Sequence[bytes]) -> None:
        """Store some instances."""
        self.ask(self.store_request(files))

    def read_json(self, path: str) -> Any:
        """An answer's content. Costs what a client in Python costs: not for measuring."""
        with urllib.request.urlopen(
            urllib.request.Request(self._url + path, headers=JSON)
        ) as found:
            return json.load(found)


def spread(work: Callable[[int], object], connections: int) -> float:
    """Run ``work(n)`` on each of n connections at once; wall seconds."""
    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(work, range(connections)))
    return time.perf_counter() - started

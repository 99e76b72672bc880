"""An HTTP/1.1 client that costs little itself: one connection, one reused buffer."""

import http.client
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

Headers = dict[str, str]
JSON = {"Accept": "application/dicom+json"}
FRAME = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}


class Client:
    """A kept connection to one server."""

    def __init__(self, port: int, root: str) -> None:
        self._root = root
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._buffer = bytearray(1024 * 1024)

    def get(self, path: str, headers: Headers) -> int:
        """GET and read everything; the number of bytes. Raises on another status than 200."""
        self._connection.request("GET", self._root + path, headers=headers)
        response = self._connection.getresponse()
        total = 0
        while count := response.readinto(self._buffer):
            total += count
        if response.status != 200:
            raise RuntimeError(f"GET {path}: {response.status}")
        return total

    def get_bytes(self, path: str, headers: Headers) -> bytes:
        """GET a small answer."""
        self._connection.request("GET", self._root + path, headers=headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"GET {path}: {response.status}")
        return body

    def store(self, files: Sequence[bytes]) -> None:
        """STOW-RS of some instances in one request. Raises where one was not stored."""
        boundary = secrets.token_hex(16)
        lines = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join(lines + data + b"\r\n" for data in files) + f"--{boundary}--\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        headers = {"Content-Type": kind, **JSON}
        self._connection.request("POST", f"{self._root}/studies", body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"STOW: {response.status} {answer[:300]!r}")


def spread(work: Callable[[int], object], connections: int) -> float:
    """Run ``work(n)`` on each of n connections at once; wall seconds."""
    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(work, range(connections)))
    return time.perf_counter() - started

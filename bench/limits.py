"""What the machine gives without any server: how far a line is from what could be had at all."""

import contextlib
import multiprocessing
import os
import socket
import threading
import time
from pathlib import Path

from bench.http import request
from bench.load import answers_a_second
from bench.slices import make_series

BODY = 512 * 512 * 2
FILES = 300


def measure(folder: Path) -> str:
    """A sentence for each limit."""
    synced = _files_a_second(folder)
    answers = {count: _loopback(count) for count in (1, 8, 32)}
    given = ", ".join(f"{rate:.0f}" for rate in answers.values())
    return (
        f"Without a server, 526 KB each: {synced:.0f} files a second are written, synced and "
        f"renamed one by one; {given} answers a second come over loopback on 1, 8 and 32 "
        "connections."
    )


def _files_a_second(folder: Path) -> float:
    (made,) = make_series(1)
    place = folder / "limits"
    place.mkdir()
    started = time.perf_counter()
    for number in range(FILES):
        written = place / f"{number}.part"
        with written.open("wb") as file:
            file.write(made.data)
            file.flush()
            os.fdatasync(file.fileno())
        written.rename(place / f"{number}.dcm")
    return FILES / (time.perf_counter() - started)


def _loopback(connections: int) -> float:
    """Answers a second of a process that only sends bytes which it holds."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        process = multiprocessing.Process(target=_answer_all, args=(listener,), daemon=True)
        process.start()
        try:
            return answers_a_second(port, [request("/", {})], connections, seconds=2)
        finally:
            process.terminate()
            process.join()


def _answer_all(listener: socket.socket) -> None:
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n".encode() + bytes(BODY)
    while True:
        accepted, _ = listener.accept()
        threading.Thread(target=_answer, args=(accepted, answer), daemon=True).start()


def _answer(accepted: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        while accepted.recv(4096):
            accepted.sendall(answer)

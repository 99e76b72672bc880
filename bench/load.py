"""Many connections at once from one thread: what a server can give, not what a client can take."""

import itertools
import selectors
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.http import BUFFER, Answer, connect, require_success

WARM_UP_SECONDS = 0.5
SECONDS = 4.0
SILENCE_SECONDS = 60.0


@dataclass
class _Channel:
    """A connection, and the answer that it waits for."""

    socket: socket.socket
    message: bytes
    answer: Answer = field(default_factory=Answer)

    def send(self, message: bytes) -> None:
        self.message, self.answer = message, Answer()
        self.socket.sendall(message)


def answers_a_second(
    port: int, messages: Sequence[bytes], connections: int, seconds: float = SECONDS
) -> float:
    """Whole answers a second while every connection always waits for one."""
    with selectors.DefaultSelector() as selector:
        upcoming = itertools.cycle(messages)
        for _ in range(connections):
            channel = _Channel(connect(port), b"")
            selector.register(channel.socket, selectors.EVENT_READ, channel)
            channel.send(next(upcoming))
        _count(selector, upcoming, WARM_UP_SECONDS)
        used, started = time.process_time(), time.perf_counter()
        count = _count(selector, upcoming, seconds)
        elapsed, used = time.perf_counter() - started, time.process_time() - used
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    print(f"  the client took {used / elapsed:.0%} of a core", file=sys.stderr, flush=True)
    return count / elapsed


def _count(selector: selectors.BaseSelector, upcoming: Iterator[bytes], seconds: float) -> int:
    buffer = memoryview(bytearray(BUFFER))
    until, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        ready = selector.select(SILENCE_SECONDS)
        if not ready:
            raise RuntimeError("no server answers")
        for key, _ in ready:
            channel: _Channel = key.data
            length = channel.socket.recv_into(buffer)
            if not length:
                raise RuntimeError("the server hung up in the middle of an answer")
            if channel.answer.feed(buffer[:length]):
                require_success(channel.answer, channel.message)
                channel.send(next(upcoming))
                count += 1
    return count

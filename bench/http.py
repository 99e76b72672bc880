"""HTTP/1.1 at the price of a read: what the client costs must not be taken for the server.

One answer is asked for at a time on a connection; its body is counted, not kept.
"""

import re
import socket
from collections.abc import Mapping

BUFFER = 1024 * 1024
HEAD_LIMIT = 64 * 1024
SAID = 300
"""So much of a body is kept, to say what a refusal was."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


def request(path: str, headers: Mapping[str, str], method: str = "GET", body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def connect(port: int) -> socket.socket:
    """A connection that sends at once."""
    found = socket.create_connection(("127.0.0.1", port), timeout=120)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


class Answer:
    """One answer as it arrives: its head, then how much of the body is still to come."""

    def __init__(self) -> None:
        self.status = 0
        self.size = 0
        self.said = b""
        self._head = b""
        self._chunked = False
        self._left = 0
        self._line = b""

    def feed(self, data: memoryview) -> bool:
        """Take what has arrived; True once the answer is whole."""
        if not self.status:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                if len(self._head) > HEAD_LIMIT:
                    raise RuntimeError("an answer without an end of its head")
                return False
            self._read_head(self._head[: end + 2])
            data = memoryview(self._head)[end + 4 :]
        if len(self.said) < SAID:
            self.said += data[: SAID - len(self.said)]
        return self._feed_chunks(data) if self._chunked else self._feed_length(data)

    def _read_head(self, head: bytes) -> None:
        self.status = int(head.split(b" ", 2)[1])
        self._chunked = _CHUNKED.search(head) is not None
        length = _LENGTH.search(head)
        if not self._chunked and length is None and self.status != 204:
            raise RuntimeError("an answer whose end is not told")
        self._left = int(length[1]) if length else 0

    def _feed_length(self, data: memoryview) -> bool:
        self.size += len(data)
        self._left -= len(data)
        return self._left <= 0

    def _feed_chunks(self, data: memoryview) -> bool:
        """Chunks (RFC 9112 7.1) with the line end behind each counted into its length."""
        while data:
            if self._left:
                step = min(self._left, len(data))
                self._left -= step
                self.size += step
                data = data[step:]
                continue
            cut = bytes(data[:HEAD_LIMIT]).find(b"\n") + 1
            if not cut:
                self._line += data
                return False
            line, self._line = self._line + data[:cut], b""
            data = data[cut:]
            if not line.strip():
                return True  # the empty line behind the last chunk
            length = int(line.split(b";")[0], 16)
            self._left = length + 2 if length else 0
        return False


class Connection:
    """A kept connection on which one answer after the other is read."""

    def __init__(self, port: int) -> None:
        self._socket = connect(port)
        self._buffer = memoryview(bytearray(BUFFER))

    def ask(self, message: bytes) -> int:
        """Send a request and read its answer; the number of bytes. Raises where it failed."""
        self._socket.sendall(message)
        answer = Answer()
        while not answer.feed(self._buffer[: self._read()]):
            pass
        require_success(answer, message)
        return answer.size

    def _read(self) -> int:
        count = self._socket.recv_into(self._buffer)
        if not count:
            raise RuntimeError("the server hung up in the middle of an answer")
        return count


def require_success(answer: Answer, message: bytes) -> None:
    """Raise where the answer is neither 200 nor, for a search that finds nothing, 204."""
    if answer.status not in {200, 204}:
        asked = message.split(b"\r\n", 1)[0].decode()
        raise RuntimeError(f"{asked}: {answer.status} {answer.said!r}")

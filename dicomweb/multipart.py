"""multipart/related (RFC 2387; PS3.18 8.6.1.2): bodies read as they stream, bodies written.

Reading is python-multipart's parser, made for what DICOMweb clients send: a preamble before the
first delimiter is passed over, and a body that ends without its closing delimiter is told from
one that is whole.
"""

import re
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from hounsfield.dicomweb.media_types import MULTIPART, MediaType
from hounsfield.dicomweb.problems import BadRequest

BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
MAX_PREAMBLE = 64 * 1024
MAX_HEADERS = 32
NOTHING_READ = b"\r\n"
"""A delimiter begins a line: the line before the first one has just ended."""


class PartSink(Protocol):
    """Who takes the parts, in the order in which they come."""

    def begin(self, headers: dict[str, str]) -> None:
        """The headers of a part are there, their names in lower case."""

    def data(self, data: memoryview) -> None:
        """The next bytes of the part."""

    def end(self) -> None:
        """The part is whole."""

    def abort(self) -> None:
        """The body ended inside the part."""

    def finish(self) -> None:
        """The body is over: no part follows."""


def boundary_of(content_type: MediaType) -> bytes:
    """The boundary of a multipart body. Raises BadRequest where there is none."""
    boundary = content_type.parameters.get("boundary", "")
    if not BOUNDARY.fullmatch(boundary):
        raise BadRequest("the Content-Type names no valid boundary (RFC 2046 5.1.1)")
    return boundary.encode("ascii")


class MultipartReader:
    """Fed with the chunks of a body, hands its parts to a sink."""

    def __init__(self, boundary: bytes, sink: PartSink) -> None:
        self._delimiter = b"--" + boundary
        self._sink = sink
        self._preamble: bytes | None = NOTHING_READ
        self._name = b""
        self._value = b""
        self._headers: dict[str, str] = {}
        self._in_part = False
        self._complete = False
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }
        self._parser = MultipartParser(boundary, callbacks, max_header_count=MAX_HEADERS)  # type: ignore[arg-type]

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises BadRequest where they break the grammar."""
        if self._preamble is not None:
            chunk = self._skip_preamble(self._preamble, chunk)
        if not chunk or self._complete:
            return
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise BadRequest(f"the multipart body is malformed: {error}") from error

    def close(self) -> None:
        """The body is over. A part that it ended in is not whole."""
        if self._in_part:
            self._in_part = False
            self._sink.abort()
        self._sink.finish()

    finish = close

    def _skip_preamble(self, read: bytes, chunk: bytes) -> bytes:
        if read == NOTHING_READ and chunk.startswith(self._delimiter):
            self._preamble = None
            return chunk
        data = read + chunk
        found = data.find(b"\n" + self._delimiter)
        if found >= 0:
            self._preamble = None
            return data[found + 1 :]
        if len(data) > MAX_PREAMBLE:
            raise BadRequest("the body does not begin with its boundary")
        self._preamble = data
        return b""

    def _begin(self) -> None:
        self._headers = {}
        self._in_part = False

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1").strip()
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        self._in_part = True
        self._sink.begin(self._headers)

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._sink.data(memoryview(data)[start:end])

    def _end(self) -> None:
        self._in_part = False
        self._sink.end()

    def _finish(self) -> None:
        self._complete = True


def content_type_of(root: str, boundary: str) -> bytes:
    """The Content-Type of a multipart answer."""
    return f'{MULTIPART}; type="{root}"; boundary={boundary}'.encode()


def part_head(
    boundary: str, content_type: str, length: int | None, *, location: str = "", first: bool = False
) -> bytes:
    """What comes before a part's bytes; None is a length that nobody knows beforehand."""
    lines = ["" if first else "\r\n", f"--{boundary}\r\nContent-Type: {content_type}\r\n"]
    if location:
        lines.append(f"Content-Location: {location}\r\n")
    if length is not None:
        lines.append(f"Content-Length: {length}\r\n")
    return ("".join(lines) + "\r\n").encode()


def closing(boundary: str) -> bytes:
    """What comes after the last part."""
    return f"\r\n--{boundary}--\r\n".encode()

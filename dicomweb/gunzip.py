"""``Content-Encoding: gzip`` on a request body (RFC 9110 8.4.1.3; RFC 1952), under two caps.

The body is inflated piece by piece. More than the limit of a store, or far more than a body of
images would ever inflate to, is refused before it is written.
"""

import zlib
from typing import TYPE_CHECKING

from hounsfield.dicomweb.problems import BadRequest, BodyTooLarge, Headers

if TYPE_CHECKING:
    from hounsfield.dicomweb.stow import BodyReader

PIECE = 1024 * 1024
MAX_RATIO = 100
FREE_OF_RATIO = 16 * 1024 * 1024
"""Small bodies may be of nothing but zeros: an empty mask inflates to a thousand times its size."""
GZIP_WINDOW = 16 + zlib.MAX_WBITS
CLOSE: Headers = [(b"connection", b"close")]


class Gunzip:
    """Inflates a body on its way to a reader."""

    def __init__(self, reader: "BodyReader", limit: int) -> None:
        self._reader = reader
        self._limit = limit
        self._taken = self._given = 0
        self._inflate = zlib.decompressobj(GZIP_WINDOW)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises BadRequest or BodyTooLarge."""
        self._taken += len(chunk)
        while chunk:
            if self._inflate.eof:  # another member follows (RFC 1952 2.2)
                self._inflate = zlib.decompressobj(GZIP_WINDOW)
            try:
                piece = self._inflate.decompress(chunk, PIECE)
            except zlib.error as error:
                raise BadRequest("the body is not what gzip writes", CLOSE) from error
            if piece:
                self._account(len(piece))
                self._reader.feed(piece)
            inflate = self._inflate
            chunk = inflate.unused_data if inflate.eof else inflate.unconsumed_tail

    def finish(self) -> None:
        """The body is over; a gzip stream that is not has lost its end."""
        while not self._inflate.eof and (piece := self._inflate.decompress(b"", PIECE)):
            self._account(len(piece))
            self._reader.feed(piece)
        if not self._inflate.eof:
            raise BadRequest("the compressed body ends too early", CLOSE)
        self._reader.finish()

    def close(self) -> None:
        """The body was given up."""
        self._reader.close()

    def _account(self, size: int) -> None:
        self._given += size
        if self._given > self._limit:
            raise BodyTooLarge(f"a request may hold {self._limit} bytes at most", CLOSE)
        if self._given > FREE_OF_RATIO and self._given > MAX_RATIO * self._taken:
            raise BodyTooLarge(f"the body inflates to over {MAX_RATIO} times its size", CLOSE)

"""Answers that go straight to the ASGI server: no wrapper, no task group, no copy of a body.

A body is given as buffers. Slices of a mapped object are handed on as they are, in pieces small
enough that a slow client holds little, and the pages behind it are let go.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from http import HTTPStatus

from blake3 import blake3
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from hounsfield.dicomweb.problems import Headers

Buffer = bytes | memoryview

PIECE = 1024 * 1024
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}

PRIVATE: Headers = [
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"accept"),
    (b"x-content-type-options", b"nosniff"),
]
"""Nothing is immutable: a correction, a delete and a log-out must show at the next request."""


class Answer:
    """A body that is ready: a few buffers, sent one after the other."""

    def __init__(
        self, body: Sequence[Buffer], headers: Headers, status: int = HTTPStatus.OK
    ) -> None:
        self.status = int(status)
        self.headers = headers
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        length = sum(len(part) for part in self.body)
        headers = self.headers
        if self.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            headers = [*headers, (b"content-length", b"%d" % length)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if scope["method"] == "HEAD" or not self.body:
            await send(END)
            return
        last = len(self.body) - 1
        for index, part in enumerate(self.body):
            await send({"type": "http.response.body", "body": part, "more_body": index < last})


class StreamedAnswer:
    """A body that is made as it is sent; a client that leaves ends the making.

    ``length`` is None where nobody knows it beforehand.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[Buffer, None],
        headers: Headers,
        length: int | None,
        status: int = HTTPStatus.OK,
    ) -> None:
        self.pieces = pieces
        self.headers = headers
        self.length = length
        self.status = int(status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, piece by piece."""
        headers = self.headers
        if self.length is not None:
            headers = [*headers, (b"content-length", b"%d" % self.length)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if scope["method"] == "HEAD":
            await self.pieces.aclose()
            await send(END)
            return
        gone = asyncio.create_task(_wait_until_gone(receive))
        try:
            async for piece in self.pieces:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send(END)
        finally:
            gone.cancel()
            await self.pieces.aclose()


AnyAnswer = Answer | StreamedAnswer


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def etag_of(*parts: bytes | str) -> str:
    """A strong entity tag (RFC 9110 8.8.3) from what determines the body."""
    digest = blake3()
    for part in parts:
        encoded = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(encoded)).update(encoded)
    return digest.hexdigest(length=20)


def etag_header(etag: str) -> tuple[bytes, bytes]:
    """The header that carries it."""
    return (b"etag", f'"{etag}"'.encode())


def not_modified(request: Request, etag: str) -> Answer | None:
    """304 where the client holds this very body (RFC 9110 13.1.2), else None."""
    held = request.headers.get("if-none-match")
    if held is None:
        return None
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in held.split(",")}
    if etag in tags or tags == {"*"}:
        return Answer((), [*PRIVATE, etag_header(etag)], HTTPStatus.NOT_MODIFIED)
    return None

"""Request bodies as they arrive: bounded in size, in silence and in memory."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from hounsfield.dicomweb.problems import (
    BadRequest,
    BodyTooLarge,
    Headers,
    RequestTimeout,
    UnsupportedMediaType,
)

BATCH = 1024 * 1024
PROGRESS = 64 * 1024
"""Bytes that have to come within the time limit: less is a client that stalls."""
CLOSE: Headers = [(b"connection", b"close")]
IDENTITY = "identity"
GZIP = frozenset({"gzip", "x-gzip"})


def check_head(request: Request, limit: int) -> None:
    """Refuse by the headers alone what would be refused anyway (RFC 9110 10.1.1, 15.5.14)."""
    if _encoding(request) not in {IDENTITY, *GZIP}:
        refusal: Headers = [(b"accept-encoding", b"gzip"), *CLOSE]
        raise UnsupportedMediaType("a body is taken as it is, or in gzip once", refusal)
    length = request.headers.get("content-length", "0")
    if not length.isdigit():
        raise BadRequest("Content-Length is not a number", CLOSE)
    if int(length) > limit:
        raise _too_large(limit)


def is_compressed(request: Request) -> bool:
    """Whether the body is in gzip."""
    return _encoding(request) in GZIP


def _encoding(request: Request) -> str:
    """All fields of Content-Encoding, which make one list (RFC 9110 5.3)."""
    fields = request.headers.getlist("content-encoding")
    return ",".join(fields).strip().lower() or IDENTITY


async def batches(
    request: Request, limit: int, patience: float
) -> AsyncIterator[tuple[list[bytes], bool]]:
    """The body in batches of about a megabyte, each with whether it is the last.

    Raises BodyTooLarge, RequestTimeout, or ClientDisconnect where the sender has gone.
    """
    total = 0
    more = True
    while more:
        batch, size, more = await _batch(request, patience)
        total += size
        if total > limit:
            raise _too_large(limit)
        yield batch, not more


async def _batch(request: Request, patience: float) -> tuple[list[bytes], int, bool]:
    loop = asyncio.get_running_loop()
    batch: list[bytes] = []
    size = mark = 0
    try:
        async with asyncio.timeout(patience) as deadline:
            while size < BATCH:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                if chunk:
                    batch.append(chunk)
                    size += len(chunk)
                if not message.get("more_body", False):
                    return batch, size, False
                if size - mark >= PROGRESS:
                    mark = size
                    deadline.reschedule(loop.time() + patience)
    except TimeoutError as error:
        raise RequestTimeout("the body came too slowly", CLOSE) from error
    return batch, size, True


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"a request may hold {limit} bytes at most", CLOSE)

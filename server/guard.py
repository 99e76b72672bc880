"""The outermost layer: strangers out, bodies bounded, security header fields on every answer.

Plain ASGI, since every frame of every image passes through it.
"""

import asyncio

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hounsfield.conf.settings import HttpSettings
from hounsfield.dicomweb.problems import (
    BadRequest,
    BodyTooLarge,
    RequestError,
    RequestTimeout,
    problem,
)
from hounsfield.server.admission import CLOSE, Admission, Head
from hounsfield.server.cors import Cors, is_below, is_preflight, preflight_headers
from hounsfield.server.forwarded import Forwarded
from hounsfield.server.security_headers import complete

log = structlog.get_logger()

STORE = "/dicom-web/studies"
MOST_DIGITS = 18


class Guard:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        self._app = app
        self._admission = Admission.of(settings)
        self._cors = Cors(settings.cors_origins)
        self._forwarded = Forwarded(settings.trusted_proxies)
        self._max_bytes = settings.max_body_bytes
        self._seconds = settings.body_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope = self._forwarded.apply(scope)
        path: str = scope["path"]
        origin = self._cors.origin_of(scope)
        shared = self._cors.headers(origin) if is_below(path) else []

        async def completed(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                message["headers"] = complete(path, [*message.get("headers", ()), *shared])
            await send(message)

        try:
            head = self._admission.check(scope, invited=origin is not None)
            if origin is not None and is_preflight(scope):
                await _answer_preflight(completed)
                return
            if _has_body(head) and not _is_store(scope):
                receive = await self._read_body(head, receive)
        except RequestError as error:
            log.info("http.refused", kind=scope["type"], reason=type(error).__name__)
            await _refuse(error, scope, completed)
            return
        await self._app(scope, receive, completed)

    async def _read_body(self, head: Head, receive: Receive) -> Receive:
        """Take in the whole body, which is small; give it out again as one message."""
        _check_length(head, self._max_bytes)
        body = bytearray()
        more = True
        try:
            async with asyncio.timeout(self._seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return _replaying(message, receive)
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self._max_bytes:
                        raise _too_large(self._max_bytes)
        except TimeoutError:
            raise RequestTimeout("the body did not come in time", CLOSE) from None
        return _replaying({"type": "http.request", "body": bytes(body)}, receive)


def _has_body(head: Head) -> bool:
    return b"transfer-encoding" in head or head.get(b"content-length", b"0") != b"0"


def _is_store(scope: Scope) -> bool:
    """STOW-RS streams its body and has a limit of its own."""
    path: str = scope["path"]
    in_studies = path == STORE or path.startswith(f"{STORE}/")
    return scope["type"] == "http" and scope["method"] == "POST" and in_studies


def _check_length(head: Head, limit: int) -> None:
    length = head.get(b"content-length", b"0")
    if not length.isdigit():
        raise BadRequest("Content-Length is not a number", CLOSE)
    if len(length) > MOST_DIGITS or int(length) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> RequestError:
    return BodyTooLarge(f"the body is larger than {limit} bytes", CLOSE)


def _replaying(first: Message, receive: Receive) -> Receive:
    waiting = [first]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


async def _answer_preflight(send: Send) -> None:
    headers = preflight_headers()
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(error: RequestError, scope: Scope, send: Send) -> None:
    """Answer with a problem document; a WebSocket is refused before it opens."""
    status, headers, body = problem(error)
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close"})
            return
        kind = "websocket.http.response"
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    if scope.get("method") == "HEAD":
        body = b""
    await send({"type": f"{kind}.body", "body": body})

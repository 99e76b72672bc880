"""uvicorn's connections, with an end to their patience.

uvicorn waits for ever for a request's head, and for ever for a client that has stopped reading:
each such client keeps a socket, a task and a buffer. Here a head has to come in time, and a
client that takes nothing of what it asked for is cut off.
"""

import asyncio
import socket
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_SECONDS = 20.0
STALL_SECONDS = 120.0
CLOSE_SECONDS = 2.0
SOCKET_BUFFER = 128 * 1024
READ_AHEAD = 640 * 1024
WRITE_BUFFER = 64 * 1024


class TimedHttp(HttpToolsProtocol):
    """HTTP/1.1: the first byte of a head starts its time, and so does the connection."""

    _head: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The time of the first head begins."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._head = _cancel(self._head)
        self._stall = _cancel(self._stall)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A head has begun to come."""
        super().on_message_begin()
        if self._head is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """It is here."""
        self._head = _cancel(self._head)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Let more of a body come before the application takes it: uvicorn stops at 64 KiB, which
        makes a slice eight turns of the event loop."""
        super().on_body(body)
        if self.cycle is not None and len(self.cycle.body) < READ_AHEAD:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        """The client does not take what is sent as fast as it is sent."""
        super().pause_writing()
        self._stall = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken some."""
        self._stall = _cancel(self._stall)
        super().resume_writing()

    def _await_head(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket with little room for what its client has not read, in us and in the kernel."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound both buffers."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER)
        taken: socket.socket | None = transport.get_extra_info("socket")
        if taken is not None:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)

    async def send(self, message: ASGISendEvent) -> None:
        """A refusal is an answer too: uvicorn would report it as a missing handshake."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """When the application has ended, what is left to be read gets two more seconds."""
        await super().run_asgi()
        self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """A client that does not even answer pings reads nothing either."""
        super().keepalive_timeout()
        self.loop.call_later(CLOSE_SECONDS, self.transport.abort)


def _cancel(timer: asyncio.TimerHandle | None) -> Any:
    if timer is not None:
        timer.cancel()

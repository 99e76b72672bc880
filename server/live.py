"""The live WebSocket: the change feed as it happens, from any number on.

What a client has not read waits in the socket's buffer, which is small, and nowhere else. A
client that does not read is let go; it comes back with the number that it has seen last and
misses nothing.
"""

import asyncio
from contextlib import suppress
from typing import Annotated, Any

import orjson
import structlog
from fastapi import APIRouter, Query, WebSocket
from sqlalchemy.exc import SQLAlchemyError
from starlette.websockets import WebSocketDisconnect

from hounsfield.server.feed import LiveFeed

log = structlog.get_logger()

PING_SECONDS = 20.0
SEND_SECONDS = 10.0
START_SECONDS = 5.0
MOST_CLIENTS = 4000
TRY_AGAIN_LATER = 1013


def create_live(feed: LiveFeed) -> APIRouter:
    """The route ``/api/live``."""
    router = APIRouter()
    clients: set[Client] = set()

    @router.websocket("/api/live")
    async def live(
        websocket: WebSocket, since: Annotated[int | None, Query(ge=0, lt=2**62)] = None
    ) -> None:
        await websocket.accept()
        with feed.watched():
            if len(clients) >= MOST_CLIENTS or not await feed.started(START_SECONDS):
                await websocket.close(TRY_AGAIN_LATER)
                return
            client = Client(feed, websocket, since)
            clients.add(client)
            try:
                await client.serve()
            finally:
                clients.discard(client)

    return router


class Client:
    """One open WebSocket and how far its client has seen the feed."""

    def __init__(self, feed: LiveFeed, websocket: WebSocket, since: int | None) -> None:
        self._feed = feed
        self._websocket = websocket
        self._restarts = feed.restarts
        self._asked = since
        self._seen = feed.last if since is None else since

    async def serve(self) -> None:
        """Send until either side ends."""
        tasks = {asyncio.create_task(self._write()), asyncio.create_task(self._listen())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        """What clients say is not asked for; but that they leave is only heard by listening."""
        while (await self._websocket.receive())["type"] != "websocket.disconnect":
            pass

    async def _write(self) -> None:
        try:
            await self._greet()
            while True:
                await self._send_next()
        except WebSocketDisconnect:
            return
        except TimeoutError:
            log.info("live.dropped", seen=self._seen)
        except SQLAlchemyError:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._websocket.close(TRY_AGAIN_LATER)

    async def _greet(self) -> None:
        if self._asked is not None and not await self._feed.can_go_on(self._asked):
            await self._reset()
            return
        last = max(self._feed.last, self._seen)
        await self._say({"type": "hello", "sequence": last, "since": self._seen})

    async def _reset(self) -> None:
        """The client has to read its lists anew: numbering does not go on from what it saw."""
        self._restarts = self._feed.restarts
        self._seen = self._feed.last
        await self._say({"type": "reset", "sequence": self._seen})

    async def _send_next(self) -> None:
        lines = await self._feed.after(self._seen)
        if lines is None or self._restarts != self._feed.restarts:
            await self._reset()
            return
        for line in lines:
            await self._send(line.text)
            self._seen = line.sequence
        if lines:
            await asyncio.sleep(0)
        elif not await self._feed.changed(PING_SECONDS):
            await self._say({"type": "ping", "sequence": self._seen})

    async def _say(self, message: dict[str, Any]) -> None:
        await self._send(orjson.dumps(message).decode())

    async def _send(self, text: str) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._websocket.send_text(text)

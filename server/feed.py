"""The newest events of the change feed in this process: read once, encoded once, for everybody.

One listener hears of new events, however many clients there are; while there is none, nothing is
read, for each page costs every web process more than a store costs the archive. A client holds
nothing but the number of the event that it has seen last; those who fall behind what is kept here
read on from the database, a few at a time.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from hounsfield.archive.events import EventPage, FeedEvent, listen, read_events

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

KEPT = 4096
PAGE = 100
READERS = 2
AGAIN_SECONDS = 1.0
AFTER_ALL = 2**62


@dataclass(frozen=True, slots=True)
class Line:
    """One event as its clients get it."""

    sequence: int
    text: str


class LiveFeed:
    """Follows the change feed; clients wait on it."""

    def __init__(self, archive: "Archive", kept: int = KEPT) -> None:
        self._archive = archive
        self._kept = kept
        self._lines: list[Line] = []
        self._changed = asyncio.Event()
        self._started = asyncio.Event()
        self._watchers = 0
        self._watched = asyncio.Event()
        self._readers = asyncio.Semaphore(READERS)
        self.last = 0
        self.restarts = 0
        """How often numbering began anew under our feet (another database was put in)."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While the block runs somebody wants the news."""
        self._watchers += 1
        self._watched.set()
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._watched.clear()

    async def follow(self) -> None:
        """Follow the feed whenever it is watched, for ever, over losses of the database."""
        while True:
            await self._watched.wait()
            try:
                await self._follow_while_watched()
            except (SQLAlchemyError, psycopg.Error, OSError) as error:
                log.warning("live.database_lost", error=type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _follow_while_watched(self) -> None:
        since = self.last if self._started.is_set() else await self._begin()
        self._started.set()
        async for page in listen(self._archive, since):
            self.publish(page)
            if not self._watched.is_set():
                self._started.clear()
                return

    async def started(self, seconds: float) -> bool:
        """Whether the feed has been read; waits for it."""
        return await _within(seconds, self._started)

    def publish(self, page: EventPage) -> None:
        """Take in new events and wake the clients."""
        if page.reset:
            self._lines.clear()
        if page.reset and page.last_sequence < self.last:
            self.restarts += 1
            self.last = 0
        self._lines += map(_line, page.events)
        if len(self._lines) > 2 * self._kept:
            del self._lines[: -self._kept]
        newest = page.events[-1].sequence if page.events else page.last_sequence
        self.last = max(self.last, newest)
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, seconds: float) -> bool:
        """Wait for news; False where none came in time."""
        return await _within(seconds, self._changed)

    async def after(self, sequence: int) -> Sequence[Line] | None:
        """The next events, a page at the most; None where some of them are no longer kept."""
        if sequence >= self.last:
            return ()
        if self._lines and sequence >= self._lines[0].sequence - 1:
            start = sequence - self._lines[0].sequence + 1
            return self._lines[start : start + PAGE]
        return await self._read(sequence)

    async def can_go_on(self, sequence: int) -> bool:
        """Whether the feed has everything after this number, and has reached it."""
        if self._lines and self._lines[0].sequence - 1 <= sequence <= self.last:
            return True
        async with self._readers:
            page = await read_events(self._archive, sequence, 1)
        return not page.reset

    async def _read(self, sequence: int) -> Sequence[Line] | None:
        async with self._readers:
            page = await read_events(self._archive, sequence, PAGE)
        return None if page.reset else [_line(event) for event in page.events]

    async def _begin(self) -> int:
        """Where to read on, so that clients find what they missed, of a process before us too."""
        newest = (await read_events(self._archive, AFTER_ALL, 1)).last_sequence
        read = self._lines[-1].sequence if self._lines else 0
        if newest < read:
            return read  # numbering began anew: the first page will say so
        if newest - read > self._kept:
            self._lines.clear()
            read = max(0, newest - self._kept)
        self.last = newest
        return read


def _line(event: FeedEvent) -> Line:
    return Line(event.sequence, orjson.dumps(event.as_json()).decode())


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False

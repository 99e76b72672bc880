"""The change feed: what happened, numbered in commit order without a gap.

A transaction writes its events to the outbox. One elected sequencer moves committed ones to the
feed with their numbers and wakes the readers; a PostgreSQL sequence would not do, since its
numbers commit out of order and a reader would step over a late one.
"""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hounsfield.archive.background import Background
from hounsfield.db.repositories import events, settling
from hounsfield.db.repositories.events import add as add_event

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

__all__ = ["EventPage", "FeedEvent", "Sequencer", "add_event", "listen", "read_events"]

log = structlog.get_logger()

BATCH = 1000
LOOK_SECONDS = 0.1
PACE_SECONDS = 0.4
CANDIDATE_SECONDS = 1.0
SLOW_POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One thing that happened. ``time`` is ISO 8601; the order is by ``sequence`` alone."""

    sequence: int
    type: str
    study_instance_uid: str | None
    series_instance_uid: str | None
    sop_instance_uid: str | None
    job_id: str | None
    data: dict[str, Any]
    time: str

    def as_json(self) -> dict[str, Any]:
        """As the API and the WebSocket carry it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events after a number. ``reset``: that number is not one from which reading can go on."""

    events: list[FeedEvent]
    last_sequence: int
    reset: bool


async def read_events(archive: "Archive", since: int, limit: int = BATCH) -> EventPage:
    """The events after ``since``, oldest first, ``limit`` at the most."""
    async with archive.database.async_engine.connect() as connection:
        rows, last, first = await events.read(connection, since, limit)
    page = [
        FeedEvent(
            row.sequence,
            row.type,
            row.study_instance_uid,
            row.series_instance_uid,
            row.sop_instance_uid,
            str(row.job_id) if row.job_id else None,
            row.data,
            row.time.isoformat(),
        )
        for row in rows
    ]
    last = max(last, page[-1].sequence if page else 0)
    return EventPage(page, last, since < first - 1 or since > last)


async def listen(archive: "Archive", since: int) -> AsyncIterator[EventPage]:
    """Pages of events as they come, for ever; polls slowly beside LISTEN.

    Ends with the error of the connection when the database goes away: the caller calls again
    with the last number that it has seen.
    """
    connection = await psycopg.AsyncConnection.connect(archive.database.url, autocommit=True)
    async with connection:
        await connection.execute(f"LISTEN {events.CHANNEL}")
        while True:
            page = await read_events(archive, since)
            if page.events or page.reset:
                yield page
                since = page.events[-1].sequence if page.events else page.last_sequence
                continue
            async for _ in connection.notifies(timeout=SLOW_POLL_SECONDS, stop_after=1):
                pass


class Sequencer(Background):
    """A candidate for numbering; one at a time is elected, over all processes."""

    def __init__(self, archive: "Archive") -> None:
        super().__init__("sequencer")
        self._archive = archive

    def run(self) -> None:
        """Stand for election until stopped; serve while elected."""
        while not self._ended.is_set():
            try:
                self._stand()
            except DBAPIError:
                log.warning("sequencer.database_lost")
            self._ended.wait(CANDIDATE_SECONDS)

    def _stand(self) -> None:
        """Hold the election lock on a connection of its own while numbering on another."""
        engine = self._archive.database.engine
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as seat:
            if not events.elect(seat):
                return
            try:
                events.ensure_counter(seat)
                self._serve(seat)
            finally:
                seat.invalidate()

    def _serve(self, seat: Connection) -> None:
        """Number what has come, at once after a silence; a stream in steps, as each step costs."""
        wait = LOOK_SECONDS
        while not self._ended.wait(wait):
            waiting = events.waiting(seat)
            for _ in range(0, waiting, BATCH):
                self._archive.database.run(self._number)
            wait = PACE_SECONDS if waiting else LOOK_SECONDS

    def _number(self, connection: Connection) -> None:
        last, flows = events.number(connection, BATCH)
        limits = self._archive.settings.inference
        settling.flow(connection, flows, limits.settle_seconds)
        ended = [flow.series_pk for flow in flows if flow.released]
        if ended:
            settling.shorten(connection, ended, limits.settle_after_release_seconds)
        events.announce(connection, last)

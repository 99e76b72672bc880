"""The worker process: decides on series as they settle, and runs the jobs that follow.

It imports no torch and keeps little memory while idle; a model lives in a child, for one run.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog
from procrastinate.exceptions import ProcrastinateException
from psycopg import Error as PsycopgError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hounsfield.archive.events import Sequencer
from hounsfield.db.repositories import queue
from hounsfield.inference.arrivals import Arrivals
from hounsfield.inference.jobs import SILENT_SECONDS, work
from hounsfield.inference.standby import StandbyKeeper

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

PAUSE_SECONDS = 2.0


def run_worker(archive: "Archive") -> None:
    """Work until SIGTERM or SIGINT. A job that is running then goes back to the queue."""
    # psycopg's coroutines need a loop that can wait for sockets, which Windows' own cannot.
    loop_factory = asyncio.SelectorEventLoop if sys.platform == "win32" else None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve_until_signal(archive))


async def serve(archive: "Archive", stop: asyncio.Event) -> None:
    """The same, until ``stop``."""
    keeper = StandbyKeeper(archive)
    threads = (Sequencer(archive), Arrivals(archive, keeper))
    for thread in threads:
        thread.start()
    try:
        await asyncio.gather(
            _keep_on(lambda: work(archive, keeper, stop), stop),
            _keep_on(lambda: _upkeep(archive), stop),
        )
    finally:
        for thread in reversed(threads):
            await asyncio.to_thread(thread.stop)
        keeper.close()


async def _serve_until_signal(archive: "Archive") -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            loop.add_signal_handler(number, stop.set)
    await serve(archive, stop)


async def _keep_on(part: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Do it again and again; a database that is away is waited for."""
    while not stop.is_set():
        try:
            await part()
        except (DBAPIError, PsycopgError, ProcrastinateException) as error:
            log.warning("worker.database_lost", error=type(error).__name__)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)


async def _upkeep(archive: "Archive") -> None:
    """Queue again what dead workers left, and what stands in no queue."""

    def work(connection: Connection) -> None:
        revived = queue.revive(connection, SILENT_SECONDS)
        forgotten = queue.defer_forgotten(connection)
        if revived or forgotten:
            log.warning("worker.jobs_revived", revived=revived, forgotten=forgotten)

    await asyncio.to_thread(archive.database.run, work)

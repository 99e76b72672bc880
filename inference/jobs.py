"""The queue of analyses: a procrastinate application with one task, and the worker on it.

procrastinate gives each job to one worker, starts it within milliseconds (LISTEN), and shows by
heartbeats which workers live. How a job ended stands in our own row; the queue forgets it.
"""

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING

from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.jobs import Job
from procrastinate.worker import Worker

from hounsfield.db.repositories import queue
from hounsfield.inference import attempt
from hounsfield.inference.standby import StandbyKeeper

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

HEARTBEAT_SECONDS = 2.0
SILENT_SECONDS = 15.0
"""A worker of which nothing was heard for this long is dead, and its job another's."""
POLL_SECONDS = 1.0
GRACE_SECONDS = 2.0
"""What a running job gets to finish when the worker is stopped."""
AFTER_AN_ERROR_SECONDS = 5.0
CONNECTIONS = 3


class _Again(BaseRetryStrategy):
    """Whatever got as far as the queue comes back; what has ended never gets there."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        """When."""
        after = AFTER_AN_ERROR_SECONDS
        if isinstance(exception, attempt.TryAgain):
            after = exception.after_seconds
        now = dt.datetime.now(dt.UTC)
        return RetryDecision(retry_at=now + dt.timedelta(seconds=after) if after else None)


class _Worker(Worker):
    """A worker that ends as soon as its heartbeat or its listening fails.

    procrastinate looks after both only until its deferrer of periodic jobs ends, which it does
    at once where there are none.
    """

    async def _periodic_deferrer(self) -> None:
        await asyncio.Event().wait()


def make_app(archive: "Archive", keeper: StandbyKeeper) -> App:
    """The queue on the archive's database."""
    connector = PsycopgConnector(conninfo=archive.database.url, min_size=1, max_size=CONNECTIONS)
    app = App(connector=connector)

    @app.task(name=queue.TASK, queue=queue.QUEUE, retry=_Again(), pass_context=True)
    def analyse(context: JobContext, job_id: str) -> None:
        attempt.analyse(archive, uuid.UUID(job_id), context.should_abort, keeper)

    return app


async def work(archive: "Archive", keeper: StandbyKeeper, stop: asyncio.Event) -> None:
    """Run jobs, one at a time, until ``stop``; raises when the database goes away."""
    app = make_app(archive, keeper)
    async with app.open_async():
        worker = _Worker(
            app,
            queues=[queue.QUEUE],
            concurrency=1,
            fetch_job_polling_interval=POLL_SECONDS,
            shutdown_graceful_timeout=GRACE_SECONDS,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=SILENT_SECONDS,
        )
        running = asyncio.ensure_future(worker.run())  # type: ignore[no-untyped-call]
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        worker.stop()  # type: ignore[no-untyped-call]
        await running

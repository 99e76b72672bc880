"""What goes between a run and its job: per cent one way, the wish to end the other way."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hounsfield.db.repositories import jobs
from hounsfield.db.repositories.job_rows import JobRow
from hounsfield.inference.job_view import announce

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

INTERVAL_SECONDS = 0.25

Ending = Literal["person", "shutdown", "fenced"]


class Follower:
    """Both callbacks of a run. At most four times a second it speaks with the database.

    A database that does not answer does not end a run: the result may still be stored.
    """

    def __init__(
        self, archive: "Archive", job: JobRow, is_shutting_down: Callable[[], bool]
    ) -> None:
        self._archive = archive
        self._job = job
        self._is_shutting_down = is_shutting_down
        self._news: tuple[int, str] | None = None
        self._last = 0.0
        self.ending: Ending | None = None
        """Why the run has to end."""

    def on_progress(self, percent: int, stage: str) -> None:
        """Keep the newest; it is written with the next beat."""
        self._news = (percent, stage)
        self._beat()

    def is_cancelled(self) -> bool:
        """True once the run has to end."""
        if self.ending is None and self._is_shutting_down():
            self.ending = "shutdown"
        self._beat()
        return self.ending is not None

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._last < INTERVAL_SECONDS or self.ending:
            return
        self._last = now
        try:
            job = self._archive.database.run(self._exchange)
        except DBAPIError as error:
            log.warning("job.progress_lost", error=type(error).__name__)
            return
        self._news = None
        if job is None:
            self.ending = "fenced"
        elif job.cancel_requested:
            self.ending = "person"

    def _exchange(self, connection: Connection) -> JobRow | None:
        token = self._job.fencing_token
        if self._news is None:
            return jobs.started(connection, self._job.id, token)
        progress, stage = self._news
        job = jobs.change(connection, self._job.id, token, progress=progress, stage=stage)
        if job is not None:
            announce(connection, job)
        return job

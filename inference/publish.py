"""Results become visible: SEG, SR, the job's end and its event in one transaction, once.

A job may have run twice, after a crash or beside a worker that was taken for dead. Both runs
made objects with the same UIDs; the fencing token lets only the last start publish, and a job
that has ended takes no further result.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hounsfield.archive.errors import CannotAnalyse, HounsfieldError, Unavailable
from hounsfield.archive.ingest import publish
from hounsfield.archive.pushes import queue_results
from hounsfield.archive.types import Source
from hounsfield.db.engine import is_connection_loss
from hounsfield.db.repositories import analysis, jobs
from hounsfield.db.repositories.job_rows import JobRow
from hounsfield.inference.decisions import HELD
from hounsfield.inference.errors import Cancelled
from hounsfield.inference.job_view import announce
from hounsfield.inference.runner import AnalysisResult
from hounsfield.inference.uids import ResultNames

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

T = TypeVar("T")

log = structlog.get_logger()

PATIENCE_SECONDS = 60.0
AGAIN_SECONDS = 1.0


class Fenced(HounsfieldError):
    """The job has ended, or another start of it is the one that counts."""


def publish_result(archive: "Archive", job: JobRow, result: AnalysisResult) -> None:
    """Store both objects and complete the job, or raise and leave nothing behind."""
    source = Source("INFERENCE", job_id=str(job.id))
    files = (result.seg.read_bytes(), result.sr.read_bytes())
    receivers = archive.settings.outgoing.send_results_to

    def complete(connection: Connection) -> None:
        _complete(connection, job, result)
        names = ResultNames.from_json(job.results)
        series = (names.seg.series_instance_uid, names.sr.series_instance_uid)
        queue_results(connection, receivers, job.study_instance_uid, series)

    insist(lambda: publish(archive, source, files, guard=complete))


def _complete(connection: Connection, job: JobRow, result: AnalysisResult) -> None:
    ended = jobs.end(
        connection,
        job.id,
        job.fencing_token,
        "complete",
        progress=100,
        stage="",
        measurements=result.measurements,
        results=job.results | {"notes": result.notes},
    )
    if ended is None:
        raise Fenced("another start of this job counts")
    if ended.cancel_requested:
        raise Cancelled("canceled before its results were stored")
    conflict = analysis.conflict_of(connection, job.study_instance_uid)
    if conflict:
        raise CannotAnalyse(HELD.format(conflict=conflict))
    announce(connection, ended)


def insist(work: Callable[[], T]) -> T:
    """Do it again while the database is away, for a minute: a run of minutes is worth it.

    After a lost connection the commit may stand. ``work`` must find that out by itself: here,
    the job has ended then.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work()
        except DBAPIError as error:
            if not is_connection_loss(error):
                raise
            log.warning("job.database_lost")
            if time.monotonic() > deadline:
                raise Unavailable("the database does not answer") from error
        time.sleep(AGAIN_SECONDS)

"""One start of a job, from the queue to its end: complete, failed, canceled, or tried again."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection

from hounsfield.archive.errors import CannotAnalyse, HounsfieldError, Permanent, Retriable
from hounsfield.archive.retrieve import StoredInstance, find_instances_sync, verify
from hounsfield.db.repositories import analysis, jobs
from hounsfield.db.repositories.job_rows import JobRow, Label
from hounsfield.inference.decisions import HELD
from hounsfield.inference.errors import Cancelled
from hounsfield.inference.follower import Follower
from hounsfield.inference.job_view import announce
from hounsfield.inference.models import model
from hounsfield.inference.publish import Fenced, insist, publish_result
from hounsfield.inference.runner import AnalysisRequest, Run, Standby
from hounsfield.inference.standby import StandbyKeeper, run_limits, runs_folder

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

MOST_ATTEMPTS = 3
MOST_STARTS = 20
"""Deaths of the worker are not the model's failures, but a job that kills workers must end."""
SLOWER_EACH_TIME = 3.0
BY_A_PERSON = "Canceled by a person."
INTERNAL = "An internal error ended the analysis ({error}); the log has the details."


class TryAgain(Exception):
    """The job waits for another start."""

    def __init__(self, after_seconds: float) -> None:
        super().__init__(f"again in {after_seconds:g} s")
        self.after_seconds = after_seconds


def analyse(
    archive: "Archive",
    job_id: uuid.UUID,
    is_shutting_down: Callable[[], bool],
    keeper: StandbyKeeper,
) -> None:
    """Run a job that the queue has given out. Raises TryAgain where it has to come back."""
    job = insist(lambda: archive.database.run(lambda connection: _begin(connection, job_id)))
    if job is None:
        return
    follower = Follower(archive, job, is_shutting_down)
    try:
        with keeper.for_run() as standby:
            _run_and_publish(archive, job, follower, standby)
    except Cancelled:
        _interrupted(archive, job, follower)
    except Fenced:
        log.warning("job.fenced", job_id=str(job.id))
    except Permanent as error:
        _end(archive, job, "failed", error.message)
    except Exception as error:
        if not isinstance(error, Retriable):
            log.exception("job.internal_error", job_id=str(job.id))
        _failed(archive, job, error)


def _begin(connection: Connection, job_id: uuid.UUID) -> JobRow | None:
    """Take a new fencing token; None where there is nothing to run any more."""
    job = jobs.begin(connection, job_id)
    if job is None:
        return None
    try:
        begun = jobs.change(connection, job.id, None, **_what_will_run(connection, job))
    except (Cancelled, Permanent) as error:
        label: Label = "canceled" if isinstance(error, Cancelled) else "failed"
        begun = None
        job = jobs.end(connection, job.id, None, label, error.message) or job
    announce(connection, begun or job)
    return begun


def _what_will_run(connection: Connection, job: JobRow) -> dict[str, Any]:
    """The model as it is installed now, and how much of the series it will see."""
    if job.cancel_requested:
        raise Cancelled(job.reason or BY_A_PERSON)
    conflict = analysis.conflict_of(connection, job.study_instance_uid)
    if conflict:
        raise CannotAnalyse(HELD.format(conflict=conflict))
    if job.fencing_token > MOST_STARTS:
        raise CannotAnalyse(f"The worker died in each of {MOST_STARTS} starts of this analysis.")
    uids = (job.study_instance_uid, job.series_instance_uid)
    series = analysis.state_of_series(connection, *uids)
    if series is None:
        raise CannotAnalyse("The series is no longer stored.")
    bundle = model(job.model_name)
    return {
        "stage": "starting",
        "model_version": bundle.version,
        "model_digest": bundle.digest,
        "results": job.results | {"instance_count": series.instance_count},
    }


def _run_and_publish(
    archive: "Archive", job: JobRow, follower: Follower, standby: Standby | None
) -> None:
    runs = runs_folder(archive.settings)
    for left_over in runs.glob(f"{job.id}.*"):
        shutil.rmtree(left_over, ignore_errors=True)
    folder = runs / f"{job.id}.{job.fencing_token}"
    try:
        instances = find_instances_sync(archive, job.study_instance_uid, job.series_instance_uid)
        run = Run(_request(archive, job, instances, folder), standby)
        try:
            _verify(archive, instances, follower)
            result = run.wait(follower.on_progress, follower.is_cancelled)
        finally:
            run.kill()
        publish_result(archive, job, result)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _request(
    archive: "Archive", job: JobRow, instances: list[StoredInstance], folder: Path
) -> AnalysisRequest:
    return AnalysisRequest(
        model=job.model_name,
        instance_paths=tuple(archive.objects.path(item.object_key) for item in instances),
        results=job.results,
        work_dir=folder,
        limits=run_limits(archive.settings),
    )


def _verify(archive: "Archive", instances: list[StoredInstance], follower: Follower) -> None:
    """While the child reads: nothing is said of images that are not the ones received."""
    for instance in instances:
        verify(archive, instance)
        if follower.is_cancelled():
            raise Cancelled("canceled while its images were verified")


def _interrupted(archive: "Archive", job: JobRow, follower: Follower) -> None:
    if follower.ending == "shutdown":
        _requeue(archive, job, "The worker was stopped; the analysis starts again.", failed=False)
        raise TryAgain(0)
    if follower.ending != "fenced":
        _end(archive, job, "canceled", None)


def _failed(archive: "Archive", job: JobRow, error: Exception) -> None:
    if isinstance(error, HounsfieldError):
        reason = error.message
    else:
        reason = INTERNAL.format(error=type(error).__name__)
    if job.attempt >= MOST_ATTEMPTS:
        _end(archive, job, "failed", f"{reason} It was tried {job.attempt} times.")
        return
    wait = archive.settings.inference.retry_seconds * SLOWER_EACH_TIME ** (job.attempt - 1)
    _requeue(archive, job, f"{reason} It is tried again in {wait:g} s.", failed=True)
    raise TryAgain(wait)


def _end(archive: "Archive", job: JobRow, label: Label, reason: str | None) -> None:
    def work(connection: Connection) -> None:
        now = jobs.started(connection, job.id, job.fencing_token)
        why = reason or (now and now.reason) or BY_A_PERSON
        if ended := jobs.end(connection, job.id, job.fencing_token, label, why, stage=""):
            announce(connection, ended)

    insist(lambda: archive.database.run(work))


def _requeue(archive: "Archive", job: JobRow, reason: str, *, failed: bool) -> None:
    def work(connection: Connection) -> None:
        token = job.fencing_token
        if waiting := jobs.requeue(connection, job.id, token, reason, failed=failed):
            announce(connection, waiting)

    insist(lambda: archive.database.run(work))

"""Deletes a study, a series or an instance: at once for everybody, the bytes after a grace period.

One transaction takes the rows, ends the jobs of what is gone and writes the event, so that a
crash leaves either all of it or nothing. The names stay, for the answer 410 (Gone); the UIDs are
free. An instance that is stored again within the grace period is stored with an object of its
own: what then happens to the old one does not touch it.
"""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from hounsfield.archive.conflict import release_if_solved
from hounsfield.archive.errors import Committed, Gone, NotFound, Unavailable
from hounsfield.archive.events import add_event
from hounsfield.archive.job_events import announce
from hounsfield.db.engine import is_server_state
from hounsfield.db.repositories import commitments, deletions, jobs, queue
from hounsfield.db.repositories.deletions import Resource
from hounsfield.db.repositories.job_rows import JobRow

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

SERIES_DELETED = "The series was deleted."
IMAGES_DELETED = "Images of the series were deleted; what is left of it is looked at anew."


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion took: the instances, and the series and study that held nothing else."""

    instances: int
    series: tuple[str, ...]
    study: bool
    object_keys: tuple[str, ...]


def delete(archive: "Archive", resource: Resource, *, override_commitment: bool = False) -> Deleted:
    """Delete it. Raises NotFound, Gone where it has been deleted before, or Unavailable.

    Raises Committed where somebody was told that we keep it, unless that is overridden.
    """

    def work(connection: Connection) -> Deleted:
        return _delete(archive, connection, resource, override_commitment=override_commitment)

    try:
        done = archive.database.run(work)
    except SQLAlchemyError as error:
        if is_server_state(error):
            raise Unavailable("the database does not answer") from error
        raise
    # From here on nobody finds it who looks; who has looked already finds no object.
    archive.objects.set_aside(done.object_keys)
    log.info("archive.deleted", study=resource.study, instances=done.instances)
    return done


def why_missing(found_deleted: bool) -> NotFound:
    """The error for a name that is not stored."""
    if found_deleted:
        return Gone("it was stored here and has been deleted")
    return NotFound("no such study, series or instance")


def _delete(
    archive: "Archive", connection: Connection, resource: Resource, *, override_commitment: bool
) -> Deleted:
    grace = dt.timedelta(seconds=archive.settings.archive.delete_grace_seconds)
    study_pk = deletions.lock_study(connection, resource)
    if study_pk is None:
        raise _missing(connection, resource)
    if not override_commitment:
        _refuse_committed(connection, study_pk, resource)
    taken = deletions.take_instances(connection, study_pk, resource, grace)
    quarantined = deletions.take_quarantined(connection, resource, grace)
    series = deletions.drop_empty_series(connection, study_pk)
    study = deletions.drop_empty_study(connection, study_pk)
    # A study may hold nothing from the start: all that came for it is in quarantine.
    was_empty = study if resource.series is None else resource.series in series
    if not taken and (resource.instance is not None or not was_empty):
        raise _missing(connection, resource)
    release_if_solved(connection, study_pk)
    shrunk = sorted({uid for uid, _ in taken} - set(series))
    _end_jobs(connection, resource.study, series, SERIES_DELETED)
    if _end_jobs(connection, resource.study, shrunk, IMAGES_DELETED):
        seconds = archive.settings.inference.settle_seconds
        deletions.settle_anew(connection, study_pk, shrunk, seconds)
    done = Deleted(len(taken), tuple(series), study, (*(key for _, key in taken), *quarantined))
    _tell(connection, resource, done)
    return done


def _refuse_committed(connection: Connection, study_pk: int, resource: Resource) -> None:
    count = commitments.committed_within(connection, study_pk, resource)
    if count:
        raise Committed(
            f"{count} of its instances are under storage commitment: a sender was told that they "
            "are kept, and may have deleted its own. committed=delete deletes them all the same."
        )


def _missing(connection: Connection, resource: Resource) -> NotFound:
    statement = deletions.was_deleted(resource.study, resource.series, resource.instance)
    found = connection.exec_driver_sql(statement.text, statement.values)
    return why_missing(found.scalar_one())


def _tell(connection: Connection, resource: Resource, done: Deleted) -> None:
    """One event, about the highest resource that is gone."""
    series = None if done.study else resource.series
    add_event(
        connection,
        "deleted",
        study_instance_uid=resource.study,
        series_instance_uid=series,
        sop_instance_uid=None if done.study or series in done.series else resource.instance,
        data={"instance_count": done.instances, "series_instance_uids": list(done.series)},
    )


def _end_jobs(connection: Connection, study_uid: str, series_uids: list[str], reason: str) -> bool:
    """End what has not ended; True where there was such a job."""
    found = jobs.of_series(connection, study_uid, series_uids) if series_uids else []
    for job in found:
        if job.ended:
            jobs.forget_coverage(connection, job.id)
        else:
            _end(connection, job, reason)
    return any(not job.ended for job in found)


def _end(connection: Connection, job: JobRow, reason: str) -> None:
    """At once where it waits; a run sees that it is not wanted any more and ends itself."""
    if job.label == "queued":
        queue.withdraw(connection, job.id)
        changed = jobs.end(connection, job.id, None, "canceled", reason)
    else:
        changed = jobs.change(connection, job.id, None, cancel_requested=True, reason=reason)
    announce(connection, changed or job)

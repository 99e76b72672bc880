"""Jobs as the JSON API and the change feed show them."""

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select
from sqlalchemy.exc import DBAPIError

from hounsfield.archive.errors import NotFound, Unavailable
from hounsfield.archive.job_events import announce, results_of
from hounsfield.db.repositories import job_rows
from hounsfield.db.repositories.job_rows import JobRow
from hounsfield.inference.models import title_of

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

__all__ = ["announce", "job_view", "read_analyses", "read_job", "read_jobs"]

View = dict[str, Any]


def job_view(job: JobRow) -> View:
    """One job."""
    return {
        "job_id": str(job.id),
        "study_instance_uid": job.study_instance_uid,
        "series_instance_uid": job.series_instance_uid,
        "series_description": job.series_description,
        "model": {
            "name": job.model_name,
            "version": job.model_version,
            "title": title_of(job.model_name),
            "digest": job.model_digest,
        },
        "state": job.state,
        "label": job.label,
        "trigger": job.trigger,
        "progress": job.progress,
        "stage": job.stage,
        "reason": job.reason,
        "attempt": job.attempt,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "ended_at": job.ended_at.isoformat() if job.ended_at else None,
        "results": results_of(job),
        "measurements": job.measurements,
        "predecessor_job_id": str(job.predecessor_id) if job.predecessor_id else None,
        "successor_job_id": str(job.successor_id) if job.successor_id else None,
    }


async def read_job(archive: "Archive", job_id: str) -> View:
    """One job by its id. Raises NotFound."""
    try:
        rows = await _fetch(archive, job_rows.one(uuid.UUID(job_id)))
    except ValueError:
        rows = []
    if not rows:
        raise NotFound("no such job")
    return job_view(rows[0])


async def read_jobs(
    archive: "Archive",
    *,
    study_instance_uid: str | None = None,
    label: str | None = None,
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[View], int]:
    """A page of jobs, newest first, and how many there are in all."""
    rows = await _fetch(archive, job_rows.page(study_instance_uid, label, limit, offset))
    try:
        async with archive.database.async_engine.connect() as connection:
            total = await connection.execute(job_rows.count(study_instance_uid, label))
    except DBAPIError as error:
        raise Unavailable("the database does not answer") from error
    return [job_view(row) for row in rows], int(total.scalar_one())


async def read_analyses(archive: "Archive", study_uids: Sequence[str]) -> dict[str, View]:
    """For each study that has jobs: the newest of those that say most (running before queued,
    failed, complete, canceled, skipped), among the ones that no later job has replaced."""
    rows = await _fetch(archive, job_rows.saying_most(study_uids)) if study_uids else []
    return {row.study_instance_uid: job_view(row) for row in rows}


async def _fetch(archive: "Archive", statement: Select[Any]) -> list[JobRow]:
    try:
        async with archive.database.async_engine.connect() as connection:
            return [job_rows.as_job(row) for row in await connection.execute(statement)]
    except DBAPIError as error:
        raise Unavailable("the database does not answer") from error

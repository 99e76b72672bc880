"""Jobs: one row an analysis, with the states of a UPS (PS3.4 CC.1.1) and a fencing token.

Every start of a job takes a new token. Whoever writes to a started job shows the token of its
own start; a worker that was taken for dead and comes back has an old one and changes nothing.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, case, func, insert, update

from hounsfield.db.repositories.job_rows import (
    CANCELED,
    COMPLETED,
    ENDED,
    IN_PROGRESS,
    SCHEDULED,
    JobRow,
    Label,
    as_job,
    one,
    select_jobs,
)
from hounsfield.db.tables import Job


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is known of a job when it is made."""

    study_instance_uid: str
    series_instance_uid: str
    label: Label
    trigger: Literal["rule", "person"]
    model: tuple[str, str, str] = ("", "", "")
    """Name, version and digest."""
    reason: str | None = None
    results: dict[str, Any] | None = None
    predecessor_id: uuid.UUID | None = None


def add(connection: Connection, job: NewJob) -> JobRow:
    """Make a job: waiting, or ended at once where there is nothing to run."""
    waits = job.label == "queued"
    name, version, digest = job.model
    job_id = uuid.uuid4()
    values = {
        "id": job_id,
        "study_instance_uid": job.study_instance_uid,
        "series_instance_uid": job.series_instance_uid,
        "model_name": name,
        "model_version": version,
        "model_digest": digest,
        "state": SCHEDULED if waits else CANCELED,
        "label": job.label,
        "trigger": job.trigger,
        "progress": 0,
        "stage": "",
        "reason": job.reason,
        "attempt": 0,
        "fencing_token": 0,
        "cancel_requested": False,
        "results": job.results or {},
        "measurements": [],
        "predecessor_id": job.predecessor_id,
        "ended_at": None if waits else func.clock_timestamp(),
    }
    connection.execute(insert(Job).values(**values))
    return read(connection, job_id)


def begin(connection: Connection, job_id: uuid.UUID) -> JobRow | None:
    """Start a job under a new token; None where it has ended.

    One that a dead worker left running goes on with the same attempt: it has not failed.
    """
    begun = connection.execute(
        update(Job)
        .where(Job.id == job_id, Job.state.not_in(ENDED))
        .values(
            state=IN_PROGRESS,
            label="running",
            attempt=Job.attempt + case((Job.label == "queued", 1), else_=0),
            fencing_token=Job.fencing_token + 1,
            progress=0,
            stage="",
            reason=case((Job.cancel_requested, Job.reason), else_=None),
            started_at=func.clock_timestamp(),
        )
    )
    return read(connection, job_id) if begun.rowcount else None


def started(connection: Connection, job_id: uuid.UUID, token: int) -> JobRow | None:
    """A started job as it stands; None where it has ended, or was started again since."""
    job = read(connection, job_id)
    return job if job.fencing_token == token and not job.ended else None


def change(
    connection: Connection, job_id: uuid.UUID, token: int | None, **values: Any
) -> JobRow | None:
    """Write to a job that has not ended; None where the token is not that of its last start."""
    statement = update(Job).where(Job.id == job_id, Job.state.not_in(ENDED)).values(**values)
    if token is not None:
        statement = statement.where(Job.fencing_token == token)
    changed = connection.execute(statement)
    return read(connection, job_id) if changed.rowcount else None


def end(
    connection: Connection,
    job_id: uuid.UUID,
    token: int | None,
    label: Label,
    reason: str | None = None,
    **values: Any,
) -> JobRow | None:
    """End a job; None where it has ended, or where the token is not that of its last start."""
    state = COMPLETED if label == "complete" else CANCELED
    ending = {"state": state, "label": label, "reason": reason, "ended_at": func.clock_timestamp()}
    return change(connection, job_id, token, **ending, **values)


def requeue(
    connection: Connection, job_id: uuid.UUID, token: int, reason: str, *, failed: bool
) -> JobRow | None:
    """Let a started job wait for its next start. UPS knows no way back to SCHEDULED (CC.1.1)."""
    attempt = Job.attempt if failed else Job.attempt - 1
    values = {"label": "queued", "reason": reason, "progress": 0, "stage": "", "attempt": attempt}
    return change(connection, job_id, token, **values)


def restate(connection: Connection, job_id: uuid.UUID, reason: str) -> JobRow:
    """Say anew why a series was passed over."""
    values = {"reason": reason, "ended_at": func.clock_timestamp()}
    connection.execute(update(Job).where(Job.id == job_id).values(**values))
    return read(connection, job_id)


def read(connection: Connection, job_id: uuid.UUID) -> JobRow:
    """One job, which must exist."""
    return as_job(connection.execute(one(job_id)).one())


def find(connection: Connection, job_id: uuid.UUID) -> JobRow | None:
    """One job, locked; None where there is no such job."""
    row = connection.execute(one(job_id).with_for_update(of=Job)).one_or_none()
    return None if row is None else as_job(row)


def newest_of_series(connection: Connection, study_uid: str, series_uid: str) -> JobRow | None:
    """The last job that was made for a series, locked."""
    statement = (
        select_jobs()
        .where(Job.study_instance_uid == study_uid, Job.series_instance_uid == series_uid)
        .order_by(Job.created_at.desc())
        .limit(1)
        .with_for_update(of=Job)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else as_job(row)


def of_series(connection: Connection, study_uid: str, series_uids: Sequence[str]) -> list[JobRow]:
    """The jobs of some series of a study, locked."""
    statement = (
        select_jobs()
        .where(Job.study_instance_uid == study_uid, Job.series_instance_uid.in_(series_uids))
        .order_by(Job.id)
        .with_for_update(of=Job)
    )
    return [as_job(row) for row in connection.execute(statement)]


def forget_coverage(connection: Connection, job_id: uuid.UUID) -> None:
    """The images that this job saw are gone: the same ones, stored again, are new to it."""
    without = Job.results.op("-")("instance_count")
    connection.execute(update(Job).where(Job.id == job_id).values(results=without))

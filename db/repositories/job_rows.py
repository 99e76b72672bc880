"""Reading jobs: their rows, a page of them, and for each study the one that says most."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, case, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from hounsfield.db.tables import Job, Series, Study

SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"
ENDED = (COMPLETED, CANCELED)

Label = Literal["queued", "running", "complete", "failed", "skipped", "canceled"]
SAYS_MOST: tuple[Label, ...] = ("running", "queued", "failed", "complete", "canceled", "skipped")


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it stands, with its series' description and the job that took its place."""

    id: uuid.UUID
    study_instance_uid: str
    series_instance_uid: str
    model_name: str
    model_version: str
    model_digest: str
    state: str
    label: Label
    trigger: str
    progress: int
    stage: str
    reason: str | None
    attempt: int
    fencing_token: int
    cancel_requested: bool
    results: dict[str, Any]
    measurements: list[Any]
    predecessor_id: uuid.UUID | None
    created_at: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    series_description: str = ""
    successor_id: uuid.UUID | None = None

    @property
    def ended(self) -> bool:
        """Nothing will change any more."""
        return self.state in ENDED


_OWN = tuple(field.name for field in fields(JobRow))[:-2]


def as_job(row: Row[Any]) -> JobRow:
    """A row of :func:`select_jobs`."""
    return JobRow(*tuple(row))


def select_jobs() -> Select[Any]:
    """Jobs in the columns of :class:`JobRow`."""
    description = (
        select(Series.series_description)
        .join(Study, Study.id == Series.study_pk)
        .where(
            Study.study_instance_uid == Job.study_instance_uid,
            Series.series_instance_uid == Job.series_instance_uid,
        )
        .correlate(Job)
        .scalar_subquery()
    )
    later = aliased(Job)
    successor = (
        select(later.id)
        .where(later.study_instance_uid == Job.study_instance_uid, later.predecessor_id == Job.id)
        .limit(1)
        .correlate(Job)
        .scalar_subquery()
    )
    own = [getattr(Job, name) for name in _OWN]
    return select(*own, func.coalesce(description, ""), successor)


def one(job_id: uuid.UUID) -> Select[Any]:
    """One job."""
    return select_jobs().where(Job.id == job_id)


def _matching(study_uid: str | None, label: str | None) -> list[ColumnElement[bool]]:
    pairs = ((Job.study_instance_uid, study_uid), (Job.label, label))
    return [column == value for column, value in pairs if value is not None]


def page(study_uid: str | None, label: str | None, limit: int, offset: int) -> Select[Any]:
    """Jobs, newest first."""
    matching = select_jobs().where(*_matching(study_uid, label))
    return matching.order_by(Job.created_at.desc(), Job.id).limit(limit).offset(offset)


def count(study_uid: str | None, label: str | None) -> Select[Any]:
    """How many jobs there are in all the pages."""
    return select(func.count()).select_from(Job).where(*_matching(study_uid, label))


def saying_most(study_uids: Sequence[str]) -> Select[Any]:
    """For each study the newest job that says most; one that was superseded says nothing."""
    rank = case({label: index for index, label in enumerate(SAYS_MOST)}, value=Job.label, else_=9)
    later = aliased(Job)
    superseded = select(later.id).where(
        later.study_instance_uid == Job.study_instance_uid, later.predecessor_id == Job.id
    )
    return (
        select_jobs()
        .where(Job.study_instance_uid.in_(study_uids), ~superseded.correlate(Job).exists())
        .ext(distinct_on(Job.study_instance_uid))
        .order_by(Job.study_instance_uid, rank, Job.created_at.desc())
    )

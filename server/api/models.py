"""What the JSON API says, as types: the OpenAPI document and the web app's types come from here."""

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, Field

Label = Literal["queued", "running", "complete", "failed", "skipped", "canceled"]
State = Literal["SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"]
EventType = Literal[
    "stored",
    "settled",
    "quarantined",
    "deleted",
    "queued",
    "running",
    "complete",
    "failed",
    "skipped",
    "canceled",
]


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class Model(BaseModel):
    """The model of a job, as it was when the job was made."""

    name: str
    version: str
    title: str
    digest: str


class InstalledModel(Model):
    """A model that can run here."""

    intended_use: str


class Counts(BaseModel):
    """How much is stored."""

    studies: int
    series: int
    instances: int
    bytes: int


class Status(BaseModel):
    """This server: what it is, how to reach it, what it holds."""

    version: str
    ae_title: str
    dimse_port: int
    sequence: int
    counts: Counts
    models: list[InstalledModel]
    inference_enabled: bool


class JobMeasurement(BaseModel):
    """One number that a job came to."""

    name: str
    value: float
    unit: str


class InstanceReference(BaseModel):
    """Where a result is stored."""

    series_instance_uid: str
    sop_instance_uid: str


class JobResults(BaseModel):
    """The results of a job, once they are stored."""

    seg: InstanceReference | None
    sr: InstanceReference | None


class Job(BaseModel):
    """One analysis of one series by one model."""

    job_id: str
    study_instance_uid: str
    series_instance_uid: str
    series_description: str
    model: Model
    state: State
    label: Label
    trigger: Literal["rule", "person"]
    progress: int
    stage: str
    reason: str | None
    attempt: int
    created_at: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    results: JobResults
    measurements: list[JobMeasurement]
    predecessor_job_id: str | None
    successor_job_id: str | None


class JobPage(BaseModel):
    """Jobs, newest first."""

    items: list[Job]
    total: int


class JobRequest(BaseModel):
    """A wish to have a study analysed; without a series the server finds those that fit."""

    study_instance_uid: str
    series_instance_uid: str | None = None
    model: str | None = None


class StudyItem(BaseModel):
    """A study in the list. ``analysis`` is the job that says most of it."""

    study_instance_uid: str
    patient_name: str
    patient_id: str
    patient_birth_date: str
    patient_sex: str
    study_date: str
    study_time: str
    accession_number: str
    study_description: str
    modalities: list[str]
    series_count: int
    instance_count: int
    stored_at: dt.datetime
    analysis: Job | None


class StudyPage(BaseModel):
    """Studies, those that were stored last first. Events after ``sequence`` are not in it."""

    items: list[StudyItem]
    total: int
    sequence: int


class SeriesItem(BaseModel):
    """A series of a study. ``job_id`` is the job that made it."""

    series_instance_uid: str
    modality: str
    series_number: str
    series_description: str
    body_part_examined: str
    instance_count: int
    frame_count: int
    stored_at: dt.datetime
    settled: bool
    job_id: str | None
    thumbnail: str | None
    sop_instance_uids: list[str]


class StudyDetail(StudyItem):
    """A study with its series and everything that was done with it."""

    series: list[SeriesItem]
    jobs: list[Job]
    sequence: int


class Event(BaseModel):
    """One thing that happened. The order is by ``sequence`` alone."""

    sequence: int
    type: EventType
    study_instance_uid: str | None
    series_instance_uid: str | None
    sop_instance_uid: str | None
    job_id: str | None
    data: dict[str, Any]
    time: dt.datetime


class Events(BaseModel):
    """A page of the change feed. ``reset``: what came before it is not known here."""

    events: list[Event]
    last_sequence: int
    reset: bool


class ReportMeasurement(BaseModel):
    """One numeric value of a structured report."""

    group: str
    name: str
    value: float | None
    unit: str
    method: str
    tracking_identifier: str


class ReportLine(BaseModel):
    """One content item of a structured report, as a line."""

    depth: int
    concept: str
    value: str


class Report(BaseModel):
    """A structured report to be read."""

    title: str
    completion_flag: str
    verification_flag: str
    content_date: str
    content_time: str
    device: str
    measurements: list[ReportMeasurement]
    lines: list[ReportLine]


class IndexAttribute(BaseModel):
    """An attribute that searches may name, and how far what is stored is indexed."""

    id: int
    path: str
    name: str
    vr: str
    level: Literal["study", "series", "instance"]
    private_creator: str
    state: Literal["indexing", "ready", "failed"]
    reason: str | None
    done: int
    total: int | None
    required: bool


class IndexAttributes(BaseModel):
    """All of them, oldest first."""

    items: list[IndexAttribute]


class IndexAttributeRequest(BaseModel):
    """An attribute to be indexed: a keyword, a tag, or a path of them with dots between."""

    path: str = Field(max_length=400)
    level: Literal["study", "series", "instance"]
    vr: str | None = Field(None, max_length=2)
    private_creator: str = Field("", max_length=64)

"""Every table, as SQLAlchemy 2 typed mappings. Statements are Core statements over these.

Names of columns are the keywords of PS3.6 in snake case. Dates and times of the data set stay
the strings that they are (DA, TM): range matching on them is ordering of text.
"""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TRIGRAMS_OF = ("patient_name_folded", "patient_id", "accession_number", "study_description")
"""Columns of a study in which letters in the middle of a value are found by an index."""

NAMES = ("patient_name_folded", "referring_physician_name_folded")
"""Columns of a study in which names that are alike are found by an index."""


class Base(DeclarativeBase):
    """Declarative base: annotations to column types."""

    type_annotation_map = {
        str: Text,
        int: BigInteger,
        bytes: LargeBinary,
        uuid.UUID: UUID(as_uuid=True),
        dt.datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        list[int]: ARRAY(Integer),
        list[str]: ARRAY(Text),
    }


class Study(Base):
    """One study. Its attributes come from the first instance stored."""

    __tablename__ = "study"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(unique=True)
    patient_id: Mapped[str] = mapped_column(default="")
    issuer_of_patient_id: Mapped[str] = mapped_column(default="")
    patient_name: Mapped[str] = mapped_column(default="")
    patient_name_folded: Mapped[str] = mapped_column(
        default="", comment="case-folded, each component group"
    )
    patient_birth_date: Mapped[str] = mapped_column(default="")
    patient_sex: Mapped[str] = mapped_column(default="")
    study_date: Mapped[str] = mapped_column(default="")
    study_time: Mapped[str] = mapped_column(default="")
    accession_number: Mapped[str] = mapped_column(default="")
    referring_physician_name: Mapped[str] = mapped_column(default="")
    referring_physician_name_folded: Mapped[str] = mapped_column(default="")
    study_id: Mapped[str] = mapped_column(default="")
    study_description: Mapped[str] = mapped_column(default="")
    attributes: Mapped[bytes] = mapped_column(
        comment="DICOM JSON members of the study level, ready to be joined"
    )
    conflict: Mapped[str | None] = mapped_column(
        comment="why its jobs are held: instances that name another patient"
    )
    stored_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("study_patient_id", "patient_id"),
        Index(
            "study_patient_name",
            "patient_name_folded",
            postgresql_ops={"patient_name_folded": "text_pattern_ops"},
        ),
        Index("study_date_time", "study_date", "study_time"),
        Index("study_accession_number", "accession_number"),
        Index("study_newest", text("study_date DESC"), text("id DESC")),
        Index(
            "study_trigrams",
            *(text(f"trigrams({column})") for column in TRIGRAMS_OF),
            postgresql_using="gin",
        ),
        Index(
            "study_name_keys",
            *(text(f"name_keys({column})") for column in NAMES),
            postgresql_using="gin",
        ),
    )


class Series(Base):
    """One series of one study, with where it stands on its way to the models."""

    __tablename__ = "series"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    series_instance_uid: Mapped[str]
    modality: Mapped[str] = mapped_column(default="")
    series_number: Mapped[str] = mapped_column(default="")
    series_description: Mapped[str] = mapped_column(default="")
    body_part_examined: Mapped[str] = mapped_column(default="")
    performed_procedure_step_start_date: Mapped[str] = mapped_column(default="")
    performed_procedure_step_start_time: Mapped[str] = mapped_column(default="")
    attributes: Mapped[bytes]
    stored_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("study_pk", "series_instance_uid", name="series_of_study"),
        Index("series_instance_uid", "series_instance_uid"),
        Index("series_modality", "modality", "study_pk"),
    )


class Instance(Base):
    """One SOP instance: where its bytes lie, and what was read from them once."""

    __tablename__ = "instance"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    series_pk: Mapped[int] = mapped_column(ForeignKey("series.id", ondelete="CASCADE"))
    sop_instance_uid: Mapped[str] = mapped_column(unique=True)
    sop_class_uid: Mapped[str]
    transfer_syntax_uid: Mapped[str]
    instance_number: Mapped[str] = mapped_column(default="")
    rows: Mapped[int | None]
    columns: Mapped[int | None]
    bits_allocated: Mapped[int | None]
    number_of_frames: Mapped[int | None]
    object_key: Mapped[str] = mapped_column(comment="made by the server, never from a UID")
    object_size: Mapped[int]
    digest: Mapped[bytes] = mapped_column(comment="BLAKE3 of what follows the File Meta")
    file_meta_digest: Mapped[bytes] = mapped_column(comment="BLAKE3 of what comes before it")
    dataset_offset: Mapped[int] = mapped_column(comment="first byte after the File Meta")
    frame_table: Mapped[bytes | None] = mapped_column(comment="archive.frames.FrameTable, encoded")
    bulkdata: Mapped[bytes | None] = mapped_column(comment="archive.frames.BulkdataTable, encoded")
    attributes: Mapped[bytes]
    metadata_json: Mapped[bytes] = mapped_column(
        comment="LZ4 of DICOM JSON without its braces; byte FF stands for the base URL"
    )
    metadata_version: Mapped[int] = mapped_column(SmallInteger)
    source: Mapped[dict[str, Any]]
    stored_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("instance_of_series", "series_pk", "id"),
        Index("instance_of_study", "study_pk"),
    )


class Quarantine(Base):
    """An instance whose UID was taken by other content: kept apart, listed, never served."""

    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    study_instance_uid: Mapped[str]
    series_instance_uid: Mapped[str]
    sop_instance_uid: Mapped[str] = mapped_column(index=True)
    object_key: Mapped[str]
    object_size: Mapped[int]
    digest: Mapped[bytes]
    reason: Mapped[str]
    source: Mapped[dict[str, Any]]
    stored_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (UniqueConstraint("sop_instance_uid", "digest", name="quarantined_once"),)


class DeletedInstance(Base):
    """The names of an instance that was deleted: asked for, it is known to be gone (410).

    Nothing else is kept of it, and its UID is free: stored again, it is an instance like any.
    """

    __tablename__ = "deleted_instance"

    study_instance_uid: Mapped[str] = mapped_column(primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(primary_key=True)
    deleted_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class DiscardedObject(Base):
    """An object that no row names any more; it is removed when its grace period is over."""

    __tablename__ = "discarded_object"

    object_key: Mapped[str] = mapped_column(primary_key=True)
    remove_after: Mapped[dt.datetime] = mapped_column(index=True)


class EventOutbox(Base):
    """Events as the transactions wrote them; the sequencer moves them on, numbered."""

    __tablename__ = "event_outbox"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    type: Mapped[str] = mapped_column(comment="an event's type, or 'released': a hint to settling")
    series_pk: Mapped[int | None]
    study_instance_uid: Mapped[str | None]
    series_instance_uid: Mapped[str | None]
    sop_instance_uid: Mapped[str | None]
    job_id: Mapped[uuid.UUID | None]
    data: Mapped[dict[str, Any]]
    time: Mapped[dt.datetime] = mapped_column(server_default=func.clock_timestamp())


class Event(Base):
    """The change feed, numbered in commit order without a gap."""

    __tablename__ = "event"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str]
    study_instance_uid: Mapped[str | None]
    series_instance_uid: Mapped[str | None]
    sop_instance_uid: Mapped[str | None]
    job_id: Mapped[uuid.UUID | None]
    data: Mapped[dict[str, Any]]
    time: Mapped[dt.datetime]


class EventCounter(Base):
    """One row: the last number given out, and the oldest event still kept."""

    __tablename__ = "event_counter"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    last_sequence: Mapped[int]
    first_kept: Mapped[int]


class Settling(Base):
    """A series into which instances still flow; due when it has been quiet long enough."""

    __tablename__ = "settling"

    series_pk: Mapped[int] = mapped_column(
        ForeignKey("series.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    study_instance_uid: Mapped[str]
    series_instance_uid: Mapped[str]
    first_stored_at: Mapped[dt.datetime]
    last_stored_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime] = mapped_column(index=True)


class Job(Base):
    """One analysis of one series by one model: a UPS in the making (PS3.4 CC)."""

    __tablename__ = "job"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(index=True)
    series_instance_uid: Mapped[str] = mapped_column(index=True)
    model_name: Mapped[str] = mapped_column(default="")
    model_version: Mapped[str] = mapped_column(default="")
    model_digest: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(
        comment="SCHEDULED, IN PROGRESS, COMPLETED, CANCELED (PS3.4 CC.1.1)"
    )
    label: Mapped[str] = mapped_column(
        comment="queued, running, complete, failed, skipped, canceled: the word people see"
    )
    trigger: Mapped[str] = mapped_column(comment="rule or person")
    progress: Mapped[int] = mapped_column(SmallInteger, default=0)
    stage: Mapped[str] = mapped_column(default="")
    reason: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(SmallInteger, default=0)
    fencing_token: Mapped[int] = mapped_column(default=0)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    results: Mapped[dict[str, Any]] = mapped_column(
        comment="UIDs and content date-time, allocated with the job and used by every try"
    )
    measurements: Mapped[list[Any]]
    predecessor_id: Mapped[uuid.UUID | None]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]

    __table_args__ = (Index("job_newest", text("created_at DESC")),)


class Peer(Base):
    """A DICOM node that we know: where it is, how it shows that it is who it says, its rights."""

    __tablename__ = "peer"

    ae_title: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(comment="where we open associations; empty: nowhere")
    port: Mapped[int] = mapped_column(Integer)
    tls: Mapped[bool]
    addresses: Mapped[list[str]] = mapped_column(comment="networks that it calls from; none: any")
    certificate: Mapped[str] = mapped_column(
        comment="sha256:… of its certificate, or a name in it; empty: any"
    )
    may_store: Mapped[bool]
    may_find: Mapped[bool]
    may_get: Mapped[bool]
    may_move: Mapped[bool]
    may_commit: Mapped[bool]
    may_receive: Mapped[bool] = mapped_column(comment="a destination of C-MOVE and of what we send")
    max_associations: Mapped[int | None] = mapped_column(Integer)
    preferred_transfer_syntaxes: Mapped[list[str]]
    description: Mapped[str]
    changed_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class CommitmentRequest(Base):
    """A request for storage commitment to us, and how far its answer has come (PS3.4 J)."""

    __tablename__ = "commitment_request"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    ae_title: Mapped[str] = mapped_column(comment="who asked")
    transaction_uid: Mapped[str]
    asked: Mapped[list[Any]] = mapped_column(comment="SOP class and instance of each")
    result: Mapped[list[Any] | None] = mapped_column(
        comment="the failure reason of each, 0 where it is committed; null: not looked at yet"
    )
    state: Mapped[str] = mapped_column(comment="pending, reported, failed")
    reason: Mapped[str] = mapped_column(default="", comment="why it has not been reported")
    attempt: Mapped[int] = mapped_column(SmallInteger, default=0)
    due_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[dt.datetime | None]

    __table_args__ = (
        UniqueConstraint("ae_title", "transaction_uid", name="commitment_once"),
        Index("commitment_due", "due_at", postgresql_where=text("state = 'pending'")),
    )


class CommittedInstance(Base):
    """An instance for which we have told somebody that we keep it."""

    __tablename__ = "committed_instance"

    instance_pk: Mapped[int] = mapped_column(
        ForeignKey("instance.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    ae_title: Mapped[str] = mapped_column(comment="who was told first")
    committed_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class Push(Base):
    """A study or series on its way to a peer."""

    __tablename__ = "push"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    ae_title: Mapped[str] = mapped_column(comment="the peer that gets it")
    study_instance_uid: Mapped[str] = mapped_column(index=True)
    series_instance_uid: Mapped[str | None]
    trigger: Mapped[str] = mapped_column(comment="person or rule")
    state: Mapped[str] = mapped_column(
        comment="queued, sending, awaiting commitment, done, failed, canceled"
    )
    reason: Mapped[str] = mapped_column(default="")
    attempt: Mapped[int] = mapped_column(SmallInteger, default=0)
    commit: Mapped[bool] = mapped_column(comment="storage commitment is asked for afterwards")
    transaction_uid: Mapped[str | None] = mapped_column(unique=True)
    due_at: Mapped[dt.datetime | None] = mapped_column(server_default=func.now())
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    asked_at: Mapped[dt.datetime] = mapped_column(
        server_default=func.now(), comment="first or again: from then on it is tried for so long"
    )
    ended_at: Mapped[dt.datetime | None]

    __table_args__ = (
        Index("push_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("push_newest", text("created_at DESC")),
    )


class PushInstance(Base):
    """The ledger: what became of each instance of a push."""

    __tablename__ = "push_instance"

    push_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("push.id", ondelete="CASCADE"), primary_key=True
    )
    sop_instance_uid: Mapped[str] = mapped_column(primary_key=True)
    sop_class_uid: Mapped[str]
    state: Mapped[str] = mapped_column(comment="queued, sent, committed, failed")
    reason: Mapped[str] = mapped_column(default="")
    changed_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class IndexAttribute(Base):
    """An attribute beyond the columns that searches may name, and how far it is indexed."""

    __tablename__ = "index_attribute"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    path: Mapped[str] = mapped_column(comment="tags, a dot between them")
    vr: Mapped[str]
    level: Mapped[str] = mapped_column(comment="study, series or instance")
    private_creator: Mapped[str]
    state: Mapped[str] = mapped_column(comment="indexing, ready, failed or removing")
    reason: Mapped[str | None]
    built_in: Mapped[bool] = mapped_column(comment="required by the standard, not added")
    done: Mapped[int]
    total: Mapped[int | None]
    next: Mapped[int] = mapped_column(comment="key after which to go on")
    until: Mapped[int] = mapped_column(
        comment="largest key that was stored when it was added; later ones come with values"
    )
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index(
            "index_attribute_once",
            "path",
            "level",
            unique=True,
            postgresql_where=text("state <> 'removing'"),
        ),
    )


class _Values:
    """Values of indexed attributes, in rows: as many as the attribute has."""

    attribute_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    item: Mapped[list[int]] = mapped_column(primary_key=True, comment="which of each sequence")
    value: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)


class StudyValue(_Values, Base):
    """Of studies."""

    __tablename__ = "study_value"

    owner_pk: Mapped[int] = mapped_column(
        ForeignKey("study.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    __table_args__ = (Index("study_value_of_attribute", "attribute_id", "value", "owner_pk"),)


class SeriesValue(_Values, Base):
    """Of series."""

    __tablename__ = "series_value"

    owner_pk: Mapped[int] = mapped_column(
        ForeignKey("series.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    __table_args__ = (Index("series_value_of_attribute", "attribute_id", "value", "owner_pk"),)


class InstanceValue(_Values, Base):
    """Of instances."""

    __tablename__ = "instance_value"

    owner_pk: Mapped[int] = mapped_column(
        ForeignKey("instance.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    __table_args__ = (Index("instance_value_of_attribute", "attribute_id", "value", "owner_pk"),)

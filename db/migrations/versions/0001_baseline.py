"""The first schema, written out: what a released migration says never changes again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# What db.repositories.trigrams makes of a pattern, made of a value. Collation "C": ASCII alone.
TRIGRAMS = """
CREATE FUNCTION trigrams(value text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT substr(lower(value COLLATE "C"), n, 3)), '{}')
    FROM generate_series(1, length(value) - 2) AS n
$$
"""
TRIGRAMS_OF = (
    "patient_name_folded",
    "patient_id",
    "accession_number",
    "study_description",
)


def upgrade() -> None:
    """Make every table."""
    _event()
    _event_counter()
    _event_outbox()
    _job()
    _quarantine()
    op.execute(TRIGRAMS)
    _study()
    _series()
    _instance()
    _settling()


def downgrade() -> None:
    """Drop every table, and their indexes with them."""
    for table in (
        "settling",
        "instance",
        "series",
        "study",
        "quarantine",
        "job",
        "event_outbox",
        "event_counter",
        "event",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION trigrams(text)")


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=True),
        sa.Column("series_instance_uid", sa.Text(), nullable=True),
        sa.Column("sop_instance_uid", sa.Text(), nullable=True),
        sa.Column("job_id", sa.UUID(), nullable=True),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )


def _event_counter() -> None:
    op.create_table(
        "event_counter",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("first_kept", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _event_outbox() -> None:
    op.create_table(
        "event_outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "type",
            sa.Text(),
            nullable=False,
            comment="an event's type, or 'released': a hint to settling",
        ),
        sa.Column("series_pk", sa.BigInteger(), nullable=True),
        sa.Column("study_instance_uid", sa.Text(), nullable=True),
        sa.Column("series_instance_uid", sa.Text(), nullable=True),
        sa.Column("sop_instance_uid", sa.Text(), nullable=True),
        sa.Column("job_id", sa.UUID(), nullable=True),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column(
            "time",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
    )


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("model_digest", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="SCHEDULED, IN PROGRESS, COMPLETED, CANCELED (PS3.4 CC.1.1)",
        ),
        sa.Column(
            "label",
            sa.Text(),
            nullable=False,
            comment="queued, running, complete, failed, skipped, canceled: the word people see",
        ),
        sa.Column("trigger", sa.Text(), nullable=False, comment="rule or person"),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("fencing_token", sa.BigInteger(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column(
            "results",
            postgresql.JSONB(),
            nullable=False,
            comment="UIDs and content date-time, allocated with the job and used by every try",
        ),
        sa.Column("measurements", postgresql.JSONB(), nullable=False),
        sa.Column("predecessor_id", sa.UUID(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_job_series_instance_uid", "job", ["series_instance_uid"], unique=False)
    op.create_index("ix_job_study_instance_uid", "job", ["study_instance_uid"], unique=False)
    op.create_index("job_newest", "job", [sa.literal_column("created_at DESC")], unique=False)


def _quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("object_size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", postgresql.JSONB(), nullable=False),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sop_instance_uid", "digest", name="quarantined_once"),
    )
    op.create_index(
        "ix_quarantine_sop_instance_uid", "quarantine", ["sop_instance_uid"], unique=False
    )


def _study() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column(
            "patient_name_folded",
            sa.Text(),
            nullable=False,
            comment="case-folded, each component group",
        ),
        sa.Column("patient_birth_date", sa.Text(), nullable=False),
        sa.Column("patient_sex", sa.Text(), nullable=False),
        sa.Column("study_date", sa.Text(), nullable=False),
        sa.Column("study_time", sa.Text(), nullable=False),
        sa.Column("accession_number", sa.Text(), nullable=False),
        sa.Column("referring_physician_name", sa.Text(), nullable=False),
        sa.Column("referring_physician_name_folded", sa.Text(), nullable=False),
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("study_description", sa.Text(), nullable=False),
        sa.Column(
            "attributes",
            sa.LargeBinary(),
            nullable=False,
            comment="DICOM JSON members of the study level, ready to be joined",
        ),
        sa.Column(
            "conflict",
            sa.Text(),
            nullable=True,
            comment="why its jobs are held: instances that name another patient",
        ),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("study_instance_uid"),
    )
    op.create_index("study_accession_number", "study", ["accession_number"], unique=False)
    op.create_index("study_date_time", "study", ["study_date", "study_time"], unique=False)
    op.create_index(
        "study_newest", "study", [sa.literal_column("study_date DESC, id DESC")], unique=False
    )
    op.create_index(
        "study_trigrams",
        "study",
        [sa.text(f"trigrams({column})") for column in TRIGRAMS_OF],
        unique=False,
        postgresql_using="gin",
    )
    op.create_index("study_patient_id", "study", ["patient_id"], unique=False)
    op.create_index(
        "study_patient_name",
        "study",
        ["patient_name_folded"],
        unique=False,
        postgresql_ops={"patient_name_folded": "text_pattern_ops"},
    )


def _series() -> None:
    op.create_table(
        "series",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("series_number", sa.Text(), nullable=False),
        sa.Column("series_description", sa.Text(), nullable=False),
        sa.Column("body_part_examined", sa.Text(), nullable=False),
        sa.Column("performed_procedure_step_start_date", sa.Text(), nullable=False),
        sa.Column("performed_procedure_step_start_time", sa.Text(), nullable=False),
        sa.Column("attributes", sa.LargeBinary(), nullable=False),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["study_pk"], ["study.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("study_pk", "series_instance_uid", name="series_of_study"),
    )
    op.create_index("series_instance_uid", "series", ["series_instance_uid"], unique=False)
    op.create_index("series_modality", "series", ["modality", "study_pk"], unique=False)


def _instance() -> None:
    op.create_table(
        "instance",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=False),
        sa.Column("series_pk", sa.BigInteger(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("instance_number", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("columns", sa.BigInteger(), nullable=True),
        sa.Column("bits_allocated", sa.BigInteger(), nullable=True),
        sa.Column("number_of_frames", sa.BigInteger(), nullable=True),
        sa.Column(
            "object_key", sa.Text(), nullable=False, comment="made by the server, never from a UID"
        ),
        sa.Column("object_size", sa.BigInteger(), nullable=False),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="BLAKE3 of what follows the File Meta",
        ),
        sa.Column(
            "file_meta_digest",
            sa.LargeBinary(),
            nullable=False,
            comment="BLAKE3 of what comes before it",
        ),
        sa.Column(
            "dataset_offset",
            sa.BigInteger(),
            nullable=False,
            comment="first byte after the File Meta",
        ),
        sa.Column(
            "frame_table",
            sa.LargeBinary(),
            nullable=True,
            comment="archive.frames.FrameTable, encoded",
        ),
        sa.Column(
            "bulkdata",
            sa.LargeBinary(),
            nullable=True,
            comment="archive.frames.BulkdataTable, encoded",
        ),
        sa.Column("attributes", sa.LargeBinary(), nullable=False),
        sa.Column(
            "metadata_json",
            sa.LargeBinary(),
            nullable=False,
            comment="LZ4 of DICOM JSON without its braces; byte FF stands for the base URL",
        ),
        sa.Column("metadata_version", sa.SmallInteger(), nullable=False),
        sa.Column("source", postgresql.JSONB(), nullable=False),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["series_pk"], ["series.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["study_pk"], ["study.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sop_instance_uid"),
    )
    op.create_index("instance_of_series", "instance", ["series_pk", "id"], unique=False)
    op.create_index("instance_of_study", "instance", ["study_pk"], unique=False)


def _settling() -> None:
    op.create_table(
        "settling",
        sa.Column("series_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("first_stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["series_pk"], ["series.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("series_pk"),
    )
    op.create_index("ix_settling_due_at", "settling", ["due_at"], unique=False)

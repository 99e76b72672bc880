"""Storage commitment that is owed, instances that are committed, and what is sent to peers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "commitment_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ae_title", sa.Text(), nullable=False, comment="who asked"),
        sa.Column("transaction_uid", sa.Text(), nullable=False),
        sa.Column(
            "asked", postgresql.JSONB(), nullable=False, comment="SOP class and instance of each"
        ),
        sa.Column(
            "result",
            postgresql.JSONB(),
            nullable=True,
            comment="the failure reason of each, 0 where it is committed; null: not looked at yet",
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="pending, reported, failed"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why it has not been reported"),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        _time("due_at"),
        _time("created_at"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ae_title", "transaction_uid", name="commitment_once"),
    )
    op.create_index(
        "commitment_due",
        "commitment_request",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "committed_instance",
        sa.Column("instance_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ae_title", sa.Text(), nullable=False, comment="who was told first"),
        _time("committed_at"),
        sa.PrimaryKeyConstraint("instance_pk"),
        sa.ForeignKeyConstraint(["instance_pk"], ["instance.id"], ondelete="CASCADE"),
    )
    _push()


def downgrade() -> None:
    """Drop them."""
    for table in ("push_instance", "push", "committed_instance", "commitment_request"):
        op.drop_table(table)


def _push() -> None:
    op.create_table(
        "push",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("ae_title", sa.Text(), nullable=False, comment="the peer that gets it"),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=False, comment="person or rule"),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="queued, sending, awaiting commitment, done, failed, canceled",
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column(
            "commit",
            sa.Boolean(),
            nullable=False,
            comment="storage commitment is asked for afterwards",
        ),
        sa.Column("transaction_uid", sa.Text(), nullable=True),
        _time("due_at", nullable=True),
        _time("created_at"),
        sa.Column(
            "asked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="first or again: from then on it is tried for so long",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("transaction_uid"),
    )
    op.create_index("ix_push_study_instance_uid", "push", ["study_instance_uid"], unique=False)
    op.create_index(
        "push_due",
        "push",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("push_newest", "push", [sa.text("created_at DESC")], unique=False)
    op.create_table(
        "push_instance",
        sa.Column("push_id", sa.UUID(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="queued, sent, committed, failed"),
        sa.Column("reason", sa.Text(), nullable=False),
        _time("changed_at"),
        sa.PrimaryKeyConstraint("push_id", "sop_instance_uid"),
        sa.ForeignKeyConstraint(["push_id"], ["push.id"], ondelete="CASCADE"),
    )


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=nullable
    )

"""What is kept of deleted instances: their names for good, their objects for a grace period."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "deleted_instance",
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("study_instance_uid", "series_instance_uid", "sop_instance_uid"),
    )
    op.create_table(
        "discarded_object",
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("remove_after", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("object_key"),
    )
    op.create_index(
        "ix_discarded_object_remove_after", "discarded_object", ["remove_after"], unique=False
    )


def downgrade() -> None:
    """Drop both. Objects that wait to be removed then lie without a row."""
    op.drop_table("discarded_object")
    op.drop_table("deleted_instance")

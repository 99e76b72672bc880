"""The AE book: the DICOM nodes that we know."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "peer",
        sa.Column("ae_title", sa.Text(), nullable=False),
        sa.Column(
            "host",
            sa.Text(),
            nullable=False,
            comment="where we open associations; empty: nowhere",
        ),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("tls", sa.Boolean(), nullable=False),
        sa.Column(
            "addresses",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="networks that it calls from; none: any",
        ),
        sa.Column(
            "certificate",
            sa.Text(),
            nullable=False,
            comment="sha256:… of its certificate, or a name in it; empty: any",
        ),
        sa.Column("may_store", sa.Boolean(), nullable=False),
        sa.Column("may_find", sa.Boolean(), nullable=False),
        sa.Column("may_get", sa.Boolean(), nullable=False),
        sa.Column("may_move", sa.Boolean(), nullable=False),
        sa.Column("may_commit", sa.Boolean(), nullable=False),
        sa.Column(
            "may_receive",
            sa.Boolean(),
            nullable=False,
            comment="a destination of C-MOVE and of what we send",
        ),
        sa.Column("max_associations", sa.Integer(), nullable=True),
        sa.Column("preferred_transfer_syntaxes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("ae_title"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("peer")

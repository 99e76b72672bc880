"""Attributes that an administrator has indexed, their values, and names that are alike."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

LEVELS = ("study", "series", "instance")

# Words of a name without regard to case (folded before) and diacritics. Two words are alike where
# they are equal once at most one letter is left out of each: their keys have one in common. The
# functions call none of ours: an index is made under a search path that has only PostgreSQL's.
NAME_KEYS = r"""
CREATE FUNCTION name_keys(name text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
    SELECT coalesce(array_agg(DISTINCT key), '{}') FROM (
        SELECT left(part, 64) AS word
        FROM regexp_split_to_table(
            regexp_replace(normalize(left(name, 400), NFKD), '[\u0300-\u036f]', '', 'g'),
            '[\s^=,.''\\-]+'
        ) AS part
        WHERE part <> ''
    ) AS words, LATERAL (
        SELECT word
        UNION ALL
        SELECT overlay(word placing '' from n for 1) FROM generate_series(1, length(word)) AS n
        WHERE length(word) BETWEEN 4 AND 24
        UNION ALL
        SELECT left(word, n) || '*' FROM generate_series(1, least(length(word), 24)) AS n
    ) AS keys(key)
$$
"""
ASKED_KEYS = r"""
CREATE FUNCTION asked_keys(asked text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT array_agg(key) FROM (
        SELECT left(regexp_replace(normalize(asked, NFKD), '[\u0300-\u036f]', '', 'g'), 64) AS word
    ) AS words, LATERAL (
        SELECT word
        UNION ALL
        SELECT word || '*'
        UNION ALL
        SELECT overlay(word placing '' from n for 1) FROM generate_series(1, length(word)) AS n
        WHERE length(word) BETWEEN 4 AND 24
    ) AS keys(key)
$$
"""

# While attributes are indexed, an instance is stored by those alone who know of all of them.
# Switched off as long as there are none: then it costs nothing.
CHECK = """
CREATE FUNCTION knows_index_attributes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('hounsfield.indexed', true), '') <> coalesce((
        SELECT string_agg(id::text, ',' ORDER BY id) FROM index_attribute
        WHERE NOT built_in AND state <> 'removing'), '')
    THEN
        RAISE integrity_constraint_violation USING MESSAGE = 'the index attributes have changed';
    END IF;
    RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE TRIGGER knows_index_attributes BEFORE INSERT ON instance
    FOR EACH STATEMENT EXECUTE FUNCTION knows_index_attributes()
"""

# Keys that PS3.18 Table 10.6.1-5 requires. What is stored already has to be indexed first.
REQUIRED = """
INSERT INTO index_attribute (path, vr, level, private_creator, state, built_in, done, next, until)
SELECT path, 'SH', 'series', '', CASE WHEN last = 0 THEN 'ready' ELSE 'indexing' END, true,
    0, 0, last
FROM (VALUES ('00400275.00400009'), ('00400275.00401001')) AS required(path),
    (SELECT coalesce(max(id), 0) AS last FROM series) AS stored
"""


def upgrade() -> None:
    """Make the tables, the functions and their index."""
    op.execute(NAME_KEYS)
    op.execute(ASKED_KEYS)
    op.create_index(
        "study_name_keys",
        "study",
        [
            sa.text("name_keys(patient_name_folded)"),
            sa.text("name_keys(referring_physician_name_folded)"),
        ],
        unique=False,
        postgresql_using="gin",
    )
    _index_attribute()
    for level in LEVELS:
        _values(level)
    op.execute(CHECK)
    op.execute(TRIGGER)
    op.execute("ALTER TABLE instance DISABLE TRIGGER knows_index_attributes")
    op.execute(REQUIRED)


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP TRIGGER knows_index_attributes ON instance")
    op.execute("DROP FUNCTION knows_index_attributes()")
    for level in LEVELS:
        op.drop_table(f"{level}_value")
    op.drop_table("index_attribute")
    op.drop_index("study_name_keys", "study")
    for function in ("asked_keys", "name_keys"):
        op.execute(f"DROP FUNCTION {function}(text)")


def _index_attribute() -> None:
    op.create_table(
        "index_attribute",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("path", sa.Text(), nullable=False, comment="tags, a dot between them"),
        sa.Column("vr", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False, comment="study, series or instance"),
        sa.Column("private_creator", sa.Text(), nullable=False),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="indexing, ready, failed or removing"
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "built_in", sa.Boolean(), nullable=False, comment="required by the standard, not added"
        ),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("next", sa.BigInteger(), nullable=False, comment="key after which to go on"),
        sa.Column(
            "until",
            sa.BigInteger(),
            nullable=False,
            comment="largest key that was stored when it was added; later ones come with values",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "index_attribute_once",
        "index_attribute",
        ["path", "level"],
        unique=True,
        postgresql_where=sa.text("state <> 'removing'"),
    )


def _values(level: str) -> None:
    """Values in one order everywhere, so that one index serves equality, prefixes and ranges."""
    op.create_table(
        f"{level}_value",
        sa.Column("owner_pk", sa.BigInteger(), nullable=False),
        sa.Column("attribute_id", sa.BigInteger(), nullable=False),
        sa.Column("item", sa.ARRAY(sa.Integer()), nullable=False, comment="which of each sequence"),
        sa.Column("value", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("owner_pk", "attribute_id", "item", "value"),
        sa.ForeignKeyConstraint(["owner_pk"], [f"{level}.id"], ondelete="CASCADE"),
    )
    op.create_index(
        f"{level}_value_of_attribute",
        f"{level}_value",
        ["attribute_id", "value", "owner_pk"],
        unique=False,
    )

"""The schema of the index and of the job queue, brought up to date by whoever starts first.

Ours are Alembic migrations (``db/migrations``); procrastinate ships its own as SQL files, and
the name of the newest one applied is kept as the comment of its table of jobs. Everything
happens under one advisory lock: of two starters the second finds it done.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from hounsfield.db.engine import driver_url
from hounsfield.db.errors import CannotStart

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x48554E53_46494C44  # any number that is always the same
JOBS_TABLE = "procrastinate_jobs"


class SchemaError(CannotStart):
    """The database cannot be brought up to date; the message says why."""


def upgrade(url: str) -> None:
    """Bring the database at ``url`` to the schema that this release works with."""
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        with connection.begin():
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
            applied = _queue_version(connection)
        with connection.begin():
            command.upgrade(alembic_config(connection), "head")
        _upgrade_queue(connection, applied)


def revision(url: str) -> str | None:
    """The revision that the database at ``url`` is at, or None before the first upgrade."""
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration, without an ini file: the scripts are part of the package."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _upgrade_queue(connection: Connection, applied: str | None) -> None:
    """Each script in a transaction of its own: a new enum value needs a commit before its use."""
    scripts = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    if applied is None:
        _apply(connection, SchemaManager.get_schema(), scripts[-1].stem)
        return
    for script in scripts:
        if script.stem > applied:
            _apply(connection, script.read_text(encoding="utf-8"), script.stem)


def _queue_version(connection: Connection) -> str | None:
    if connection.scalar(text(f"SELECT to_regclass('{JOBS_TABLE}')")) is None:
        return None
    query = text(f"SELECT obj_description('{JOBS_TABLE}'::regclass, 'pg_class')")
    applied: str | None = connection.scalar(query)
    if applied is None:
        raise SchemaError(
            f"The database holds a table {JOBS_TABLE} that Hounsfield did not make; give "
            "Hounsfield a database of its own."
        )
    return applied


def _apply(connection: Connection, script: str, version: str) -> None:
    """Run a script of many statements as it stands; without parameters, % is only a sign."""
    with connection.begin():
        cursor = connection.connection.cursor()
        cursor.execute(script)
        cursor.execute(f"COMMENT ON TABLE {JOBS_TABLE} IS '{version}'")

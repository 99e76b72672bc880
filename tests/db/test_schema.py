"""The schema: what the migrations make is what the tables say, whoever starts first."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from procrastinate.schema import SchemaManager
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from hounsfield.db.engine import driver_url
from hounsfield.db.schema import SchemaError, alembic_config, revision, upgrade
from hounsfield.db.tables import Base


def test_the_migrations_make_exactly_the_tables(database_url: str) -> None:
    options = {
        "include_name": lambda name, kind, _: kind != "table" or name in Base.metadata.tables,
        "compare_server_default": True,
    }
    with create_engine(driver_url(database_url), poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_two_starters_at_once_make_one_schema(empty_database_url: str) -> None:
    assert revision(empty_database_url) is None
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [empty_database_url] * 4))
    assert revision(empty_database_url) == "0005"
    assert _count(empty_database_url, "procrastinate_jobs") == 0


def test_a_second_upgrade_leaves_rows_alone(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO event_counter (id, last_sequence, first_kept) VALUES (1, 5, 1)"
        )
    upgrade(database_url)
    assert _count(database_url, "event_counter") == 1


def test_a_database_goes_back_to_the_first_schema_and_forward_again(database_url: str) -> None:
    with create_engine(driver_url(database_url), poolclass=NullPool).begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
    assert revision(database_url) == "0001"
    upgrade(database_url)
    assert _count(database_url, "deleted_instance") == 0


def test_the_queue_of_an_older_release_is_carried_forward(empty_database_url: str) -> None:
    older = [path for path in _queue_scripts() if path.stem < "03.03"]
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        for path in older:
            connection.execute(path.read_bytes())
        connection.execute(f"COMMENT ON TABLE procrastinate_jobs IS '{older[-1].stem}'".encode())
    upgrade(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_proc WHERE proname LIKE 'procrastinate_retry_job%'"
        ).fetchone()
        newest = connection.execute(
            "SELECT obj_description('procrastinate_jobs'::regclass)"
        ).fetchone()
    assert found is not None
    assert found[0] > 0
    assert newest == (_queue_scripts()[-1].stem,)


def test_a_queue_of_somebody_else_is_refused(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE procrastinate_jobs (id int)")
    with pytest.raises(SchemaError, match="database of its own"):
        upgrade(empty_database_url)
    assert revision(empty_database_url) is None, "nothing was left half done"


def _queue_scripts() -> list[Path]:
    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])

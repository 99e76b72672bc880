"""A query that the database does not answer is a status in words, and the next one is answered."""

from pathlib import Path

import psycopg
import pytest
from dimse_scu import find
from factories import ct_slice, encode
from pydantic import SecretStr

from hounsfield.archive.archive import Archive
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.types import Source
from hounsfield.conf.settings import DatabaseSettings, DimseSettings, Settings


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """A search is given up soon."""
    database = DatabaseSettings(url=SecretStr(database_url), read_timeout_seconds=0.5)
    return Settings(data_dir=tmp_path / "data", database=database, dimse=DimseSettings(port=0))


def test_a_query_that_takes_too_long_is_a700_and_the_next_one_is_answered(
    archive: Archive, port: int, database_url: str
) -> None:
    store_bytes(archive, Source("IMPORT"), encode(ct_slice()))
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE study IN ACCESS EXCLUSIVE MODE")
        found, _, last = find(port, "STUDY", PatientID="")
    assert (found, last.Status) == ([], 0xA700)
    assert "too long" in last.ErrorComment
    assert len(find(port, "STUDY", PatientID="")[0]) == 1


def test_a_query_after_the_database_was_restarted_is_answered(
    archive: Archive, port: int, database_url: str
) -> None:
    store_bytes(archive, Source("IMPORT"), encode(ct_slice()))
    assert len(find(port, "STUDY", PatientID="")[0]) == 1
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert len(find(port, "STUDY", PatientID="")[0]) == 1

"""What every test may ask for: real DICOM, a database of its own, an archive on it."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import DatabaseSettings, Settings
from hounsfield.db.embedded import EmbeddedPostgres
from hounsfield.db.schema import upgrade

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real DICOM beside the checkout; a test that needs it is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the folder of real DICOM beside the checkout (../shared/data)")
    return folder


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """An empty folder with a short name (a socket's path has 107 bytes), open to any user."""
    folder = Path(tempfile.mkdtemp(prefix="hf-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server where databases may be made: HOUNSFIELD_TEST_DATABASE_URL, or the embedded one."""
    external = os.environ.get("HOUNSFIELD_TEST_DATABASE_URL")
    if external:
        yield external
        return
    folder = Path(tempfile.mkdtemp(prefix="hf-"))
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """The name of a database with the whole schema and no rows, to be copied."""
    name = f"hounsfield_template_{uuid.uuid4().hex}"
    _administer(postgres_url, f'CREATE DATABASE "{name}"')
    upgrade(_named(postgres_url, name))
    yield name
    _administer(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """A fresh database with the whole schema, for one test."""
    name = f"hounsfield_test_{uuid.uuid4().hex}"
    _administer(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"')
    yield _named(postgres_url, name)
    _administer(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A fresh database with nothing in it, for tests of the migrations."""
    name = f"hounsfield_empty_{uuid.uuid4().hex}"
    _administer(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield _named(postgres_url, name)
    _administer(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of one test: its own data folder and its own database."""
    database = DatabaseSettings(url=SecretStr(database_url))
    return Settings(data_dir=tmp_path / "data", database=database)


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    """The archive of one test, on the real database and the real local store."""
    archive = Archive(settings)
    yield archive
    archive.close()


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _administer(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())

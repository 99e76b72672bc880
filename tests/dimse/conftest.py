"""A DIMSE service on a free port, before a real archive."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import DatabaseSettings, DimseSettings, Settings
from hounsfield.dimse.service import DimseService


@pytest.fixture
def dimse_settings() -> DimseSettings:
    """Settings of the listener; a module that needs others has a fixture of this name."""
    return DimseSettings(port=0, handshake_seconds=2)


@pytest.fixture
def settings(tmp_path: Path, database_url: str, dimse_settings: DimseSettings) -> Settings:
    """As for every test, with the settings of the listener."""
    database = DatabaseSettings(url=SecretStr(database_url))
    return Settings(data_dir=tmp_path / "data", database=database, dimse=dimse_settings)


@pytest.fixture
def service(archive: Archive) -> Iterator[DimseService]:
    """A service that runs."""
    service = DimseService(archive)
    service.start()
    thread = threading.Thread(target=service.serve_forever)
    thread.start()
    yield service
    service.stop(grace_seconds=5)
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def port(service: DimseService) -> int:
    """Where the service listens."""
    return service.port

"""The application in this process, and as a server on a port."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from web_server import serving

from hounsfield.archive.archive import Archive
from hounsfield.server.app import create_app


@pytest.fixture
def viewer(tmp_path: Path) -> Path:
    """Where the built front ends would be; empty unless a test puts something there."""
    return tmp_path / "viewer"


@pytest.fixture
async def client(archive: Archive, viewer: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, without a socket and without its background tasks."""
    transport = httpx.ASGITransport(create_app(archive, viewer), raise_app_exceptions=False)
    base = "http://127.0.0.1:8080"
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        yield client
    await archive.database.aclose()
    archive.database.__dict__.pop("async_engine", None)


@pytest.fixture
def port(archive: Archive, viewer: Path) -> Iterator[int]:
    """The port of a running server."""
    with serving(archive, viewer=viewer) as port:
        yield port

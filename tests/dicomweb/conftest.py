"""The DICOMweb service as a client meets it, without a socket."""

from collections.abc import AsyncIterator

import httpx
import pytest
from dicomweb_requests import MOUNT, application

from hounsfield.archive.archive import Archive


@pytest.fixture
async def client(archive: Archive) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a socket, at the root of the service."""
    app = application(archive)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 50000))
        async with httpx.AsyncClient(
            transport=transport, base_url=f"http://pacs.example{MOUNT}"
        ) as client:
            yield client
    await archive.database.aclose()

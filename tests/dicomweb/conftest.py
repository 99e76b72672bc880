"""The DICOMweb service as a client meets it: in the process, and over a socket."""

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import uvicorn
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


@pytest.fixture
def server(archive: Archive) -> Iterator[str]:
    """The service behind a real uvicorn; its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(
        application(archive), host="127.0.0.1", port=port, log_level="warning", access_log=False
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}{MOUNT}"
    running.should_exit = True
    thread.join()

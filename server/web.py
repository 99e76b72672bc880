"""How uvicorn serves the application, wherever it runs: one process of a tree, or a test."""

from pathlib import Path

import uvicorn

from hounsfield.archive.archive import Archive
from hounsfield.server.app import create_app
from hounsfield.server.protocols import BoundedWebSocket, TimedHttp

GRACE_SECONDS = 3
LARGEST_MESSAGE = 4096
PING_SECONDS = 20.0
BACKLOG = 2048


def web_config(archive: Archive, viewer: Path | None = None) -> uvicorn.Config:
    """uvicorn's configuration. Nothing of a request is logged: a URL may name a patient."""
    return uvicorn.Config(
        create_app(archive, viewer),
        http=TimedHttp,
        ws=BoundedWebSocket,
        ws_max_size=LARGEST_MESSAGE,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )

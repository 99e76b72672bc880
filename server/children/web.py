"""One web process: DICOMweb, the JSON API, the live WebSocket, the web app and OHIF."""

import signal
import socket
import sys

import uvicorn

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import Settings
from hounsfield.server.children.control import Ready
from hounsfield.server.web import web_config


class _Server(uvicorn.Server):
    """uvicorn, which says when it serves."""

    def __init__(self, config: uvicorn.Config, ready: Ready) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets=sockets)
        self._ready()


def run(settings: Settings, ready: Ready, listener: socket.socket) -> None:
    """Serve on ``listener`` until a signal; what is open gets a few seconds to end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Before uvicorn takes the signals; and it raises them again when it has ended.
        signal.signal(number, lambda *_: sys.exit(0))
    archive = Archive(settings)
    try:
        _Server(web_config(archive), ready).run(sockets=[listener])
    finally:
        archive.close()

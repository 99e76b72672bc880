"""One process of a kind, with only that kind's room imported."""

import os
import socket

from hounsfield.conf.logging import configure_logging
from hounsfield.conf.settings import Settings
from hounsfield.server.children.control import Ready


def run(kind: str, settings: Settings, ready: Ready, listener: socket.socket | None) -> None:
    """Run the process called ``kind`` until it is asked to end."""
    configure_logging(settings.log_level, settings.log_json, f"{kind}[{os.getpid()}]")
    if kind == "web" and listener is not None:
        from hounsfield.server.children import web  # noqa: PLC0415 - one process, one room

        web.run(settings, ready, listener)
    elif kind == "dimse":
        from hounsfield.server.children import dimse  # noqa: PLC0415

        dimse.run(settings, ready)
    elif kind == "worker":
        from hounsfield.server.children import worker  # noqa: PLC0415

        worker.run(settings, ready)
    else:
        raise ValueError(f"no process is called {kind}")

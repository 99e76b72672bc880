"""One process of a kind, with only that kind's room imported."""

import gc
import os
import socket

from hounsfield.conf.logging import configure_logging
from hounsfield.conf.settings import Settings
from hounsfield.server.children.control import Ready

COLLECT_EVERY = 20_000
"""Objects made between two looks for garbage in circles; Python's own 700 is 3 % of a store."""


def run(kind: str, settings: Settings, ready: Ready, listener: socket.socket | None) -> None:
    """Run the process called ``kind`` until it is asked to end."""
    ready = _with_settled_memory(ready)
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


def _with_settled_memory(ready: Ready) -> Ready:
    """What is there when a process is ready stays: the collector need not look at it again."""

    def settled() -> None:
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_EVERY)
        ready()

    return settled

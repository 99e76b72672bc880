"""``python -m hounsfield.server.children KIND [FD]``: a process that the supervisor starts."""

import os
import socket
import sys

from hounsfield.conf.logging import configure_logging
from hounsfield.conf.settings import Settings, get_settings
from hounsfield.server.children.control import Ready, follow_supervisor
from hounsfield.server.startup import with_database


def main(kind: str, descriptor: str | None = None) -> None:
    """Run the process called ``kind`` until the supervisor ends it or itself."""
    ready = follow_supervisor()
    settings = with_database(get_settings())
    configure_logging(settings.log_level, settings.log_json, f"{kind}[{os.getpid()}]")
    _run(kind, settings, ready, descriptor)


def _run(kind: str, settings: Settings, ready: Ready, descriptor: str | None) -> None:
    if kind == "web":
        from hounsfield.server.children import web  # noqa: PLC0415 - one process, one room

        web.run(settings, ready, _listener(settings, descriptor))
    elif kind == "dimse":
        from hounsfield.server.children import dimse  # noqa: PLC0415

        dimse.run(settings, ready)
    else:
        from hounsfield.server.children import worker  # noqa: PLC0415

        worker.run(settings, ready)


def _listener(settings: Settings, descriptor: str | None) -> socket.socket:
    if descriptor is not None:
        return socket.socket(fileno=int(descriptor))
    from hounsfield.server.startup import bind  # noqa: PLC0415

    return bind(settings.http.host, settings.http.port, "HOUNSFIELD_HTTP__PORT")


if __name__ == "__main__":
    main(*sys.argv[1:])

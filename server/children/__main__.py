"""``python -m hounsfield.server.children KIND [FD]``: a process that the supervisor starts."""

import os
import socket
import sys

from hounsfield.conf.settings import get_settings
from hounsfield.server.children.control import follow_supervisor
from hounsfield.server.children.start import run
from hounsfield.server.startup import bind, with_database


def main(kind: str, descriptor: str | None = None) -> None:
    """Run the process called ``kind`` until the supervisor ends it or itself."""
    ready = follow_supervisor()
    settings = with_database(get_settings())
    listener = None
    if descriptor is not None:
        listener = socket.socket(fileno=int(descriptor))
    elif kind == "web" and os.name == "nt":
        listener = bind(settings.http.host, settings.http.port, "HOUNSFIELD_HTTP__PORT")
    run(kind, settings, ready, listener)


if __name__ == "__main__":
    main(*sys.argv[1:])

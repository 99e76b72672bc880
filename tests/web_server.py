"""A web process in a thread: the application as it is served, on a port of its own."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from hounsfield.archive.archive import Archive
from hounsfield.server.web import web_config


@contextmanager
def serving(archive: Archive, port: int = 0, viewer: Path | None = None) -> Iterator[int]:
    """Serve until the end of the block; the port."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    server = uvicorn.Server(web_config(archive, viewer))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()
        archive.database.__dict__.pop("async_engine", None)

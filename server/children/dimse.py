"""The DIMSE process: one port, C-ECHO and C-STORE."""

import signal
import threading

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import Settings
from hounsfield.dimse.service import DimseService
from hounsfield.server.children.control import Ready

GRACE_SECONDS = 3.0


def run(settings: Settings, ready: Ready) -> None:
    """Serve until a signal; messages in progress have three seconds to end."""
    archive = Archive(settings)
    service = DimseService(archive)
    # A thread and not the handler: the main thread may hold a lock that stopping needs.
    ending = threading.Thread(target=service.stop, args=(GRACE_SECONDS,), name="ending")
    try:
        service.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: _once(ending))
        ready()
        service.serve_forever()
        if ending.ident:
            ending.join()
    finally:
        archive.close()


def _once(thread: threading.Thread) -> None:
    if thread.ident is None:
        thread.start()

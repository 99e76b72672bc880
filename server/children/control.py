"""The child's end of its link to the supervisor: standard input and standard output.

Input that ends means that the supervisor is gone, on every system; Linux says it a second way
(``db.processes``). The one line on output says that this process is ready to serve.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

READY = b"ready\n"
END_SECONDS = 8.0

Ready = Callable[[], None]


def follow_supervisor() -> Ready:
    """End when the supervisor ends; the result tells it that we are ready.

    Whatever else is printed goes to standard error from here on.
    """
    link = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    threading.Thread(
        target=_watch, args=(sys.stdin.fileno(),), name="supervisor", daemon=True
    ).start()

    def ready() -> None:
        with contextlib.suppress(OSError):
            os.write(link, READY)
            os.close(link)

    return ready


def _watch(link: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(link, 1024):
            pass
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGTERM)
    else:  # to the main thread: it may sleep in a call that only a signal of its own ends
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(END_SECONDS)
    os._exit(1)

"""Child processes that end with their parent, and processes that outlived theirs.

Linux sends a child a signal when the THREAD that started it ends (prctl(2),
PR_SET_PDEATHSIG): start children from the main thread. Elsewhere a child of ours watches its
standard input, and what cannot watch is found by its working folder at the next start.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
NEW_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""For ``creationflags``: on Windows, what ``start_new_session`` is elsewhere."""

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signal_number: int) -> Callable[[], None] | None:
    """A ``preexec_fn`` that asks for a signal at the parent's death; None where there is none.

    It runs after the change of user, which would clear the request.
    """
    if _libc is None:
        return None
    libc, parent = _libc, os.getpid()

    def request() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal_number)
        if os.getppid() != parent:  # it died between fork and here
            os._exit(1)

    return request


def running_in(folder: Path, program: str) -> Iterator[psutil.Process]:
    """Processes called ``program`` whose working folder is ``folder``.

    A busy backend holds a cluster's shared memory after its postmaster was killed, and
    nothing but its working folder says to which cluster it belongs.
    """
    for process in psutil.process_iter(["name", "cwd"]):
        name, cwd = process.info["name"] or "", process.info["cwd"]
        if name.removesuffix(".exe") == program and cwd and Path(cwd) == folder.resolve():
            yield process


def end(processes: list[psutil.Process], patience: float) -> None:
    """Ask with SIGTERM, wait ``patience`` seconds, then kill what is left."""
    for process in processes:
        _quietly(process.terminate)
    _, alive = psutil.wait_procs(processes, timeout=patience)
    for process in alive:
        _quietly(process.kill)
    psutil.wait_procs(alive, timeout=patience)


def _quietly(action: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        action()

"""Starting and ending the child process, and what it may see of its parent: nothing secret.

The child starts before it knows its request: the three seconds that torch and MONAI take to
import can pass while a series is still settling (:class:`Standby`).
"""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from hounsfield.inference.messages import LOG_FILE, ChildRequest

KEPT_OF_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "WINDIR")
"""Everything else stays here: settings, the database's address, whatever a service manager set."""

COMMAND = (sys.executable, "-I", "-m", "hounsfield.inference.child")
WINDOWS = os.name == "nt"

Child = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take."""

    seconds: float
    memory_bytes: int
    threads: int = 0
    """0: as many as this process may use cores."""


class Standby:
    """A child that imports what every model needs and waits for its request.

    On Linux it ends with the thread that started it, and everywhere with this process.
    """

    def __init__(self, work_dir: Path, limits: Limits) -> None:
        self._killed = False
        self.work_dir = work_dir
        self.limits = limits
        work_dir.mkdir(parents=True, exist_ok=True)
        with (work_dir / LOG_FILE).open("wb") as log:
            self.child: Child = subprocess.Popen(
                [*COMMAND, str(limits.memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=work_dir,
                env=_environment(work_dir, limits),
                start_new_session=True,
            )

    def send(self, request: ChildRequest) -> None:
        """Give the child its work. A dead one is noticed by whoever reads its answer."""
        if self.child.stdin is not None:
            with contextlib.suppress(OSError):
                self.child.stdin.write(request.encode())
                self.child.stdin.flush()

    def kill(self) -> None:
        """End the child with all its threads and its own children.

        Once: a process that was waited for has given its number back, for others to take.
        """
        if self._killed:
            return
        self._killed = True
        if WINDOWS:
            _kill_tree(self.child.pid)
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        if self.child.stdin is not None:
            with contextlib.suppress(OSError):
                self.child.stdin.close()


def resident_bytes(pid: int) -> int:
    """Memory in use by a process and what it started; 0 for one that is gone."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(int(member.memory_info().rss) for member in family)
    except psutil.Error:
        return 0


def _environment(work_dir: Path, limits: Limits) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_OF_ENVIRONMENT if name in os.environ}
    threads = str(limits.threads or _cores())
    folders = dict.fromkeys(("HOME", "TMPDIR", "TEMP"), str(work_dir))
    return (
        kept
        | folders
        | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "MONAI_EVAL_EXPR": "0"}
    )


def _cores() -> int:
    """Those that this process may use; a container often has fewer than the machine."""
    return (
        len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else (os.cpu_count() or 1)
    )


def _kill_tree(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in (*process.children(recursive=True), process):
            member.kill()

"""What a dead supervisor left of the embedded server: processes and a pid file."""

import time
from pathlib import Path

from hounsfield.db.processes import end, running_in

ORPHAN_SECONDS = 5.0


def clear_remains(folder: Path) -> None:
    """End the server that a dead supervisor left here, and remove its pid file.

    The caller holds the lock, so nobody else starts a server in this folder meanwhile. A
    server whose supervisor died is on its way out by itself and gets time for that.
    """
    pid_file = folder / "postmaster.pid"
    deadline = time.monotonic() + ORPHAN_SECONDS
    while (left := list(running_in(folder, "postgres"))) and pid_file.exists():
        if time.monotonic() > deadline or not _names_one_of(pid_file, {p.pid for p in left}):
            break
        time.sleep(0.05)
    end(left, ORPHAN_SECONDS)
    pid_file.unlink(missing_ok=True)


def _names_one_of(pid_file: Path, pids: set[int]) -> bool:
    try:
        return int(pid_file.read_text().split("\n", 1)[0]) in pids
    except (OSError, ValueError):
        return False

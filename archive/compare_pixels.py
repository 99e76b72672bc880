"""Child process: exits 0 where two files decode to the same pixels (see archive.lossless)."""

import sys

import numpy as np
from pydicom.pixels.utils import iter_pixels

MEMORY_LIMIT_BYTES = 4 * 1024**3


def limit_memory() -> None:
    """Let a hostile image cost this process, and nothing else."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - POSIX alone has it

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


def equal(first: str, second: str) -> bool:
    """Compare frame by frame; files with different numbers of frames differ."""
    try:
        pairs = zip(iter_pixels(first), iter_pixels(second), strict=True)
        return all(np.array_equal(one, other) for one, other in pairs)
    except ValueError:
        return False


if __name__ == "__main__":
    limit_memory()
    sys.exit(0 if equal(sys.argv[1], sys.argv[2]) else 1)

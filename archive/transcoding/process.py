"""How a worker process is started: with no secret of ours, and in a folder that is not ours."""

import os
import sys
from collections.abc import Mapping

WORKER = "hounsfield.archive.transcoding.worker"
FOLDER = sys.prefix
KEPT = {"PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMP", "TEMP"}


def command(module: str = WORKER) -> list[str]:
    """The command line."""
    return [sys.executable, "-P", "-m", module]


def environment(ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What it is told of our environment."""
    kept = {name: value for name, value in ours.items() if name.upper() in KEPT}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

"""Seconds from the last C-STORE answer to the stored SEG, as `hounsfield demo --once` measures."""

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.servers import free_port


def measure(folder: Path) -> dict[str, object]:
    """Run the demo once in a fresh data folder; its one line of JSON."""
    env = {
        **os.environ,
        "HOUNSFIELD_DATA_DIR": str(folder / "demo"),
        "HOUNSFIELD_HTTP__PORT": str(free_port()),
        "HOUNSFIELD_DIMSE__PORT": str(free_port()),
    }
    program = Path(sys.executable).with_name("hounsfield")
    done = subprocess.run(
        [program, "demo", "--once"], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"the demo failed:\n{done.stdout}\n{done.stderr[-2000:]}")
    found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return found

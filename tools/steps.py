"""Runs one long step and shows what it does and for how long, on a terminal or in a log."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

LOG_EVERY_SECONDS = 15
REFRESH_SECONDS = 0.2
LINE_WIDTH = 100
TAIL_LINES = 40


class StepFailedError(SystemExit):
    """A step ended with an error; what it printed last has been shown."""


def say(text: str) -> None:
    """One line to the person who is waiting."""
    print(text, file=sys.stderr, flush=True)


def run_step(
    title: str,
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command under a title. Its output is shown only where it fails."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: list[str] = []
    reader = threading.Thread(target=_collect, args=(process, lines), daemon=True)
    reader.start()
    _show_progress(title, process, lines, started)
    reader.join()
    if process.returncode != 0:
        say(f"\n{title}: failed ({' '.join(command[:4])} …)")
        say("\n".join(lines[-TAIL_LINES:]))
        raise StepFailedError(process.returncode)
    _clear_line()
    say(f"  {title}: done in {time.monotonic() - started:.0f} s")


def _collect(process: "subprocess.Popen[str]", lines: list[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip():
            lines.append(line.rstrip())


def _show_progress(
    title: str, process: "subprocess.Popen[str]", lines: list[str], started: float
) -> None:
    live = sys.stderr.isatty()
    next_log = LOG_EVERY_SECONDS
    while process.poll() is None:
        time.sleep(REFRESH_SECONDS)
        elapsed = time.monotonic() - started
        text = f"  {title} … {elapsed:.0f} s  {lines[-1].strip() if lines else ''}"
        if live:
            sys.stderr.write("\r\x1b[K" + text[:LINE_WIDTH])
            sys.stderr.flush()
        elif elapsed > next_log:
            say(text[:LINE_WIDTH])
            next_log += LOG_EVERY_SECONDS


def _clear_line() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")

"""The verbs that run the server: in the foreground for the demo, in the background otherwise."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tools import environment
from tools.steps import say

HOUNSFIELD = str(environment.BIN / "hounsfield")
READY_SECONDS = 60
STOP_SECONDS = 15


def _data_dir() -> Path:
    return Path(os.environ.get("HOUNSFIELD_DATA_DIR", environment.ROOT / "hounsfield-data"))


def _env() -> dict[str, str]:
    return {**os.environ, "HOUNSFIELD_DATA_DIR": str(_data_dir())}


def _url(path: str = "/") -> str:
    return f"http://127.0.0.1:{os.environ.get('HOUNSFIELD_HTTP__PORT', '8080')}{path}"


def demo(arguments: list[str]) -> int:
    """The main job on real input; see `hounsfield demo --help`."""
    environment.make_viewer()
    return _foreground([HOUNSFIELD, "demo", *arguments])


def bench(arguments: list[str]) -> int:
    """Measure; see `./dev bench --help`."""
    environment.need_tools("storescu")
    if "orthanc" in arguments:
        environment.need_tools("Orthanc")
    return _foreground([str(environment.PYTHON), "-m", "bench", *arguments])


def _foreground(command: list[str]) -> int:
    """Run to its end; Ctrl-C goes to the child, which knows how to end."""
    process = subprocess.Popen(command, cwd=environment.ROOT, env=_env())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def start(arguments: list[str]) -> int:
    """Start the server in the background and wait until it is ready."""
    environment.make_viewer()
    if _running_pid():
        say(f"Already running: {_url()}")
        return 0
    _data_dir().mkdir(parents=True, exist_ok=True)
    with (_data_dir() / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [HOUNSFIELD, "serve", *arguments],
            cwd=environment.ROOT,
            env=_env(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (_data_dir() / "serve.pid").write_text(str(process.pid))
    return _wait_until_ready(process)


def _wait_until_ready(process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            say("It ended at once; ./dev logs says why.")
            return 1
        try:
            with urllib.request.urlopen(_url("/readyz"), timeout=2):
                say(f"Ready: {_url()}   OHIF: {_url('/ohif/')}   ./dev logs   ./dev down")
                return 0
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    say("Not ready after a minute; ./dev logs says why.")
    return 1


def _running_pid() -> int | None:
    try:
        pid = int((_data_dir() / "serve.pid").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def down(arguments: list[str]) -> int:
    """Stop the server in the background."""
    pid = _running_pid()
    if pid is None:
        say("Not running.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _running_pid() and time.monotonic() < deadline:
        time.sleep(0.1)
    if _running_pid():
        say("It does not end; look at ./dev logs.")
        return 1
    (_data_dir() / "serve.pid").unlink(missing_ok=True)
    say("Stopped.")
    return 0


def logs(arguments: list[str]) -> int:
    """Follow the log of the server in the background."""
    path = _data_dir() / "serve.log"
    if not path.exists():
        say("No log yet: ./dev start")
        return 1
    with path.open(errors="replace") as log:
        while True:
            line = log.readline()
            if line:
                sys.stdout.write(line)
                sys.stdout.flush()
            else:
                time.sleep(0.3)


def shell(arguments: list[str]) -> int:
    """A shell in which `hounsfield` and the environment's Python come first."""
    env = _env()
    env["VIRTUAL_ENV"] = str(environment.VENV)
    env["PATH"] = f"{environment.BIN}{os.pathsep}{env['PATH']}"
    program = os.environ.get("COMSPEC" if os.name == "nt" else "SHELL", "sh")
    return subprocess.call([program, *arguments], cwd=environment.ROOT, env=env)

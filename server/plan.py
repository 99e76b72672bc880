"""Which processes a tree has, and what each is given."""

import importlib.util
import os
import socket
import subprocess
import sys

from hounsfield.conf.settings import Settings
from hounsfield.db.errors import CannotStart
from hounsfield.server.children.child import Child


def plan(settings: Settings, listener: socket.socket) -> list[Child]:
    """The children in the order in which they are waited for."""
    environment = environment_of(settings)
    descriptors = _share(listener)
    web = ["web", *map(str, descriptors)]
    children = [
        Child("Web", f"Web process {number}", web, environment, descriptors)
        for number in range(1, web_processes(settings) + 1)
    ]
    children.append(Child("DIMSE", "DIMSE process", ["dimse"], environment))
    for number in range(1, workers(settings) + 1):
        children.append(Child("Inference", f"Worker {number}", ["worker"], environment))
    return children


def web_processes(settings: Settings) -> int:
    """How many processes share the HTTP port; Windows cannot share one."""
    return settings.http.processes if os.name != "nt" else 1


def workers(settings: Settings) -> int:
    """How many inference workers this machine runs."""
    return settings.inference.workers if why_no_inference(settings) is None else 0


def why_no_inference(settings: Settings) -> str | None:
    """A sentence where models do not run here."""
    if not settings.inference.enabled:
        return "Inference is switched off (HOUNSFIELD_INFERENCE__ENABLED)"
    if importlib.util.find_spec("torch") is None:
        return "Inference is not installed here: pip install 'hounsfield[ai]'"
    return None


def environment_of(settings: Settings) -> dict[str, str]:
    """What a child reads its settings from, with what the supervisor decided."""
    return {
        "MALLOC_ARENA_MAX": "2",  # glibc's arena for each thread doubles an idle process
        **os.environ,
        "HOUNSFIELD_DATA_DIR": str(settings.data_dir),
        "HOUNSFIELD_HTTP__PORT": str(settings.http.port),
        "HOUNSFIELD_DIMSE__PORT": str(settings.dimse.port),
    }


def upgrade_schema(environment: dict[str, str]) -> None:
    """Bring the schema up to date in a process of its own, which takes its libraries along."""
    done = subprocess.run(
        [sys.executable, "-m", "hounsfield.server.cli", "db", "upgrade-schema"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise CannotStart(f"The schema was not brought up to date: {reason}")


def _share(listener: socket.socket) -> tuple[int, ...]:
    if os.name == "nt":  # the one process binds the port itself
        listener.close()
        return ()
    return (listener.fileno(),)

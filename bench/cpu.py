"""What an instance costs the server in CPU time, whoever of its processes spends it."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from bench.light_storescu import Prepared
from bench.servers import Server

AFTERWARDS_SECONDS = 2.0
"""What a server puts off until after its answer counts too."""


def store_cpu_ms(associations: int) -> Callable[[Server, Path], float]:
    """CPU milliseconds an instance that comes in over some associations by the light client."""

    def measure(server: Server, folder: Path) -> float:
        prepared = Prepared(server, associations)
        before = cpu_seconds(server.process.pid)
        prepared.send()
        time.sleep(AFTERWARDS_SECONDS)
        return (cpu_seconds(server.process.pid) - before) * 1000 / prepared.count

    return measure


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree, a database in it included.

    What has ended is in the time of the children of whoever waited for it.
    """
    process = psutil.Process(pid)
    spent = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            spent += sum(each.cpu_times()[:4])
    return spent

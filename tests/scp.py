"""Servers of dcmtk, each on a free port."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

PATIENCE = 60.0


@contextmanager
def running(
    command: Callable[[int], Sequence[object]], answers: Callable[[int], bool]
) -> Iterator[int]:
    """Run a server until the end of the block, on another port where somebody was quicker."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        process = subprocess.Popen([str(each) for each in command(port)])
        try:
            while process.poll() is None and not answers(port):
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)
            if process.poll() is None:
                yield port
                return
            assert time.monotonic() < deadline, "the server does not start"
        finally:
            process.kill()
            process.wait()

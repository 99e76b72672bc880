"""A real `hounsfield serve`, started, looked at and killed by tests."""

import contextlib
import http.client
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

START_SECONDS = 90.0


class Tree:
    """One process tree on free ports; `lines` is what it has said so far."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.lines: list[str] = []
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hounsfield.server.cli", "serve"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={
                **os.environ,
                "HOUNSFIELD_DATA_DIR": str(data_dir),
                "HOUNSFIELD_HTTP__PORT": "0",
                "HOUNSFIELD_DIMSE__PORT": "0",
                **environment,
            },
        )
        threading.Thread(target=self._read, daemon=True).start()
        self._errors: list[str] = []
        threading.Thread(target=self._read_errors, daemon=True).start()

    def await_ready(self) -> "Tree":
        """Wait for the line that says so."""
        self.await_line("Ready in ")
        return self

    def await_line(self, beginning: str, seconds: float = START_SECONDS) -> str:
        """The next line that begins so."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._said.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line {beginning!r} in {self.lines}") from None
            if line is None:
                raise AssertionError(f"it ended: {self.lines} {''.join(self._errors[-20:])}")
            if line.startswith(beginning):
                return line

    def await_refusal(self) -> str:
        """What it says on standard error when it ends with status 1."""
        assert self.process.wait(30) == 1
        deadline = time.monotonic() + 5
        while not self._errors and time.monotonic() < deadline:
            time.sleep(0.02)
        return "".join(self._errors)

    @property
    def http_port(self) -> int:
        """Where its web processes listen."""
        return int(self._find(r"Web app: http://127\.0\.0\.1:(\d+)/"))

    @property
    def dimse_port(self) -> int:
        """Where its DIMSE process listens."""
        return int(self._find(r"DICOM: .* port (\d+)"))

    def status_of(self, path: str) -> int:
        """The HTTP status of a GET; 0 where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def takes_dimse(self) -> bool:
        """Whether its DIMSE port can be connected to."""
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex(("127.0.0.1", self.dimse_port)) == 0

    def processes(self) -> list[psutil.Process]:
        """Everything below the supervisor, and itself."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def children(self, kind: str) -> list[psutil.Process]:
        """Its processes of one kind: web, dimse, worker."""
        return [
            process
            for process in self.processes()[1:]
            if "hounsfield.server.children" in process.cmdline() and kind in process.cmdline()
        ]

    def postmaster(self) -> psutil.Process:
        """The embedded server's first process."""
        below = psutil.Process(self.process.pid).children()
        return next(process for process in below if process.name() == "postgres")

    def end(self, number: int = signal.SIGTERM) -> float:
        """Ask it to end; the seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL for all of it at once; some end by themselves when the supervisor goes."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def destroy(self) -> None:
        """End it however it is."""
        if self.process.poll() is None:
            left = self.processes()
            self.process.terminate()
            psutil.wait_procs(left, timeout=15)
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process.wait()

    def _find(self, pattern: str) -> str:
        for line in self.lines:
            found = re.search(pattern, line)
            if found:
                return found.group(1)
        raise AssertionError(f"{pattern} in {self.lines}")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            self._said.put(line.rstrip())
        self._said.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors.extend(self.process.stderr)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until ``condition()`` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)

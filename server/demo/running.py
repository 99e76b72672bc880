"""The server that the demo speaks to: the one that runs, or one that the demo starts and ends."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO

from hounsfield.conf.settings import Settings
from hounsfield.db.errors import CannotStart
from hounsfield.db.processes import die_with_parent
from hounsfield.server.demo.client import Client

END_SECONDS = 15.0
READY_SECONDS = 150.0

Say = Callable[[str], None]


class Started:
    """``hounsfield serve`` as a child, what it says handed on."""

    def __init__(self, settings: Settings, say: Say) -> None:
        folder = settings.data_dir.resolve()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log = folder / "serve.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hounsfield.server.cli", "serve"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - main thread
            )
        threading.Thread(target=self._relay, args=(self.process.stdout, say), daemon=True).start()

    def await_ready(self, client: Client) -> None:
        """Wait until it answers by HTTP."""
        deadline = time.monotonic() + READY_SECONDS
        while not client.is_up():
            if self.process.poll() is not None:
                raise CannotStart(f"The server did not start: {self.last_words()}")
            if time.monotonic() > deadline:
                raise CannotStart(f"The server is not ready; {self.log} may say why.")
            time.sleep(0.2)

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else f"see {self.log}"

    def end(self) -> None:
        """End the tree in order."""
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def _relay(self, output: IO[bytes], say: Say) -> None:
        for line in output:
            say(line.decode(errors="replace").rstrip())


@contextlib.contextmanager
def a_server(settings: Settings, say: Say) -> Iterator[tuple[Client, Started | None]]:
    """A client, and the server if it had to be started (it may not be ready yet)."""
    client = Client(settings.http.host, settings.http.port)
    if client.is_up():
        say(f"Using the server that runs at {client.base}/")
        yield client, None
        return
    started = Started(settings, say)
    try:
        yield client, started
    finally:
        started.end()

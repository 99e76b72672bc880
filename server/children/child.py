"""One child as the supervisor sees it: started, ready, ended, started again."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO

from hounsfield.db.processes import NEW_GROUP, die_with_parent
from hounsfield.server.children.control import READY

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
LONG_LIFE = 60.0


@dataclass
class BackOff:
    """How long to wait before the next start: twice as long each time, until one lasts."""

    delay: float = 0.0

    def after(self, lifetime: float) -> float:
        """The wait after a life of ``lifetime`` seconds."""
        if lifetime >= LONG_LIFE or self.delay == 0.0:
            self.delay = FIRST_DELAY
        else:
            self.delay = min(self.delay * 2, LONGEST_DELAY)
        return self.delay


@dataclass
class Child:
    """A process of the tree. Its methods are called from the supervisor's main thread."""

    stage: str
    name: str
    arguments: list[str]
    environment: Mapping[str, str]
    descriptors: tuple[int, ...] = ()
    ready: threading.Event = field(default_factory=threading.Event)
    process: "subprocess.Popen[bytes] | None" = None
    _back_off: BackOff = field(default_factory=BackOff)
    _started: float = 0.0
    _again_at: float | None = None

    def start(self) -> None:
        """Start it, in a session of its own: a Ctrl-C in the terminal is the supervisor's."""
        self.ready.clear()
        self._again_at = None
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hounsfield.server.children", *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(self.environment),
            pass_fds=self.descriptors,
            start_new_session=True,
            creationflags=NEW_GROUP,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - main thread, no locks
        )
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether no process runs, because none was started or it has ended."""
        return self.process is None or self.process.poll() is not None

    def keep(self, say: Callable[[str], None]) -> None:
        """Start it again when it has ended, after a while that grows if it keeps ending."""
        if not self.ended:
            return
        now = time.monotonic()
        if self._again_at is None:
            delay = self._back_off.after(now - self._started)
            self._again_at = now + delay
            self.end_rest()
            say(f"{self.name} ended ({self.why_ended()}); starting it again in {delay:g} s")
        elif now >= self._again_at:
            self.start()

    def ask_to_end(self) -> None:
        """SIGTERM, and the end of its input, which works on every system."""
        if self.process is not None and self.process.poll() is None:
            if os.name != "nt":
                self.process.terminate()
            if self.process.stdin is not None:
                with contextlib.suppress(OSError):
                    self.process.stdin.close()

    def end_rest(self) -> None:
        """Kill what is left of it: itself, and the children that it did not end."""
        if self.process is None:
            return
        if os.name != "nt":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def why_ended(self) -> str:
        """Its exit status in words."""
        status = self.process.returncode if self.process is not None else None
        if status is None or status >= 0:
            return f"exit status {status}"
        return f"killed by {signal.Signals(-status).name}"

    def _listen(self, output: IO[bytes]) -> None:
        with output:
            if output.readline() == READY:
                self.ready.set()

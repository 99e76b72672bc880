"""The parent's side of a model run: start the child, follow it, end it.

The parent imports no torch and trusts nothing that the child says: a run ends with two files
that are the objects that were asked for, or with a reason.
"""

import contextlib
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.inference.errors import Cancelled, ChildFailed
from hounsfield.inference.messages import (
    LARGEST_LINE,
    LOG_FILE,
    SEG_FILE,
    SR_FILE,
    ChildRequest,
    Message,
)
from hounsfield.inference.registry import EMBEDDED
from hounsfield.inference.spawn import Limits, Standby, resident_bytes
from hounsfield.inference.verdicts import killed, out_of_memory, too_slow, verified

__all__ = [
    "AnalysisRequest",
    "AnalysisResult",
    "Cancelled",
    "CannotAnalyse",
    "ChildFailed",
    "Limits",
    "Run",
    "Standby",
]

POLL_SECONDS = 0.25

OnProgress = Callable[[int, str], None]
IsCancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """One model on one series."""

    model: str
    instance_paths: tuple[str, ...]
    results: dict[str, Any]
    """What :func:`hounsfield.inference.uids.allocate_results` made for the job."""
    work_dir: Path
    """A folder of this run's own; it is created, and left to the caller to remove."""
    limits: Limits
    bundle_folders: tuple[Path, ...] = (EMBEDDED,)


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """Two files with the allocated UIDs in them, and what they say in short."""

    seg: Path
    sr: Path
    measurements: list[dict[str, Any]]
    notes: list[str]
    seconds: float


class Run:
    """A child at work. Start it and wait for it in the same thread: it ends with that thread.

    With a ``standby`` that was started with the same limits the imports are done already.
    """

    def __init__(self, request: AnalysisRequest, standby: Standby | None = None) -> None:
        self._request = request
        self._started = time.monotonic()
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        request.work_dir.mkdir(parents=True, exist_ok=True)
        self._standby = standby or Standby(request.work_dir, request.limits)
        self._standby.send(_for_child(request))
        threading.Thread(target=self._read, name="child's messages", daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the child, which leads its own process group."""
        return self._standby.child.pid

    def wait(
        self,
        on_progress: OnProgress = lambda _percent, _stage: None,
        is_cancelled: IsCancelled = lambda: False,
    ) -> AnalysisResult:
        """Follow the child to its end; whatever happens, it is gone when this returns.

        ``is_cancelled`` is asked about four times a second. Raises :class:`CannotAnalyse`,
        :class:`ChildFailed` or :class:`Cancelled`.
        """
        try:
            return self._result(self._follow(on_progress, is_cancelled))
        finally:
            self.kill()

    def kill(self) -> None:
        """End the child with all its threads and its own children."""
        self._standby.kill()

    def _read(self) -> None:
        """In a thread of its own: pipes cannot be polled on every system."""
        stdout = self._standby.child.stdout
        if stdout is not None:
            with contextlib.suppress(OSError, ValueError), stdout:
                while line := stdout.readline(LARGEST_LINE):
                    self._messages.put(Message.decode(line))
        self._messages.put(None)

    def _follow(self, on_progress: OnProgress, is_cancelled: IsCancelled) -> Message | None:
        """The child's last message; None where it ended, or talked nonsense, without one."""
        while True:
            self._check(is_cancelled)
            try:
                message = self._messages.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if message is None or message.kind != "progress":
                return message
            on_progress(message.data["percent"], message.data["stage"])

    def _check(self, is_cancelled: IsCancelled) -> None:
        if is_cancelled():
            raise Cancelled("The analysis was cancelled.")
        limits = self._request.limits
        if time.monotonic() - self._started > limits.seconds:
            raise too_slow(limits.seconds)
        if resident_bytes(self.pid) > limits.memory_bytes:
            raise out_of_memory(limits.memory_bytes)

    def _result(self, last: Message | None) -> AnalysisResult:
        memory_bytes, folder = self._request.limits.memory_bytes, self._request.work_dir
        if last is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._standby.child.wait(timeout=2)
            log = self._standby.work_dir / LOG_FILE
            raise killed(self._standby.child.poll(), log, memory_bytes)
        if last.kind == "refused":
            raise CannotAnalyse(last.data["reason"])
        if last.kind == "memory":
            raise out_of_memory(memory_bytes)
        if last.kind == "crash":
            raise ChildFailed(f"The model ended with an error ({last.data['reason']}).", "crash")
        seg, sr = folder / SEG_FILE, folder / SR_FILE
        measurements, notes = verified(last, seg, sr, self._request.results)
        return AnalysisResult(seg, sr, measurements, notes, time.monotonic() - self._started)


def _for_child(request: AnalysisRequest) -> ChildRequest:
    return ChildRequest(
        model=request.model,
        bundle_folders=[str(folder) for folder in request.bundle_folders],
        instance_paths=[str(path) for path in request.instance_paths],
        results=request.results,
        work_dir=str(request.work_dir),
    )

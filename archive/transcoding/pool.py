"""Worker processes for threads: few, limited in memory and time, kept for a while.

An image codec is C code that strangers feed: a worker that crashes, hangs or grows costs the
instance that it was fed with, and nothing else.
"""

import os
import select
import subprocess
import threading
import time

import orjson
import structlog

from hounsfield.archive.errors import OutOfResources, TransferSyntaxNotSupported
from hounsfield.archive.transcoding.process import FOLDER, command, environment
from hounsfield.archive.transcoding.protocol import (
    LENGTH,
    MAX_JSON,
    MAX_PAYLOAD,
    Arguments,
    Reply,
    pack,
)

log = structlog.get_logger()

SECONDS = 120.0
IDLE_SECONDS = 60.0
WAIT_SECONDS = 60.0
CHUNK = 1024 * 1024


class TranscodingPool:
    """Workers of one process."""

    def __init__(self, size: int | None = None) -> None:
        size = size or max(1, min(4, os.cpu_count() or 1))
        self._places = threading.Semaphore(size)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._timer: threading.Timer | None = None

    def run(self, task: str, arguments: Arguments) -> Reply:
        """Have a task done. Raises TransferSyntaxNotSupported where it cannot be."""
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise OutOfResources("too many objects are being made anew")
        try:
            worker = self._take() or _Worker()
            try:
                answer, payload = worker.ask({"task": task} | arguments, SECONDS)
            except (EOFError, OSError, ValueError) as error:
                worker.end()
                log.warning("transcoding.worker_died", task=task, reason=str(error))
                raise TransferSyntaxNotSupported("the object cannot be made anew") from error
            self._keep(worker)
        finally:
            self._places.release()
        if "refused" in answer:
            raise TransferSyntaxNotSupported(str(answer["refused"]))
        return Reply(answer, payload)

    def close(self) -> None:
        """End all workers that have nothing to do."""
        self._end_idle(0.0)

    def _take(self) -> "_Worker | None":
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _keep(self, worker: "_Worker") -> None:
        worker.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(worker)
            self._watch()

    def _watch(self) -> None:
        """Look again when the one that was used last has been idle for long enough."""
        if self._timer is None and self._idle:
            self._timer = threading.Timer(IDLE_SECONDS, self._look)
            self._timer.daemon = True
            self._timer.start()

    def _look(self) -> None:
        self._end_idle(IDLE_SECONDS / 2)
        with self._lock:
            self._timer = None
            self._watch()

    def _end_idle(self, seconds: float) -> None:
        since = time.monotonic() - seconds
        with self._lock:
            ended = [worker for worker in self._idle if worker.idle_since <= since]
            self._idle = [worker for worker in self._idle if worker.idle_since > since]
            if not self._idle and self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for worker in ended:
            worker.end()


class _Worker:
    """One child process, doing one task at a time."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._process = subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=FOLDER,
            env=environment(),
            bufsize=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101
        self._questions = self._process.stdin
        self._answers = self._process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN)

    def ask(self, message: Arguments, seconds: float) -> tuple[Arguments, bytes]:
        """One question, one answer. Raises EOFError, OSError or TimeoutError where none comes."""
        deadline = time.monotonic() + seconds
        self._questions.write(pack(message))
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        if length > MAX_JSON:
            raise EOFError("an answer without an end")
        answer: Arguments = orjson.loads(self._read(length, deadline))
        size = answer.get("size", 0)
        if not isinstance(size, int) or not 0 <= size <= MAX_PAYLOAD:
            raise EOFError("a payload of no size")
        return answer, bytes(self._read(size, deadline))

    def _read(self, size: int, deadline: float) -> bytearray:
        data = bytearray()
        while len(data) < size:
            if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError("a worker that takes too long")
            chunk = os.read(self._answers, min(CHUNK, size - len(data)))
            if not chunk:
                raise EOFError("a worker that has died")
            data += chunk
        return data

    def end(self) -> None:
        """Kill the child and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._questions.close()
        if self._process.stdout is not None:
            self._process.stdout.close()

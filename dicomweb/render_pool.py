"""Worker processes for decoding and rendering: few, limited in memory and time, made when needed.

Image codecs are C code fed by strangers. A worker that crashes, hangs or grows costs the request
that fed it, and nothing else: it is killed, and the next request gets a new one.
"""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

import orjson
import structlog

from hounsfield.archive.errors import OutOfResources
from hounsfield.archive.transcoding.process import FOLDER, command, environment
from hounsfield.archive.transcoding.protocol import (
    LENGTH,
    MAX_JSON,
    MAX_PAYLOAD,
    Arguments,
    Reply,
    pack,
)
from hounsfield.dicomweb.problems import CannotRender

log = structlog.get_logger()

SECONDS = 20.0
IDLE_SECONDS = 60.0
MAX_WAITING = 64
MODULE = "hounsfield.dicomweb.rendering.worker"


class RenderPool:
    """Workers of one server process."""

    def __init__(self, size: int | None = None, seconds: float = SECONDS) -> None:
        self._size = size or max(1, min(4, os.cpu_count() or 1))
        self._seconds = seconds
        self._idle: list[_Worker] = []
        self._running = 0
        self._waiting = 0
        self._free: asyncio.Semaphore | None = None

    async def run(self, task: str, arguments: Arguments, seconds: float | None = None) -> Reply:
        """Have a task done. Raises CannotRender, or OutOfResources where too many wait."""
        if self._free is None:
            self._free = asyncio.Semaphore(self._size)
        if self._waiting >= MAX_WAITING:
            raise OutOfResources("too many images are being rendered")
        self._waiting += 1
        try:
            async with self._free:
                return await self._run(task, arguments, seconds or self._seconds)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End all workers that have nothing to do."""
        while self._idle:
            await self._idle.pop().end()

    async def _run(self, task: str, arguments: Arguments, seconds: float) -> Reply:
        worker = self._idle.pop() if self._idle else await _Worker.start()
        worker.stop_retiring()
        try:
            async with asyncio.timeout(seconds):
                answer, payload = await worker.ask({"task": task} | arguments)
        except BaseException as error:
            await worker.end()
            if isinstance(error, TimeoutError):
                raise CannotRender("the image takes too long to decode") from error
            if isinstance(error, EOFError | OSError | ValueError):
                log.warning("render.worker_died", task=task)
                raise CannotRender("the image cannot be decoded") from error
            raise
        self._idle.append(worker)
        worker.retire_later(self._idle)
        if "refused" in answer:
            raise CannotRender(str(answer["refused"]))
        return Reply(answer, payload)


class _Worker:
    """One child process, doing one task at a time."""

    def __init__(
        self, process: Process, questions: asyncio.StreamWriter, answers: asyncio.StreamReader
    ) -> None:
        self._process = process
        self._questions = questions
        self._answers = answers
        self._retiring: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls) -> "_Worker":
        """Start a child that knows no secret of ours and whose folder is not ours."""
        process = await asyncio.create_subprocess_exec(
            *command(MODULE),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            cwd=FOLDER,
            env=environment(),
            limit=MAX_JSON,
        )
        if process.stdin is None or process.stdout is None:
            raise OSError("a worker without pipes")
        return cls(process, process.stdin, process.stdout)

    async def ask(self, message: Arguments) -> tuple[Arguments, bytes]:
        """One question, one answer. Raises EOFError or OSError where the child is gone."""
        self._questions.write(pack(message))
        await self._questions.drain()
        read = self._answers.readexactly
        length = LENGTH.unpack(await read(LENGTH.size))[0]
        if length > MAX_JSON:
            raise EOFError
        answer: Arguments = orjson.loads(await read(length))
        size = answer.get("size", 0)
        if not isinstance(size, int) or not 0 <= size <= MAX_PAYLOAD:
            raise EOFError
        return answer, await read(size)

    def retire_later(self, idle: "list[_Worker]") -> None:
        """End the child when it has had nothing to do for a while."""

        async def retire() -> None:
            await asyncio.sleep(IDLE_SECONDS)
            idle.remove(self)
            self._retiring = None
            await self.end()

        self._retiring = asyncio.create_task(retire())

    def stop_retiring(self) -> None:
        """There is work again."""
        if self._retiring is not None:
            self._retiring.cancel()
            self._retiring = None

    async def end(self) -> None:
        """Kill the child and wait until it is gone."""
        self.stop_retiring()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

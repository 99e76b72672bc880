"""Stores that wait for their answer, each of which is answered once, whoever is first to know.

Usually that is the committer. Where the database has stopped in the middle of a call, neither
answering nor hanging up, the committer cannot say so: :class:`HangWatch` does.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import structlog

from hounsfield.archive.errors import Unavailable
from hounsfield.archive.prepared import Prepared
from hounsfield.archive.types import StoreResult

log = structlog.get_logger()

HANG_SECONDS = 15.0
LOOK_SECONDS = 1.0


class Waiting:
    """An instance on its way into the index, and the future that its sender waits on."""

    __slots__ = ("_lock", "future", "item")

    def __init__(self, item: Prepared) -> None:
        self.item = item
        self.future: Future[StoreResult] = Future()
        # A waiter that is cancelled must not cancel the commit that others share with it.
        self.future.set_running_or_notify_cancel()
        self._lock = threading.Lock()

    def succeed(self, result: StoreResult) -> None:
        """Answer with a result."""
        with self._lock:
            if not self.future.done():
                self.future.set_result(result)

    def fail(self, error: BaseException, *, keep_object: bool = False) -> None:
        """Answer with an error. The object stays where a commit may have named it after all."""
        with self._lock:
            if not keep_object:
                _remove(self.item)
            if not self.future.done():
                self.future.set_exception(error)


class HangWatch:
    """Fails the stores behind a call to the database that does not come back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, Waiting] = {}
        self._called_at: float | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="committer-watch", daemon=True).start()

    def add(self, waiting: Waiting) -> None:
        """Look after a store until its future is done."""
        with self._lock:
            self._waiting[id(waiting)] = waiting
        waiting.future.add_done_callback(lambda _: self._forget(waiting))

    @contextmanager
    def calling(self) -> Iterator[None]:
        """While the block runs, the database has been asked and has not answered."""
        self._called_at = time.monotonic()
        try:
            yield
        finally:
            self._called_at = None

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()

    def _forget(self, waiting: Waiting) -> None:
        with self._lock:
            self._waiting.pop(id(waiting), None)

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            called_at = self._called_at
            if called_at is not None and time.monotonic() - called_at > HANG_SECONDS:
                self._fail_all()

    def _fail_all(self) -> None:
        with self._lock:
            waiting = list(self._waiting.values())
        if waiting:
            log.warning("store.database_hangs", stores=len(waiting))
        for one in waiting:
            one.fail(Unavailable("the database does not answer"), keep_object=True)


def _remove(item: Prepared) -> None:
    try:
        item.writer.abort()
    except OSError:
        log.warning("store.object_not_removed", key=item.writer.key, exc_info=True)

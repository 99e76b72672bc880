"""Concurrent stores share one folder sync and one commit.

A store's future is done once its object and its rows are on stable storage. A value that
PostgreSQL refuses fails its own instance alone: the batch is halved until it is found.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from hounsfield.archive.duplicates import settle_duplicate
from hounsfield.archive.errors import CannotUnderstand, HounsfieldError, Unavailable
from hounsfield.archive.objects.port import ObjectStore
from hounsfield.archive.placement import Placement
from hounsfield.archive.prepared import Prepared
from hounsfield.archive.types import Outcome, StoreResult
from hounsfield.db.engine import Database, is_connection_loss

log = structlog.get_logger()

MAX_BATCH = 256
SYNC_THREADS = 4
PATIENCE_SECONDS = 5.0
RETRY_SECONDS = 0.2


@dataclass(slots=True)
class _Waiting:
    item: Prepared
    future: Future[StoreResult]


class Committer:
    """The thread of a process that commits its stores."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects
        self._placement = Placement(database)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._sync_pool = ThreadPoolExecutor(SYNC_THREADS, thread_name_prefix="sync")
        self._brought: dict[str, set[int]] = defaultdict(set)
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def submit(self, item: Prepared) -> Future[StoreResult]:
        """Queue an instance for the next commit."""
        waiting = _Waiting(item, Future())
        self._queue.put(waiting)
        return waiting.future

    def series_of(self, association_id: str) -> set[int]:
        """Keys of the series that an association brought; forgotten once asked for."""
        return self._brought.pop(association_id, set())

    def close(self) -> None:
        """Commit what is queued, then end the thread."""
        self._queue.put(None)
        self._thread.join()
        self._sync_pool.shutdown()

    def _run(self) -> None:
        while True:
            batch, last = self._next_batch()
            if batch:
                self._commit(batch)
            if last:
                return

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        batch: list[_Waiting] = []
        waiting = self._queue.get()
        while waiting is not None:
            batch.append(waiting)
            if len(batch) == MAX_BATCH:
                return batch, False
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Waiting]) -> None:
        durable = self._make_durable(batch)
        if not durable:
            return
        try:
            self._objects.sync_folders(waiting.item.writer.key for waiting in durable)
        except HounsfieldError as error:
            for waiting in durable:
                _fail(waiting, error)
            return
        self._store(durable)

    def _make_durable(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Sync the objects that nobody has synced yet, side by side."""
        late = [waiting for waiting in batch if not waiting.item.on_stable_storage]
        syncs = [(waiting, self._sync_pool.submit(waiting.item.make_durable)) for waiting in late]
        failed = set()
        for waiting, sync in syncs:
            error = sync.exception()
            if error is not None:
                _fail(waiting, error)
                failed.add(id(waiting))
        return [waiting for waiting in batch if id(waiting) not in failed]

    def _store(self, batch: list[_Waiting]) -> None:
        try:
            stored = self._store_with_patience([waiting.item for waiting in batch])
        except Exception as error:
            self._store_halves(batch, error)
            return
        for waiting in batch:
            if waiting.item.writer.key in stored:
                self._remember_bringer(waiting.item)
                waiting.future.set_result(waiting.item.result(Outcome.STORED))
            else:
                self._store_duplicate(waiting)

    def _remember_bringer(self, item: Prepared) -> None:
        if item.association_id:
            self._brought[item.association_id].add(item.series_pk)

    def _store_with_patience(self, items: Sequence[Prepared]) -> set[str]:
        """Try again over a lost connection: rows that are there already count as stored."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._placement.store(items)
            except DBAPIError as error:
                if not is_connection_loss(error):
                    raise
                if time.monotonic() > deadline:
                    raise Unavailable("the database does not answer") from error
                time.sleep(RETRY_SECONDS)

    def _store_halves(self, batch: list[_Waiting], error: Exception) -> None:
        if isinstance(error, HounsfieldError):
            for waiting in batch:
                _fail(waiting, error, keep_object=isinstance(error, Unavailable))
        elif len(batch) > 1:
            middle = len(batch) // 2
            self._store(batch[:middle])
            self._store(batch[middle:])
        else:
            log.warning("store.refused_by_index", error=type(error).__name__)
            refusal = CannotUnderstand("a value of the data set cannot be indexed")
            refusal.__cause__ = error
            _fail(batch[0], refusal)

    def _store_duplicate(self, waiting: _Waiting) -> None:
        try:
            result = settle_duplicate(self._database, self._objects, waiting.item)
        except HounsfieldError as error:
            _fail(waiting, error)
        except Exception as error:
            log.exception("store.duplicate_failed")
            refusal = Unavailable("the database does not answer")
            refusal.__cause__ = error
            _fail(waiting, refusal, keep_object=True)
        else:
            waiting.future.set_result(result)


def _fail(waiting: _Waiting, error: BaseException, *, keep_object: bool = False) -> None:
    """Answer with an error. The object stays where a commit may have named it after all."""
    if not keep_object:
        waiting.item.writer.abort()
    waiting.future.set_exception(error)

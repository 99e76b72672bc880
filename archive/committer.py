"""Concurrent stores share one folder sync and one commit; a store that is alone makes its own.

A store's future is done once its object and its rows are on stable storage. A value that
PostgreSQL refuses fails its own instance alone: the batch is halved until it is found.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import structlog
from sqlalchemy.exc import DBAPIError

from hounsfield.archive.duplicates import settle_duplicate
from hounsfield.archive.errors import (
    CannotUnderstand,
    HounsfieldError,
    OutOfResources,
    Unavailable,
)
from hounsfield.archive.objects.port import ObjectStore
from hounsfield.archive.placement import Placement
from hounsfield.archive.prepared import Prepared
from hounsfield.archive.types import Outcome, StoreResult
from hounsfield.archive.waiting import HangWatch, Waiting
from hounsfield.db.engine import (
    Database,
    is_connection_loss,
    is_no_answer,
    is_out_of_space,
    is_server_state,
)

log = structlog.get_logger()

MAX_BATCH = 64
SYNC_THREADS = 4
PATIENCE_SECONDS = 5.0
RETRY_SECONDS = 0.2


class Committer:
    """Commits the stores of a process, in a thread of its own or in the sender's."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects
        self._placement = Placement(database)
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._sync_pool = ThreadPoolExecutor(SYNC_THREADS, thread_name_prefix="sync")
        self._brought: dict[str, set[int]] = defaultdict(set)
        self._watch = HangWatch()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def submit(self, item: Prepared) -> Future[StoreResult]:
        """Queue an instance for the next commit."""
        waiting = Waiting(item)
        self._watch.add(waiting)
        self._queue.put(waiting)
        return waiting.future

    def commit(self, item: Prepared) -> StoreResult:
        """Commit an instance and wait for it.

        Where nobody else commits and nothing is unusual, this thread does it: to hand an instance
        to another thread and to be woken by it takes as long as PostgreSQL takes to insert it.
        """
        try:
            result = self._commit_here(item)
            if result is not None:
                return result
            item.make_durable()
        except BaseException:
            if not item.tried:
                item.writer.abort()
            raise
        return self.submit(item).result()

    def _commit_here(self, item: Prepared) -> StoreResult | None:
        """None where it is not so simple: the committer's thread knows what to do then."""
        if not self._turn.acquire(blocking=False):
            return None
        try:
            if not self._placement.is_usual([item.row]):
                return None
            with self._watch.calling():
                stored = self._placement.insert_usual([item.row], partial(self._sync, item))
        except HounsfieldError:
            raise  # of the object, and PostgreSQL has undone the row
        except Exception as error:
            item.tried = True
            if is_no_answer(error):
                raise Unavailable("the database does not answer") from error
            return None
        else:
            if not stored:
                return None
            self._remember_bringer(item)
            return item.result(Outcome.STORED)
        finally:
            self._turn.release()

    def _sync(self, item: Prepared) -> None:
        """Before the row is committed: the object's bytes, and then its name."""
        item.make_durable()
        self._objects.sync_folders([item.writer.key])

    def series_of(self, association_id: str) -> set[int]:
        """Keys of the series that an association brought; forgotten once asked for."""
        return self._brought.pop(association_id, set())

    def close(self) -> None:
        """Commit what is queued, then end the thread."""
        self._queue.put(None)
        self._thread.join()
        self._watch.end()
        self._sync_pool.shutdown()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            with self._turn:
                batch, last = self._next_batch(first)
                try:
                    self._commit(batch)
                except Exception as error:
                    # The thread must outlive whatever happens: every later store waits on it.
                    log.exception("store.commit_failed")
                    _refuse(batch, error)
            if last:
                return

    def _next_batch(self, waiting: Waiting | None) -> tuple[list[Waiting], bool]:
        """All that has been queued by now, and whether it is the last."""
        batch: list[Waiting] = []
        while waiting is not None:
            batch.append(waiting)
            if len(batch) == MAX_BATCH:
                return batch, False
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[Waiting]) -> None:
        durable = self._make_durable(batch)
        if not durable:
            return
        try:
            self._objects.sync_folders(waiting.item.writer.key for waiting in durable)
        except HounsfieldError as error:
            for waiting in durable:
                waiting.fail(error)
            return
        self._store(durable)

    def _make_durable(self, batch: list[Waiting]) -> list[Waiting]:
        """Sync the objects that nobody has synced yet, side by side."""
        late = [waiting for waiting in batch if not waiting.item.on_stable_storage]
        if len(late) == 1:
            return self._make_one_durable(batch, late[0])
        syncs = [(waiting, self._sync_pool.submit(waiting.item.make_durable)) for waiting in late]
        failed = set()
        for waiting, sync in syncs:
            error = sync.exception()
            if error is not None:
                waiting.fail(error)
                failed.add(id(waiting))
        return [waiting for waiting in batch if id(waiting) not in failed]

    def _make_one_durable(self, batch: list[Waiting], late: Waiting) -> list[Waiting]:
        """In this thread: handing one sync to another thread takes longer than to do it."""
        try:
            late.item.make_durable()
        except Exception as error:
            late.fail(error)
            return [waiting for waiting in batch if waiting is not late]
        return batch

    def _store(self, batch: list[Waiting]) -> None:
        try:
            stored = self._store_with_patience([waiting.item for waiting in batch])
        except Exception as error:
            self._store_halves(batch, error)
            return
        for waiting in batch:
            if waiting.item.writer.key in stored:
                self._remember_bringer(waiting.item)
                waiting.succeed(waiting.item.result(Outcome.STORED))
            else:
                self._store_duplicate(waiting)

    def _remember_bringer(self, item: Prepared) -> None:
        if item.association_id:
            self._brought[item.association_id].add(item.series_pk)

    def _store_with_patience(self, items: Sequence[Prepared]) -> set[str]:
        """Try again over a lost connection: rows that are there already count as stored."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        again = any(item.tried for item in items)
        while True:
            try:
                with self._watch.calling():
                    return self._placement.store(items, again=again)
            except DBAPIError as error:
                again = True
                if not is_connection_loss(error):
                    raise
                if time.monotonic() > deadline:
                    raise Unavailable("the database does not answer") from error
                time.sleep(RETRY_SECONDS)

    def _store_halves(self, batch: list[Waiting], error: Exception) -> None:
        """Where it was a value that was refused, find it: the others are stored."""
        if isinstance(error, HounsfieldError) or is_server_state(error):
            _refuse(batch, error)
        elif len(batch) > 1:
            middle = len(batch) // 2
            self._store(batch[:middle])
            self._store(batch[middle:])
        else:
            log.warning("store.refused_by_index", error=type(error).__name__)
            refusal = CannotUnderstand("a value of the data set cannot be indexed")
            refusal.__cause__ = error
            batch[0].fail(refusal)

    def _store_duplicate(self, waiting: Waiting) -> None:
        try:
            with self._watch.calling():
                result = settle_duplicate(self._database, self._objects, waiting.item)
        except Exception as error:
            _refuse([waiting], error)
        else:
            waiting.succeed(result)


def _refuse(batch: Sequence[Waiting], error: Exception) -> None:
    """Answer all with what went wrong on our side; one that knows its answer keeps it."""
    refusal: HounsfieldError
    if isinstance(error, HounsfieldError):
        refusal = error
    elif is_out_of_space(error):
        refusal = OutOfResources("no space left for the database")
    else:
        log.warning("store.database_failed", exc_info=error)
        refusal = Unavailable("the database does not answer")
    refusal.__cause__ = refusal.__cause__ or (None if refusal is error else error)
    for waiting in batch:
        waiting.fail(refusal, keep_object=isinstance(refusal, Unavailable))

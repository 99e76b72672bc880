"""Reads for threads, of what a client waits for: C-FIND, and where the instances of a C-MOVE lie.

The statements are those of the event loop's reader (:mod:`hounsfield.db.reader`), and so are the
coroutines that ask them: here each answer is there when ``fetch`` returns, so that such a coroutine
runs to its end without an event loop (:func:`run`). Connections are few and are kept.
"""

import threading
import time
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.conninfo import conninfo_to_dict

from hounsfield.db.reader import (
    CHECKOUT_SECONDS,
    GRACE_SECONDS,
    MOST_PREPARED,
    Rows,
    Values,
    numbered,
)
from hounsfield.db.writer import LibpqConnection

T = TypeVar("T")


class BlockingReader:
    """A pool of connections for the threads of a process. Connects when it is first asked."""

    def __init__(self, url: str, size: int, timeout_seconds: float) -> None:
        self._url = url
        self._timeout = timeout_seconds
        self._idle: list[_Connection] = []
        self._places = threading.Semaphore(size)
        self._closed = False

    async def fetch(self, statement: str, values: Values = ()) -> Rows:
        """The rows of a statement with ``%s`` for each value. Raises psycopg.Error."""
        if not self._places.acquire(timeout=CHECKOUT_SECONDS):
            raise psycopg.OperationalError("no connection became free in time")
        try:
            return self._fetch(_numbered(statement), values)
        finally:
            self._places.release()

    def _fetch(self, statement: str, values: Values) -> Rows:
        while (connection := self._take()) is not None:
            try:
                return self._fetch_on(connection, statement, values)
            except psycopg.OperationalError:
                if not connection.is_lost:
                    raise
                # Lost since it was used: the server may be back by now.
        return self._fetch_on(self._connect(), statement, values)

    def _fetch_on(self, connection: "_Connection", statement: str, values: Values) -> Rows:
        try:
            return connection.read(statement, values, self._timeout + GRACE_SECONDS)
        finally:
            if connection.is_open and not self._closed:
                self._idle.append(connection)
            else:
                connection.close()

    def _take(self) -> "_Connection | None":
        """The one that was used last: its plans and pages are warm."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connect(self) -> "_Connection":
        options = conninfo_to_dict(self._url).get("options") or ""
        limit = f"{options} -c statement_timeout={int(self._timeout * 1000)}"
        return _Connection(self._url, limit)

    def close(self) -> None:
        """Close every connection; those at work close when they come back."""
        self._closed = True
        while (connection := self._take()) is not None:
            connection.close()


class _Connection(LibpqConnection):
    """One that reads values of any type."""

    @property
    def is_lost(self) -> bool:
        """The server has hung up."""
        return self._libpq.status != pq.ConnStatus.OK

    def read(self, statement: str, values: Values, seconds: float) -> Rows:
        """Run a statement."""
        deadline = time.monotonic() + seconds
        transformer = Transformer(self._connection)
        # As text and untyped: PostgreSQL knows what each place in the statement takes.
        written = transformer.dump_sequence(values, [PyFormat.TEXT] * len(values))
        if statement in self._prepared or len(self._prepared) < MOST_PREPARED:
            name = self._prepare(statement, deadline)
            self._libpq.send_query_prepared(name, written, result_format=pq.Format.BINARY)
        else:
            text = statement.encode()
            self._libpq.send_query_params(text, written, result_format=pq.Format.BINARY)
        result = self._result(deadline)
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing but a :class:`BlockingReader`."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("it waits for something that needs an event loop")


@lru_cache(maxsize=MOST_PREPARED)
def _numbered(statement: str) -> str:
    return numbered(statement).decode()

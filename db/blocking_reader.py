"""Reads for threads, of what a client waits for: C-FIND, and where the instances of a C-MOVE lie.

The statements are those of the event loop's reader (:mod:`hounsfield.db.reader`), and so are the
coroutines that ask them: here each answer is there when ``fetch`` returns, so that such a coroutine
runs to its end without an event loop (:func:`run`). Connections are few and are kept; a
statement is prepared once in each.
"""

import threading
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from hounsfield.db.reader import (
    CHECKOUT_SECONDS,
    CONNECT_SECONDS,
    MOST_PREPARED,
    Rows,
    Values,
    numbered,
)

T = TypeVar("T")


class BlockingReader:
    """A pool of connections for the threads of a process. Connects when it is first asked."""

    def __init__(self, url: str, size: int, timeout_seconds: float) -> None:
        self._url = url
        self._timeout = timeout_seconds
        self._idle: list[psycopg.Connection[tuple[Any, ...]]] = []
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

    def _fetch(self, statement: bytes, values: Values) -> Rows:
        while self._idle:
            # The one that was used last: its plans and pages are warm.
            connection = self._idle.pop()
            try:
                return self._fetch_on(connection, statement, values)
            except psycopg.OperationalError:
                if not connection.closed:
                    raise
                # Lost since it was used: the server may be back by now.
        return self._fetch_on(self._connect(), statement, values)

    def _fetch_on(
        self, connection: psycopg.Connection[tuple[Any, ...]], statement: bytes, values: Values
    ) -> Rows:
        try:
            with psycopg.RawCursor(connection) as cursor:
                return cursor.execute(statement, values, prepare=True, binary=True).fetchall()
        finally:
            if self._closed:
                connection.close()
            elif not connection.closed:
                self._idle.append(connection)

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        options = conninfo_to_dict(self._url).get("options") or ""
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            options=f"{options} -c statement_timeout={int(self._timeout * 1000)}",
        )
        connection.prepared_max = MOST_PREPARED
        return connection

    def close(self) -> None:
        """Close every connection; those at work close when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


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
def _numbered(statement: str) -> bytes:
    return numbered(statement)

"""Writes of the hot path, for threads: one statement that is a transaction by itself.

An INSERT takes PostgreSQL a fifth of a millisecond; SQLAlchemy's pool and psycopg's cursor take as
much again. So libpq is driven here without them, as in :mod:`hounsfield.db.reader`. What a
thread waits for has an end: a server that has stopped answering is let go of, and the answer is an
error in time, whatever TCP believes.
"""

import selectors
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result

Values = Sequence[str | bytes | None]
Rows = list[tuple[str, ...]]

CONNECT_SECONDS = 5
MOST_IDLE = 4

_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
"""One that takes any number of descriptors, where there is one, and holds none itself."""


class NoAnswer(psycopg.OperationalError):
    """The server was asked and has neither answered nor hung up. It may do the work yet."""


class Writer:
    """Connections for one statement at a time. Any thread may use it."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._url = url
        self._timeout = timeout_seconds
        self._idle: list[LibpqConnection] = []

    def fetch(
        self, statement: str, values: Values, before_commit: Callable[[], None] | None = None
    ) -> Rows:
        """The rows, as text, of a statement with ``$1``, ``$2``, … for its values.

        Text values go as text and bytes as ``bytea``. ``before_commit`` runs while the server
        executes the statement, and the server does not commit before it has returned; what it
        raises undoes the statement. Raises psycopg.Error; NoAnswer is one.
        """
        connection = self._take() or LibpqConnection(self._url)
        try:
            if before_commit is None:
                rows = connection.fetch(statement, values, self._timeout)
            else:
                rows = connection.fetch_after(before_commit, statement, values, self._timeout)
        finally:
            if connection.is_open and len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
            else:
                connection.close()
        return rows

    def _take(self) -> "LibpqConnection | None":
        """The one that was used last, its plans and pages are warm."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                return None
            if connection.is_open:
                return connection
        return None

    def close(self) -> None:
        """Close what is idle; what is at work is closed when it comes back too late."""
        while self._idle:
            self._idle.pop().close()


class LibpqConnection:
    """One connection of libpq, and the names under which its statements are prepared."""

    def __init__(self, url: str, options: str | None = None) -> None:
        # Kept, for what psycopg collects it closes.
        self._connection: psycopg.Connection[Any] = psycopg.connect(
            url, autocommit=True, connect_timeout=CONNECT_SECONDS, options=options
        )
        self._libpq = self._connection.pgconn
        self._libpq.nonblocking = 1
        self._selector = _Selector()
        self._selector.register(self._libpq.socket, selectors.EVENT_READ)
        self._prepared: dict[str, bytes] = {}

    @property
    def is_open(self) -> bool:
        """Nothing has been lost, and nothing is on its way."""
        return self._libpq.status == pq.ConnStatus.OK and (
            self._libpq.transaction_status == pq.TransactionStatus.IDLE
        )

    def close(self) -> None:
        """Let go of it, whatever is on its way."""
        self._selector.close()
        self._connection.close()

    def fetch(self, statement: str, values: Values, seconds: float) -> Rows:
        """Run a statement; what fails half-way leaves a connection that is not open."""
        deadline = time.monotonic() + seconds
        self._send(self._prepare(statement, deadline), values)
        return _rows(self._result(deadline))

    def fetch_after(
        self, before_commit: Callable[[], None], statement: str, values: Values, seconds: float
    ) -> Rows:
        """Run a statement, and ``before_commit`` meanwhile; only then is it committed.

        In a pipeline the server commits when it is sent the Sync (PostgreSQL 55.2.4). A connection
        that is closed before has done nothing.
        """
        deadline = time.monotonic() + seconds
        name = self._prepare(statement, deadline)
        self._libpq.enter_pipeline_mode()
        self._send(name, values)
        self._libpq.send_flush_request()
        self._flush(deadline)
        try:
            before_commit()
        except BaseException:
            self._libpq.finish()
            raise
        self._libpq.pipeline_sync()
        return _rows(self._pipelined_result(deadline))

    def _send(self, name: bytes, values: Values) -> None:
        self._libpq.send_query_prepared(
            name,
            [_as_text(value) if isinstance(value, str) else value for value in values],
            [pq.Format.BINARY if isinstance(value, bytes) else pq.Format.TEXT for value in values],
        )

    def _prepare(self, statement: str, deadline: float) -> bytes:
        """The name of a statement, which PostgreSQL plans once."""
        name = self._prepared.get(statement)
        if name is None:
            name = b"once%d" % len(self._prepared)
            self._libpq.send_prepare(name, statement.encode())
            self._result(deadline)
            self._prepared[statement] = name
        return name

    def _result(self, deadline: float) -> pq.abc.PGresult:
        """The last result of what was sent."""
        self._flush(deadline)
        result = None
        while (following := self._next_result(deadline)) is not None:
            result = following
        return _checked(result)

    def _pipelined_result(self, deadline: float) -> pq.abc.PGresult:
        """The result of a pipeline of one statement, which has failed if its commit has."""
        self._flush(deadline)
        result = failure = None
        while True:
            following = self._next_result(deadline)
            if following is None:
                if self._libpq.status != pq.ConnStatus.OK:
                    break
            elif following.status == pq.ExecStatus.PIPELINE_SYNC:
                break
            elif following.status == pq.ExecStatus.FATAL_ERROR:
                failure = failure or following
            else:
                result = following
        self._libpq.exit_pipeline_mode()
        return _checked(failure or result)

    def _next_result(self, deadline: float) -> pq.abc.PGresult | None:
        while self._libpq.is_busy():
            self._wait(selectors.EVENT_READ, deadline)
            self._libpq.consume_input()
        return self._libpq.get_result()

    def _flush(self, deadline: float) -> None:
        while self._libpq.flush():
            self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE, deadline)
            self._libpq.consume_input()

    def _wait(self, what: int, deadline: float) -> None:
        self._selector.modify(self._libpq.socket, what)
        if not self._selector.select(max(0.0, deadline - time.monotonic())):
            raise NoAnswer("the database does not answer")


def _checked(result: pq.abc.PGresult | None) -> pq.abc.PGresult:
    if result is None:
        raise psycopg.OperationalError("the connection was lost")
    if result.status == pq.ExecStatus.FATAL_ERROR:
        raise error_from_result(result)
    return result


def _rows(result: pq.abc.PGresult) -> Rows:
    columns = range(result.nfields)
    return [
        tuple((result.get_value(row, column) or b"").decode() for column in columns)
        for row in range(result.ntuples)
    ]


def _as_text(value: str) -> bytes:
    """libpq takes text up to its first NUL: what stands behind it must not be lost in silence."""
    written = value.encode()
    if b"\0" in written:
        raise psycopg.errors.CharacterNotInRepertoire("a text with a NUL character")
    return written

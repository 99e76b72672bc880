"""Reads on the event loop, for what a client waits for: searches, metadata, where a frame lies.

PostgreSQL finds a study in a third of a millisecond, and the cursor of an asynchronous driver
behind a pool costs as much again, mostly in waiting. So libpq is driven without one: the event
loop watches each connection's socket for as long as it lives, which also tells at once when the
server has gone. psycopg connects, adapts the values, and names the errors.

Statements stand for themselves (autocommit) under a limit of time that PostgreSQL keeps. Should
it not even answer that, the connection is dropped.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import psycopg
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import PyFormat, Transformer
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import error_from_result

Values = Sequence[str | int | list[str] | list[int]]
Rows = list[tuple[Any, ...]]

CONNECT_SECONDS = 5
CHECKOUT_SECONDS = 5.0
GRACE_SECONDS = 2.0
MOST_PREPARED = 256
LOST = "the database does not answer"


class Fetching(Protocol):
    """Something that runs statements."""

    async def fetch(self, statement: str, values: Values = ()) -> Rows:
        """The rows of a statement with ``%s`` for each value. Raises psycopg.Error."""


class Reader:
    """A pool of connections for one event loop. Connects when it is first asked."""

    def __init__(self, url: str, size: int, timeout_seconds: float) -> None:
        self._url = url
        self._timeout = timeout_seconds
        self._idle: list[_Connection] = []
        self._places = asyncio.Semaphore(size)
        self._closed = False

    async def fetch(self, statement: str, values: Values = ()) -> Rows:
        """The rows of a statement with ``%s`` for each value. Raises psycopg.Error."""
        await self._wait_for_a_place()
        try:
            connection = self._take() or await self._connect()
            try:
                return await connection.fetch(statement, values, self._timeout + GRACE_SECONDS)
            finally:
                if self._closed:
                    connection.close()
                elif connection.is_idle:
                    self._idle.append(connection)
        finally:
            self._places.release()

    async def _wait_for_a_place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(CHECKOUT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise psycopg.OperationalError("no connection became free in time") from None

    def _take(self) -> "_Connection | None":
        """The one that was used last: its plans and pages are warm. Lost ones are left out."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_idle:
                return connection
        return None

    async def _connect(self) -> "_Connection":
        options = conninfo_to_dict(self._url).get("options") or ""
        made = await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            options=f"{options} -c statement_timeout={int(self._timeout * 1000)}",
        )
        return _Connection(made)

    def close(self) -> None:
        """Close every connection; those at work close when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


class _Connection:
    """One connection of libpq, watched by the event loop."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._socket = self._libpq.socket
        self._loop = asyncio.get_running_loop()
        self._prepared: dict[str, bytes] = {}
        self._results: list[pq.abc.PGresult] = []
        self._answer: asyncio.Future[pq.abc.PGresult] | None = None
        self._closed = False
        self._loop.add_reader(self._socket, self._readable)

    @property
    def is_idle(self) -> bool:
        """Ready for a statement: open, and with nothing on its way."""
        return not self._closed and self._answer is None

    async def fetch(self, statement: str, values: Values, seconds: float) -> Rows:
        """Run one statement. What ends it early, cancellation too, ends the connection."""
        transformer = Transformer(self._connection)
        # As text and untyped: PostgreSQL knows what each place in the statement takes.
        written = transformer.dump_sequence(values, [PyFormat.TEXT] * len(values))
        timer = self._loop.call_later(seconds, self._lose, psycopg.OperationalError(LOST))
        try:
            result = await self._execute(statement, written)
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            timer.cancel()
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    async def _execute(self, statement: str, values: Sequence[Buffer | None]) -> pq.abc.PGresult:
        name = self._prepared.get(statement)
        if name is None:
            text = numbered(statement)
            if len(self._prepared) >= MOST_PREPARED:
                self._libpq.send_query_params(text, values, result_format=pq.Format.BINARY)
                return await self._next_result()
            name = b"read%d" % len(self._prepared)
            self._libpq.send_prepare(name, text)
            await self._next_result()
            self._prepared[statement] = name
        self._libpq.send_query_prepared(name, values, result_format=pq.Format.BINARY)
        return await self._next_result()

    async def _next_result(self) -> pq.abc.PGresult:
        self._answer = self._loop.create_future()
        self._flush()
        result = await self._answer
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise error_from_result(result)
        return result

    def _flush(self) -> None:
        """Send what is not sent yet; a long statement may not fit into the socket at once."""
        try:
            if self._libpq.flush() == 0:
                self._loop.remove_writer(self._socket)
            else:
                self._loop.add_writer(self._socket, self._flush)
        except psycopg.Error as error:
            self._lose(error)

    def _readable(self) -> None:
        """An answer has come, or a part of one, or the server has gone."""
        try:
            self._libpq.consume_input()
            while not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is None:
                    break
                self._results.append(result)
            else:
                return
        except psycopg.Error as error:
            self._lose(error)
            return
        answer, self._answer = self._answer, None
        if answer is not None and self._results and not answer.done():
            answer.set_result(self._results[-1])
        self._results.clear()

    def _lose(self, error: psycopg.Error) -> None:
        answer, self._answer = self._answer, None
        self.close()
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def close(self) -> None:
        """Let go of the connection, whatever is on its way."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._libpq.finish()


def numbered(statement: str) -> bytes:
    """Placeholders as the protocol has them: $1, $2, and so on."""
    first, *rest = statement.split("%s")
    return "".join([first, *(f"${n}{part}" for n, part in enumerate(rest, 1))]).encode()

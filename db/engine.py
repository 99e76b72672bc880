"""Engines and transactions: pools for threads and coroutines, and the quick ways beside them."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, TypeVar, cast

import psycopg
from sqlalchemy import Connection, Dialect, Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hounsfield.conf.settings import DatabaseSettings
from hounsfield.db.blocking_reader import BlockingReader
from hounsfield.db.reader import Reader
from hounsfield.db.writer import NoAnswer, Rows, Writer

T = TypeVar("T")

SERIALIZATION_FAILURES = frozenset({"40001", "40P01"})
# Read-only, contention, resources, not in the right state, intervention, system or internal error.
STATE_CLASSES = frozenset({"25", "40", "53", "55", "57", "58", "XX"})
LOST_CLASSES = frozenset({"08", "57"})  # connection exception, operator intervention
DISK_FULL = "53100"
CONNECT_SECONDS = 5
MAX_TRIES = 10
BACK_OFF_SECONDS = 0.02
ANSWER_SECONDS = 15.0


def driver_url(url: str) -> URL:
    """The URL with psycopg 3 named as its driver."""
    return make_url(url).set(drivername="postgresql+psycopg")


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of a driver error, or an empty string."""
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def is_serialization_failure(error: BaseException) -> bool:
    """True where PostgreSQL asks for the transaction to be tried again (40001, 40P01)."""
    return isinstance(error, DBAPIError) and sqlstate(error) in SERIALIZATION_FAILURES


def is_connection_loss(error: BaseException) -> bool:
    """True where the server went away, is starting, or never answered."""
    if not isinstance(error, DBAPIError):
        return False
    state = sqlstate(error)
    lost = error.connection_invalidated or (isinstance(error, OperationalError) and not state)
    return lost or state[:2] in LOST_CLASSES


def is_no_answer(error: BaseException) -> bool:
    """True where the server was asked and kept silent: asking again would take as long."""
    return isinstance(getattr(error, "orig", error), NoAnswer)


def is_out_of_space(error: BaseException) -> bool:
    """True where the server has no room on its disk (53100)."""
    return isinstance(error, DBAPIError) and sqlstate(error) == DISK_FULL


def is_server_state(error: BaseException) -> bool:
    """True where the server, not what it was asked, is why: the same may go through later."""
    if isinstance(error, DBAPIError):
        return is_connection_loss(error) or sqlstate(error)[:2] in STATE_CLASSES
    return isinstance(error, SQLAlchemyError)  # no connection of the pool became free


def fetch_by_driver(
    connection: Connection, statement: str, values: Sequence[object]
) -> list[tuple[Any, ...]]:
    """Run a statement of the hot path without SQLAlchemy in between; its errors stay the same.

    Parameters are ``$1``, ``$2``, … as PostgreSQL has them: nothing in the text is parsed.
    """
    driver = cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)
    try:
        with psycopg.RawCursor(driver) as cursor:
            return cursor.execute(statement.encode(), values).fetchall()
    except psycopg.Error as error:
        if driver.closed:
            connection.invalidate(error)
        raise _as_usual(error, driver.closed, connection.dialect) from error


def _as_usual(error: psycopg.Error, connection_lost: bool, dialect: Dialect) -> Exception:
    """The driver's error as SQLAlchemy raises it, whichever way a statement took."""
    return DBAPIError.instance(
        None,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=connection_lost,
        dialect=dialect,
    )


def _again_where_asked(work: Callable[[], T]) -> T:
    """Try a transaction again where PostgreSQL asks for it, not at once: others shall get by."""
    for attempt in range(1, MAX_TRIES):
        try:
            return work()
        except DBAPIError as error:
            if not is_serialization_failure(error):
                raise
        time.sleep(random.uniform(0, attempt * BACK_OFF_SECONDS))  # noqa: S311 - no secret
    return work()


class Database:
    """The index's connections. Engines are made at first use; nothing connects before."""

    def __init__(self, settings: DatabaseSettings, url: str | None = None) -> None:
        if url is None and settings.url is not None:
            url = settings.url.get_secret_value()
        if url is None:
            raise ValueError(
                "no database URL: set HOUNSFIELD_DATABASE__URL or run `hounsfield serve`"
            )
        self.url = url
        self._pool_size = settings.pool_size
        self._read_timeout = settings.read_timeout_seconds

    @cached_property
    def engine(self) -> Engine:
        """The pool for threads."""
        return create_engine(
            driver_url(self.url),
            pool_size=self._pool_size,
            max_overflow=self._pool_size,
            hide_parameters=True,
            connect_args={"connect_timeout": CONNECT_SECONDS, "prepare_threshold": 2},
        )

    @cached_property
    def _writer(self) -> Writer:
        """The quick way for threads: each statement is a transaction by itself."""
        return Writer(self.url, ANSWER_SECONDS)

    @cached_property
    def async_engine(self) -> AsyncEngine:
        """The pool for coroutines; reads alone, so each statement stands for itself."""
        return create_async_engine(
            driver_url(self.url),
            pool_size=self._pool_size,
            max_overflow=self._pool_size,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args={"connect_timeout": CONNECT_SECONDS, "prepare_threshold": 2},
        )

    @cached_property
    def reader(self) -> Reader:
        """The quick way for coroutines: searches and retrieves, without SQLAlchemy."""
        return Reader(self.url, self._pool_size, self._read_timeout)

    @cached_property
    def blocking_reader(self) -> BlockingReader:
        """The same for threads."""
        return BlockingReader(self.url, self._pool_size, self._read_timeout)

    def transaction(self) -> AbstractContextManager[Connection]:
        """A connection with a transaction that commits at the end of the block."""
        return self.engine.begin()

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction, again where PostgreSQL asks for it.

        Lost connections are not retried here: only the caller knows whether its work may
        have been committed.
        """

        def once() -> T:
            with self.engine.begin() as connection:
                return work(connection)

        return _again_where_asked(once)

    def write(
        self,
        statement: str,
        values: Sequence[str | bytes | None],
        before_commit: Callable[[], None] | None = None,
    ) -> Rows:
        """Run one statement that is a transaction by itself, as :meth:`run` would.

        It saves the round trips of BEGIN and COMMIT, and most of what the way through
        SQLAlchemy costs. Placeholders are ``$1``, ``$2``, …; columns come back as text.
        A server that does not answer in ANSWER_SECONDS is a lost connection, and NoAnswer.
        ``before_commit`` runs while PostgreSQL works, and again where the statement does; what
        it raises undoes the statement and is raised here.
        """

        def once() -> Rows:
            try:
                return self._writer.fetch(statement, values, before_commit)
            except psycopg.Error as error:
                lost = sqlstate(error)[:2] in {"", *LOST_CLASSES}
                raise _as_usual(error, lost, self.engine.dialect) from error

        return _again_where_asked(once)

    def close(self) -> None:
        """Close the threads' pools (those of coroutines are closed by their event loop)."""
        if "engine" in self.__dict__:
            self.engine.dispose()
        if "_writer" in self.__dict__:
            self._writer.close()
        if "blocking_reader" in self.__dict__:
            self.blocking_reader.close()
            del self.__dict__["blocking_reader"]

    async def aclose(self) -> None:
        """Close the coroutines' pools; the next event loop makes its own."""
        if "reader" in self.__dict__:
            self.reader.close()
            del self.__dict__["reader"]
        if "async_engine" in self.__dict__:
            await self.async_engine.dispose()
            del self.__dict__["async_engine"]

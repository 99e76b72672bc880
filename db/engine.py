"""Engines and transactions: one pool for threads, one for coroutines, one for quick reads."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, TypeVar, cast

import psycopg
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hounsfield.conf.settings import DatabaseSettings
from hounsfield.db.reader import Reader

T = TypeVar("T")

SERIALIZATION_FAILURES = frozenset({"40001", "40P01"})
# Read-only, contention, resources, not in the right state, intervention, system or internal error.
STATE_CLASSES = frozenset({"25", "40", "53", "55", "57", "58", "XX"})
DISK_FULL = "53100"
CONNECT_SECONDS = 5
MAX_TRIES = 10


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
    return lost or state[:2] in {"08", "57"}


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
        connection_lost = driver.closed
        if connection_lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            None,
            None,
            error,
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=connection_lost,
            dialect=connection.dialect,
        ) from error


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
    def _autocommit(self) -> Engine:
        """A small pool for the hot path: each statement is a transaction by itself."""
        return create_engine(
            driver_url(self.url),
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=self._pool_size,
            pool_reset_on_return=None,
            hide_parameters=True,
            connect_args={"connect_timeout": CONNECT_SECONDS, "prepare_threshold": 2},
        )

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

    def transaction(self) -> AbstractContextManager[Connection]:
        """A connection with a transaction that commits at the end of the block."""
        return self.engine.begin()

    def run(self, work: Callable[[Connection], T], *, one_statement: bool = False) -> T:
        """Run ``work`` in a transaction, again where PostgreSQL asks for it.

        Lost connections are not retried here: only the caller knows whether its work may
        have been committed. Work that is one statement is a transaction by itself: saying so
        saves the round trips of BEGIN and COMMIT.
        """
        engine = self._autocommit if one_statement else self.engine
        for attempt in range(MAX_TRIES):
            try:
                with engine.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if not is_serialization_failure(error) or attempt == MAX_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the threads' pool (the coroutines' pool is closed by its event loop)."""
        for name in ("engine", "_autocommit"):
            if name in self.__dict__:
                getattr(self, name).dispose()

    async def aclose(self) -> None:
        """Close the coroutines' pools; the next event loop makes its own."""
        if "reader" in self.__dict__:
            self.reader.close()
            del self.__dict__["reader"]
        if "async_engine" in self.__dict__:
            await self.async_engine.dispose()
            del self.__dict__["async_engine"]

"""Reads of threads: as the event loop reads, bounded in time and connections, back after a loss."""

import asyncio
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.errors import QueryCanceled, UndefinedTable

from hounsfield.db import blocking_reader as under_test
from hounsfield.db.blocking_reader import BlockingReader, run
from hounsfield.db.reader import Rows, Values


@pytest.fixture
def reader(database_url: str) -> Iterator[BlockingReader]:
    reader = BlockingReader(database_url, 2, 1.0)
    yield reader
    reader.close()


def fetch(reader: BlockingReader, statement: str, values: Values = ()) -> Rows:
    return run(reader.fetch(statement, values))


def test_values_come_back_as_they_were_sent(reader: BlockingReader) -> None:
    sent = ["a'b\\%s {,}", ["x", 'q"', "", "NULL"], 7]
    for _ in range(2):
        rows = fetch(reader, "SELECT %s::text, %s::text[], %s::bigint, '\\xff'::bytea", sent)
        assert rows == [(*sent, b"\xff")]


def test_an_error_and_a_statement_given_up_leave_the_connection_in_use(
    reader: BlockingReader,
) -> None:
    before = fetch(reader, "SELECT pg_backend_pid()")
    with pytest.raises(UndefinedTable):
        fetch(reader, "SELECT * FROM nowhere")
    with pytest.raises(QueryCanceled):
        fetch(reader, "SELECT pg_sleep(30)")
    assert fetch(reader, "SELECT pg_backend_pid()") == before


def test_a_connection_that_was_lost_while_idle_is_made_anew(
    reader: BlockingReader, database_url: str
) -> None:
    ((before,),) = fetch(reader, "SELECT pg_backend_pid()")
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    ((after,),) = fetch(reader, "SELECT pg_backend_pid()")
    assert after != before


def test_nobody_waits_for_a_free_connection_for_ever(
    reader: BlockingReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "CHECKOUT_SECONDS", 0.1)
    holders = [
        threading.Thread(target=fetch, args=(reader, "SELECT pg_sleep(0.9)")) for _ in range(2)
    ]
    for holder in holders:
        holder.start()
    time.sleep(0.3)
    with pytest.raises(psycopg.OperationalError):
        fetch(reader, "SELECT 1")
    for holder in holders:
        holder.join()
    assert fetch(reader, "SELECT 1") == [(1,)]


def test_a_coroutine_that_waits_for_something_else_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        run(asyncio.sleep(0))

"""Reads on the event loop: bounded in time, in connections, and back after every loss."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.errors import QueryCanceled, UndefinedTable

from hounsfield.db import reader as under_test
from hounsfield.db.reader import Reader
from hounsfield.db.repositories.trigrams import trigrams_of


@pytest.fixture
async def reader(database_url: str) -> AsyncIterator[Reader]:
    reader = Reader(database_url, 2, 1.0)
    yield reader
    reader.close()


async def backend(reader: Reader) -> int:
    ((pid,),) = await reader.fetch("SELECT pg_backend_pid()")
    return int(pid)


async def test_values_come_back_as_they_were_sent(reader: Reader) -> None:
    sent = ["a'b\\%s {,}", ["x", 'q"', "", "NULL"], 7]
    for _ in range(2):
        rows = await reader.fetch("SELECT %s::text, %s::text[], %s::bigint, '\\xff'::bytea", sent)
        assert rows == [(*sent, b"\xff")]


async def test_a_statement_longer_than_the_socket_takes_arrives_whole(reader: Reader) -> None:
    long = "x" * 8_000_000
    assert await reader.fetch("SELECT length(%s::text)", [long]) == [(len(long),)]


async def test_an_error_is_raised_and_the_connection_goes_on(reader: Reader) -> None:
    before = await backend(reader)
    with pytest.raises(UndefinedTable):
        await reader.fetch("SELECT * FROM nowhere")
    assert await backend(reader) == before


async def test_a_statement_that_takes_too_long_is_given_up(reader: Reader) -> None:
    with pytest.raises(QueryCanceled):
        await reader.fetch("SELECT pg_sleep(30)")
    assert await reader.fetch("SELECT 1") == [(1,)]


async def test_nobody_waits_for_a_free_connection_for_ever(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "CHECKOUT_SECONDS", 0.1)
    held = [asyncio.create_task(reader.fetch("SELECT pg_sleep(0.8)")) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(psycopg.OperationalError):
        await reader.fetch("SELECT 1")
    await asyncio.gather(*held)
    assert await reader.fetch("SELECT 1") == [(1,)]


async def test_a_connection_that_the_server_ended_is_not_used_again(
    reader: Reader, database_url: str
) -> None:
    pid = await backend(reader)
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    await asyncio.sleep(0.05)
    assert await backend(reader) != pid


async def test_a_connection_lost_under_a_statement_fails_that_one_alone(
    reader: Reader, database_url: str
) -> None:
    pid = await backend(reader)
    waiting = asyncio.create_task(reader.fetch("SELECT pg_sleep(0.9)"))
    await asyncio.sleep(0.1)
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(psycopg.Error):
        await waiting
    assert await backend(reader) != pid


async def test_an_answer_that_nobody_waits_for_is_never_another_ones(reader: Reader) -> None:
    left = asyncio.create_task(reader.fetch("SELECT 'late' FROM pg_sleep(0.3)"))
    await asyncio.sleep(0.1)
    left.cancel()
    await asyncio.sleep(0.3)
    answers = await asyncio.gather(*(reader.fetch("SELECT %s::int", [n]) for n in range(8)))
    assert answers == [[(n,)] for n in range(8)]


@pytest.mark.parametrize(
    "value", ["doe^jane", "ab", "", "ärne=山田^太郎=やまだ", "a_b%c\\d", "😀😀😀x"]
)
async def test_trigrams_of_a_pattern_are_among_those_of_its_value(
    reader: Reader, value: str
) -> None:
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    pattern = f"%{escaped}%"
    rows = await reader.fetch(
        "SELECT trigrams(%s), %s::text LIKE %s", [f"<{value}>", f"<{value}>", pattern]
    )
    ((made, matches),) = rows
    assert matches
    assert set(trigrams_of(pattern)) <= set(made)
    assert len(trigrams_of(pattern)) == len({value[n : n + 3] for n in range(len(value) - 2)})

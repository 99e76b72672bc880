"""The quick way to write: one statement, an answer or an error in time."""

import os
import signal
import threading
import time

import psycopg
import pytest

from hounsfield.conf.settings import DatabaseSettings
from hounsfield.db.engine import Database, is_connection_loss, is_no_answer
from hounsfield.db.writer import NoAnswer, Writer

MAKE = "CREATE TABLE kept (id bigint PRIMARY KEY, words text, bytes bytea)"
INSERT = "INSERT INTO kept VALUES ($1::bigint, $2::text, $3::bytea) RETURNING id, words"


@pytest.fixture
def writer(empty_database_url: str) -> Writer:
    made = Writer(empty_database_url, 5.0)
    made.fetch(MAKE, [])
    return made


def test_text_and_bytes_arrive_as_they_are(writer: Writer, empty_database_url: str) -> None:
    every_byte = bytes(range(256))
    assert writer.fetch(INSERT, ["7", "Rüdiger 山田", every_byte]) == [("7", "Rüdiger 山田")]
    assert writer.fetch(INSERT, ["8", None, None]) == [("8", "")]
    with psycopg.connect(empty_database_url) as connection:
        rows = connection.execute("SELECT words, bytes FROM kept ORDER BY id").fetchall()
    assert rows == [("Rüdiger 山田", every_byte), (None, None)]


def test_a_text_with_a_nul_is_refused_and_not_cut(writer: Writer) -> None:
    with pytest.raises(psycopg.errors.CharacterNotInRepertoire):
        writer.fetch(INSERT, ["1", "before\0behind", b""])
    assert writer.fetch("SELECT count(*) FROM kept", []) == [("0",)]


def test_a_statement_larger_than_the_sockets_buffer_goes_through(writer: Writer) -> None:
    large = os.urandom(8 * 1024 * 1024)
    writer.fetch(INSERT, ["1", "", large])
    assert writer.fetch("SELECT length(bytes) FROM kept", []) == [(str(len(large)),)]


def test_an_error_leaves_the_connection_of_use(writer: Writer) -> None:
    writer.fetch(INSERT, ["1", "", b""])
    pid = writer.fetch("SELECT pg_backend_pid()", [])
    with pytest.raises(psycopg.errors.UniqueViolation):
        writer.fetch(INSERT, ["1", "", b""])
    assert writer.fetch("SELECT pg_backend_pid()", []) == pid


def test_a_server_that_keeps_silent_is_an_error_in_time(empty_database_url: str) -> None:
    writer = Writer(empty_database_url, 1.0)
    ((pid,),) = writer.fetch("SELECT pg_backend_pid()", [])
    os.kill(int(pid), signal.SIGSTOP)
    started = time.monotonic()
    try:
        with pytest.raises(NoAnswer):
            writer.fetch("SELECT 1", [])
        assert time.monotonic() - started < 4
    finally:
        os.kill(int(pid), signal.SIGCONT)
    assert writer.fetch("SELECT 1", []) == [("1",)], "the next one has a connection of its own"


def test_an_ended_connection_is_a_loss_and_the_next_statement_connects(
    empty_database_url: str,
) -> None:
    database = Database(DatabaseSettings(), empty_database_url)
    ((pid,),) = database.write("SELECT pg_backend_pid()", [])
    with psycopg.connect(empty_database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (int(pid),))
    with pytest.raises(Exception) as failure:
        database.write("SELECT 1", [])
    assert is_connection_loss(failure.value)
    assert not is_no_answer(failure.value)
    assert database.write("SELECT 1", []) == [("1",)]
    database.close()


def test_what_has_to_come_first_runs_before_the_commit(
    writer: Writer, empty_database_url: str
) -> None:
    seen: list[object] = []

    def look() -> None:
        with psycopg.connect(empty_database_url) as other:
            seen.extend(other.execute("SELECT count(*) FROM kept").fetchall())

    assert writer.fetch(INSERT, ["1", "", b""], look) == [("1", "")]
    assert seen == [(0,)]
    assert writer.fetch("SELECT count(*) FROM kept", []) == [("1",)]


def test_what_fails_before_the_commit_undoes_the_statement(writer: Writer) -> None:
    def fail() -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        writer.fetch(INSERT, ["1", "", b""], fail)
    assert writer.fetch("SELECT count(*) FROM kept", []) == [("0",)]
    assert writer.fetch(INSERT, ["1", "", b""]) == [("1", "")], "and holds no lock on it"


def test_a_statement_that_fails_is_an_error_after_the_wait_too(writer: Writer) -> None:
    writer.fetch(INSERT, ["1", "", b""])
    with pytest.raises(psycopg.errors.UniqueViolation):
        writer.fetch(INSERT, ["1", "", b""], lambda: None)
    assert writer.fetch(INSERT, ["2", "", b""], lambda: None) == [("2", "")]


def test_a_commit_that_fails_is_an_error(writer: Writer) -> None:
    """A constraint that is checked at the commit, which comes after the statement's rows."""
    writer.fetch("CREATE TABLE child (id bigint REFERENCES kept DEFERRABLE INITIALLY DEFERRED)", [])
    insert = "INSERT INTO child VALUES ($1::bigint) RETURNING id"
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        writer.fetch(insert, ["77"], lambda: None)
    assert writer.fetch("SELECT count(*) FROM child", []) == [("0",)]


def test_many_threads_write_at_once(writer: Writer) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 50):
            writer.fetch(INSERT, [str(number), "", b""])

    threads = [threading.Thread(target=write, args=(n * 50,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.fetch("SELECT count(*) FROM kept", []) == [("400",)]
    writer.close()

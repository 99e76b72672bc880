"""The live WebSocket: every event once and in order, whatever breaks in between."""

import json
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import ct_slice, encode
from sqlalchemy import text
from web_server import serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from hounsfield.archive.archive import Archive
from hounsfield.archive.events import add_event
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.types import Source
from hounsfield.server import live


def happen(archive: Archive, count: int, size: int = 10) -> None:
    with archive.database.transaction() as connection:
        for _ in range(count):
            add_event(connection, "stored", data={"protocol": "IMPORT", "filler": "x" * size})


def open_live(port: int, query: str = "", **arguments: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}/api/live{query}", **arguments)


def hear(client: ClientConnection, count: int, timeout: float = 10) -> list[dict[str, Any]]:
    """The next ``count`` messages."""
    return [json.loads(client.recv(timeout=timeout)) for _ in range(count)]


def sequences(events: list[dict[str, Any]]) -> list[int]:
    return [event["sequence"] for event in events]


def test_a_store_is_heard_of_within_a_second(archive: Archive, port: int) -> None:
    with open_live(port) as client:
        assert hear(client, 1) == [{"type": "hello", "sequence": 0, "since": 0}]
        dataset = ct_slice()
        began = time.monotonic()
        store_bytes(archive, Source("IMPORT"), encode(dataset))
        (event,) = hear(client, 1)
        assert time.monotonic() - began < 1
    assert (event["type"], event["sequence"]) == ("stored", 1)
    assert event["sop_instance_uid"] == dataset.SOPInstanceUID
    assert event["data"]["modality"] == "CT"
    fed = httpx.get(f"http://127.0.0.1:{port}/api/events").json()
    assert fed["events"][0]["sequence"] == 1
    assert fed["last_sequence"] == 1


def test_since_goes_on_without_gap_or_repeat_over_a_restart(archive: Archive, viewer: Path) -> None:
    with serving(archive, viewer=viewer) as port:
        happen(archive, 30)
        with open_live(port, "?since=0") as client:
            heard = hear(client, 18)[1:]
    happen(archive, 10)
    query = f"?since={heard[-1]['sequence']}"
    with serving(archive, port, viewer), open_live(port, query) as client:
        hello, *rest = hear(client, 24)
        happen(archive, 5)
        rest += hear(client, 5)
    assert hello["type"] == "hello"
    assert hello["since"] == 17
    assert sequences(heard + rest) == list(range(1, 46))


def test_what_is_no_longer_in_memory_is_read_from_the_database(
    archive: Archive, viewer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hounsfield.server.feed.LiveFeed.__init__.__defaults__", (5,))
    with serving(archive, viewer=viewer) as port:
        happen(archive, 350)
        with open_live(port, "?since=350") as newest, open_live(port, "?since=0") as oldest:
            assert hear(newest, 1)[0]["type"] in {"hello", "reset"}
            assert sequences(hear(oldest, 351)[1:]) == list(range(1, 351))
            happen(archive, 3)
            assert sequences(hear(oldest, 3)) == [351, 352, 353]


def test_a_number_that_is_not_one_of_ours_is_answered_with_reset(
    archive: Archive, port: int
) -> None:
    happen(archive, 3)
    with open_live(port, "?since=0") as client:
        hear(client, 4)
    with open_live(port, "?since=99") as client:
        assert hear(client, 1) == [{"type": "reset", "sequence": 3}]
        happen(archive, 1)
        assert sequences(hear(client, 1)) == [4]
    with archive.database.transaction() as connection:
        connection.execute(text("DELETE FROM event WHERE sequence < 3"))
        connection.execute(text("UPDATE event_counter SET first_kept = 3"))
    with serving(archive) as other, open_live(other, "?since=1") as client:
        assert hear(client, 1)[0]["type"] == "reset"


def test_a_loss_of_the_database_costs_no_event(archive: Archive, port: int) -> None:
    with open_live(port) as client:
        hear(client, 1)
        for count in (2, 3):
            with archive.database.transaction() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
            archive.database.engine.dispose()
            happen(archive, count)
            assert len(hear(client, count)) == count


def test_many_clients_share_one_listener(archive: Archive, port: int) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(open_live(port)) for _ in range(40)]
        for client in clients:
            hear(client, 1)
        happen(archive, 20)
        for client in clients:
            assert sequences(hear(client, 20)) == list(range(1, 21))
        with archive.database.transaction() as connection:
            used = connection.execute(
                text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            ).scalar_one()
        assert used < 12


def test_strangers_open_no_socket(port: int) -> None:
    refusals: list[tuple[dict[str, Any], int]] = [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"http://127.0.0.1:{port + 1}"}, 403),
        ({"additional_headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
        ({"additional_headers": {"Sec-Fetch-Site": "same-site"}}, 403),
    ]
    for arguments, status in refusals:
        with pytest.raises(InvalidStatus) as refused, open_live(port, **arguments):
            pass
        assert refused.value.response.status_code == status
    rebound = f"ws://evil.example:{port}/api/live"
    with pytest.raises(InvalidStatus) as refused, connect(rebound, sock=_dial(port)):
        pass
    assert refused.value.response.status_code == 421
    with open_live(port, origin=f"http://127.0.0.1:{port}") as client:
        assert hear(client, 1)[0]["type"] == "hello"


def test_a_client_that_does_not_read_is_dropped_and_comes_back_without_a_gap(
    archive: Archive, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SEND_SECONDS", 2.0)
    total, size = 6000, 1000
    slow = _dial(port, receive_buffer=4096)
    slow.sendall(
        b"GET /api/live?since=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    with open_live(port, "?since=0") as quick:
        hear(quick, 1)
        for first in range(1, total, 500):
            happen(archive, 500, size)
            assert sequences(hear(quick, 500, timeout=30)) == list(range(first, first + 500))
    time.sleep(6)  # two seconds until it is dropped, two until it is cut off
    held = _read_to_end(slow)
    assert b"101 Switching Protocols" in held
    assert len(held) < 1024 * 1024 < total * size
    seen = held.count(b'{"sequence":') - 1  # the last one may have been cut
    with open_live(port, f"?since={seen}") as again:
        assert sequences(hear(again, total - seen + 1)[1:]) == list(range(seen + 1, total + 1))


def test_what_clients_say_is_limited(port: int) -> None:
    with open_live(port) as client:
        hear(client, 1)
        client.send("hello " * 10)
        client.send("x" * 1_000_000)
        with pytest.raises(ConnectionClosed):
            hear(client, 1)
    with open_live(port) as client:
        assert hear(client, 1)[0]["type"] == "hello"


def test_a_server_with_clients_ends_at_once(archive: Archive, viewer: Path) -> None:
    with ExitStack() as stack:
        with serving(archive, viewer=viewer) as port:
            clients = [stack.enter_context(open_live(port)) for _ in range(5)]
            began = time.monotonic()
        assert time.monotonic() - began < 4
        for client in clients:
            with pytest.raises(ConnectionClosed):
                hear(client, 10)


def _dial(port: int, receive_buffer: int | None = None) -> socket.socket:
    peer = socket.socket()
    if receive_buffer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    peer.connect(("127.0.0.1", port))
    return peer


def _read_to_end(peer: socket.socket) -> bytes:
    peer.settimeout(10)
    held = bytearray()
    try:
        while part := peer.recv(65536):
            held += part
    except ConnectionResetError:
        pass
    return bytes(held)

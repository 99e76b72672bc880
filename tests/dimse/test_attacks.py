"""Crowds, and peers that break off or send anything at all, before a service that goes on."""

import contextlib
import gc
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from dimse_peer import (
    ABORT,
    ABORT_PDU,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    CT,
    DATA,
    RELEASE_RQ_PDU,
    Peer,
    associate_rq,
    command_set,
    echo_rq,
    pdu,
    pdv,
    store_rq,
    ui,
    us,
)
from factories import ct_slice, encode, new_uid
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import DimseSettings

MIB = 1024 * 1024
MOST, MOST_PER_HOST = 120, 50
TRANSIENTLY_FULL = (ASSOCIATE_RJ, bytes((0, 2, 3, 2)))


@pytest.fixture
def dimse_settings() -> DimseSettings:
    return DimseSettings(
        port=0,
        idle_seconds=20,
        max_associations=MOST,
        max_associations_per_host=MOST_PER_HOST,
        max_handshakes_per_host=100,
    )


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def associations() -> int:
    return sum(t.name.startswith("association") for t in threading.enumerate())


def files(archive: Archive) -> list[Path]:
    return [p for p in (archive.settings.data_dir / "objects").rglob("*") if p.is_file()]


def stored(archive: Archive) -> int:
    with archive.database.transaction() as connection:
        return int(connection.execute(text("SELECT count(*) FROM instance")).scalar_one())


def data_set_of(sop_instance_uid: str) -> bytes:
    """Always as long, and the same of the same UID."""
    names = {"StudyInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.1.1"}
    file = encode(ct_slice(SOPInstanceUID=sop_instance_uid, **names))
    return file[file.index(b"\x08\x00\x05\x00CS") :]


@contextlib.contextmanager
def nothing_is_left(archive: Archive) -> Iterator[None]:
    """Threads, sockets, objects and memory of the process are afterwards what they were."""
    process = psutil.Process()
    gc.collect()
    # What works beside the associations may connect to the database meanwhile.
    before = process.num_fds() + 4, len(files(archive))
    threads, memory = process.num_threads(), process.memory_info().rss
    yield
    assert eventually(lambda: associations() == 0)
    assert eventually(lambda: process.num_fds() <= before[0])
    assert eventually(lambda: len(files(archive)) <= before[1])
    assert eventually(lambda: process.num_threads() <= threads + 2)
    assert process.memory_info().rss - memory < 96 * MIB


def test_of_500_that_come_at_once_those_over_the_quotas_are_rejected_for_now(
    port: int, archive: Archive
) -> None:
    with Peer(port) as first:
        first.associate()
    inside: list[Peer] = []
    with nothing_is_left(archive):
        for n in range(500):
            peer = Peer(port, source=f"127.0.0.{n % 5 + 1}")
            peer.send(associate_rq())
            answer = peer.read()
            if answer[0] == ASSOCIATE_AC:
                inside.append(peer)
            else:
                assert answer == TRANSIENTLY_FULL
                peer.close()
        assert len(inside) == MOST
        assert inside.pop().echo() == 0
        assert all(peer.echo() == 0 for peer in inside[::10])
        for peer in inside:
            peer.close()
    with Peer(port) as last:
        last.associate()
        assert last.echo() == 0


def test_ten_idle_associations_cost_under_a_hundredth_of_a_core(port: int) -> None:
    peers = [Peer(port) for _ in range(10)]
    for peer in peers:
        peer.associate()
    before, began = time.process_time(), time.monotonic()
    time.sleep(3)
    # Twice of it, for what else is in this process.
    assert time.process_time() - before < 0.02 * (time.monotonic() - began)
    assert all(peer.echo() == 0 for peer in peers)
    for peer in peers:
        peer.close()


def break_off(port: int, turns: int, *, seed: int) -> None:
    """Begin a store and leave in the middle of it, now with an abort, now without a word."""
    dice = random.Random(seed)
    for turn in range(turns):
        with Peer(port, source=f"127.0.0.{seed + 2}") as peer:
            peer.associate()
            peer.command(3, store_rq(new_uid()))
            # A tenth of them have outgrown the memory and are files already.
            peer.data(3, bytes(1_200_000 if turn % 10 == 0 else dice.randrange(50_000)), last=False)
            if dice.random() < 0.5:
                peer.send(ABORT_PDU)


def test_a_thousand_aborts_in_the_middle_of_a_store_leave_nothing_and_hold_nobody_up(
    port: int, archive: Archive
) -> None:
    break_off(port, 10, seed=3)
    assert eventually(lambda: associations() == 0)
    waits: list[float] = []
    with nothing_is_left(archive):
        crowd = [
            threading.Thread(target=break_off, args=(port, 250), kwargs={"seed": seed})
            for seed in range(4)
        ]
        for thread in crowd:
            thread.start()
        while any(thread.is_alive() for thread in crowd):
            began = time.monotonic()
            with Peer(port) as peer:
                peer.associate()
                assert peer.echo() == 0
                peer.release()
            waits.append(time.monotonic() - began)
            time.sleep(0.1)
    assert sorted(waits)[len(waits) // 2] < 1
    assert stored(archive) == 0


def conversation(sop_instance_uid: str) -> list[bytes]:
    """PDUs of a peer that does all right: echo, store, a query that nobody asked for, release."""
    data = data_set_of(sop_instance_uid)
    half = len(data) // 2
    unknown = command_set(e0002=ui(CT), e0100=us(0x0020), e0110=us(1), e0800=us(1))
    return [
        associate_rq(),
        pdu(DATA, pdv(1, 3, echo_rq())),
        pdu(DATA, pdv(3, 1, store_rq(sop_instance_uid)[:40])),
        pdu(DATA, pdv(3, 3, store_rq(sop_instance_uid)[40:]) + pdv(3, 0, data[:half])),
        pdu(DATA, pdv(3, 2, data[half:])),
        pdu(DATA, pdv(3, 3, unknown) + pdv(3, 2, b"an identifier")),
        RELEASE_RQ_PDU,
    ]


WAYS = ("cut", "swap", "lengthen", "forge", "change", "twice", "drop")


@st.composite
def spoilt(draw: st.DrawFn) -> list[bytes]:
    """That conversation with PDUs cut, swapped, lengthened, changed, doubled or left out."""
    pdus = conversation(f"2.25.1.1.{draw(st.integers(1000, 1999))}")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(pdus) - 1))
        match draw(
            st.sampled_from(("cut", "swap", "lengthen", "forge", "change", "twice", "drop"))
        ):
            case "cut":
                pdus[at] = pdus[at][: draw(st.integers(0, len(pdus[at])))]
            case "swap":
                other = draw(st.integers(0, len(pdus) - 1))
                pdus[at], pdus[other] = pdus[other], pdus[at]
            case "lengthen":
                pdus[at] += draw(st.binary(min_size=1, max_size=300))
            case "forge":
                length = draw(st.integers(0, 2**32 - 1)).to_bytes(4, "big")
                pdus[at] = pdus[at][:2] + length + pdus[at][6:]
            case "change" if pdus[at]:
                changed = bytearray(pdus[at])
                changed[draw(st.integers(0, len(changed) - 1))] ^= draw(st.integers(1, 255))
                pdus[at] = bytes(changed)
            case "twice":
                pdus.insert(at, pdus[at])
            case "drop" if len(pdus) > 1:
                del pdus[at]
    return pdus


def hold(port: int, pdus: list[bytes]) -> None:
    """Send all of it, once the first is answered, and hear until the other side is done."""
    with Peer(port) as peer, contextlib.suppress(OSError):
        peer.send(pdus[0])
        peer.socket.settimeout(0.2)  # there is no answer to half a request
        with contextlib.suppress(TimeoutError):
            peer.read()
        peer.socket.settimeout(30)
        peer.send(b"".join(pdus[1:]))
        peer.socket.shutdown(socket.SHUT_WR)
        while peer.read()[0] not in (0, ABORT):
            pass


def test_whatever_is_sent_the_service_goes_on_and_logs_no_failure(
    port: int, archive: Archive
) -> None:
    @settings(
        max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(spoilt())
    def attack(pdus: list[bytes]) -> None:
        hold(port, pdus)
        assert bystander.echo() == 0

    with Peer(port) as bystander, capture_logs() as said:
        bystander.associate()
        hold(port, conversation("2.25.1.1.1"))
        assert stored(archive) == 1, "what is spoilt below is a conversation that goes well"
        with nothing_in_progress_is_left(archive):
            attack()
            bystander.release()
    assert "association.lost" in {entry["event"] for entry in said}
    assert [entry for entry in said if entry["log_level"] in ("error", "critical")] == []


@contextlib.contextmanager
def nothing_in_progress_is_left(archive: Archive) -> Iterator[None]:
    """No thread is left, and each object has its row or lies in quarantine."""
    descriptors = psutil.Process().num_fds() + 4
    yield
    assert eventually(lambda: associations() == 0)
    assert eventually(lambda: psutil.Process().num_fds() <= descriptors)
    with archive.database.transaction() as connection:
        named = connection.execute(
            text("SELECT object_key FROM instance UNION ALL SELECT object_key FROM quarantine")
        )
        keys = {Path(key).name for (key,) in named}
    assert {path.name for path in files(archive)} == keys

"""What strangers and broken peers do to the listener, and that others are served meanwhile."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from dimse_peer import (
    ABORT,
    ABORT_PDU,
    ASSOCIATE_RJ,
    CT,
    DATA,
    EXPLICIT,
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

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import DimseSettings
from hounsfield.dimse.service import DimseService

ARTIM = 2.0
MIB = 1024 * 1024


@pytest.fixture
def dimse_settings() -> DimseSettings:
    return DimseSettings(
        port=0,
        handshake_seconds=ARTIM,
        idle_seconds=1.5,
        max_associations=8,
        max_associations_per_host=6,
    )


def associations() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("association")]


def eventually(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert eventually(lambda: not associations())


class Growth:
    """How far this process, server and peer together, has grown."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss

    @property
    def bytes(self) -> int:
        return int(self._process.memory_info().rss - self._before)


def flood(sock: socket.socket, size: int) -> None:
    """Send until it is all gone or the other side has had enough."""
    chunk = bytes(MIB)
    try:
        for _ in range(size // MIB):
            sock.sendall(chunk)
    except OSError:
        return


def tls_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    hello = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="x")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\nHost: hounsfield\r\n\r\n",
        tls_hello(),
        b"\0",
        os.urandom(4096).replace(b"\1", b"\2"),
        ABORT_PDU,
        RELEASE_RQ_PDU,
        pdu(DATA, pdv(1, 3, echo_rq())),
        pdu(1, b"short"),
        associate_rq() + pdu(DATA, pdv(1, 3, echo_rq())),
        pdu(1, associate_rq()[6:80] + b"\x20\x00\xff\xff\x01"),
    ],
    ids=[
        "http", "tls", "zero", "random", "abort", "release", "data", "short", "early", "cut",
    ],
)  # fmt: skip
def test_junk_is_aborted_within_a_second_and_leaves_no_thread(port: int, junk: bytes) -> None:
    began = time.monotonic()
    with Peer(port) as peer:
        peer.send(junk)
        assert peer.read()[0] == ABORT
        assert peer.read()[0] == 0
        assert time.monotonic() - began < 1
        assert eventually(lambda: not associations(), 1)
    with Peer(port) as peer:
        peer.associate()
        assert peer.echo() == 0


def test_a_forged_length_is_aborted_at_once_and_costs_no_memory(port: int) -> None:
    with Peer(port) as first:
        first.associate()  # everything that is allocated once is
    bytes(MIB)
    growth = Growth()
    with Peer(port) as peer:
        began = time.monotonic()
        peer.send(b"\x01\x00\xff\xff\xff\xf0")
        assert peer.read()[0] == ABORT
        assert time.monotonic() - began < 1
        flood(peer.socket, 300 * MIB)
        assert growth.bytes < 4 * MIB


def test_a_pdu_longer_than_negotiated_is_aborted_and_costs_no_memory(
    port: int, dimse_settings: DimseSettings
) -> None:
    with Peer(port) as peer:
        peer.associate()
        growth = Growth()
        length = dimse_settings.maximum_length + 1
        peer.send(b"\x04\x00" + length.to_bytes(4, "big"))
        assert peer.read()[0] == ABORT
        flood(peer.socket, 100 * MIB)
        assert growth.bytes < 4 * MIB


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_half_open_connections_shut_nobody_out_and_are_closed(port: int, source: str) -> None:
    before = psutil.Process().num_fds()
    crowd = [Peer(port) for _ in range(200)]
    began = time.monotonic()
    with Peer(port, source=source) as peer:
        peer.associate()
        assert peer.echo() == 0
        assert time.monotonic() - began < 1
        peer.release()
    assert eventually(lambda: not associations())
    for silent in crowd:
        assert silent.read()[0] == 0
    assert time.monotonic() - began < ARTIM + 1
    for silent in crowd:
        silent.close()
    assert eventually(lambda: psutil.Process().num_fds() <= before + 2)


def test_a_request_that_comes_too_slowly_is_cut_off(port: int) -> None:
    began = time.monotonic()
    with Peer(port) as peer:
        for byte in associate_rq():
            try:
                peer.send(bytes((byte,)))
            except OSError:
                break
            time.sleep(0.05)
        assert ARTIM - 0.5 < time.monotonic() - began < ARTIM + 1
        with pytest.raises(ConnectionError):
            while peer.socket.recv(1) or peer.socket.send(b"x"):
                pass


def test_a_request_in_many_pieces_is_accepted(port: int) -> None:
    contexts = [(n, CT, [EXPLICIT] * 60) for n in range(1, 256, 2)]
    request = associate_rq(contexts)
    assert len(request) > 170_000
    with Peer(port) as peer:
        for offset in range(0, len(request), 10_000):
            peer.send(request[offset : offset + 10_000])
            time.sleep(0.001)
        assert peer.read()[0] == 2
        peer.release()


def test_associations_over_the_quota_of_a_host_or_in_all_are_rejected_for_now(port: int) -> None:
    def knock(source: str) -> tuple[Peer, tuple[int, bytes]]:
        peer = Peer(port, source=source)
        peer.send(associate_rq())
        return peer, peer.read()

    inside = []
    for source, most in (("127.0.0.1", 6), ("127.0.0.2", 2)):
        for _ in range(most):
            peer, (kind, _) = knock(source)
            assert kind == 2
            inside.append(peer)
        rejected, answer = knock(source)
        assert answer == (ASSOCIATE_RJ, bytes((0, 2, 3, 2)))
        assert rejected.read()[0] == 0
        rejected.close()
    inside.pop().release()
    assert eventually(lambda: len(associations()) == 7)
    peer, (kind, _) = knock("127.0.0.3")
    assert kind == 2
    for one in (*inside, peer):
        one.close()


def test_an_association_that_says_nothing_is_aborted(port: int) -> None:
    with Peer(port) as peer:
        peer.associate()
        began = time.monotonic()
        assert peer.read()[0] == ABORT
        assert 1 < time.monotonic() - began < 3


ENDLESS = pdv(3, 1, bytes(8000))
BREACHES = {
    "PDV longer than its PDU": [pdu(DATA, b"\x00\x00\x10\x00\x03\x03" + bytes(10))],
    "PDV length beyond 31 bits": [pdu(DATA, b"\xff\xff\xff\xf0\x03\x03" + bytes(10))],
    "PDV without a control header": [pdu(DATA, b"\x00\x00\x00\x01\x03\x03")],
    "PDV header cut": [pdu(DATA, pdv(3, 1, b"") + b"\x00\x00")],
    "context not accepted": [pdu(DATA, pdv(99, 3, echo_rq()))],
    "data set first": [pdu(DATA, pdv(3, 2, b"data"))],
    "data set in the middle of a command": [pdu(DATA, pdv(3, 1, b"") + pdv(3, 2, b"data"))],
    "second command": [pdu(DATA, pdv(3, 3, store_rq("1.2")) + pdv(3, 3, store_rq("1.3")))],
    "other context": [pdu(DATA, pdv(3, 3, store_rq("1.2")) + pdv(1, 2, b"data"))],
    "two commands mixed": [pdu(DATA, pdv(3, 1, b"") + pdv(1, 3, echo_rq()))],
    "garbage as a command": [pdu(DATA, pdv(3, 3, b"garbage that is no command"))],
    "command without a field": [pdu(DATA, pdv(3, 3, command_set(e0800=us(1))))],
    "a response": [pdu(DATA, pdv(1, 3, command_set(e0100=us(0x8030), e0800=us(0x0101))))],
    "endless command": [pdu(DATA, ENDLESS), pdu(DATA, ENDLESS), pdu(DATA, ENDLESS)],
    "release within a data set": [pdu(DATA, pdv(3, 3, store_rq("1.2"))), RELEASE_RQ_PDU],
    "release within a command": [pdu(DATA, pdv(3, 1, b"")), RELEASE_RQ_PDU],
    "second association": [associate_rq()],
    "release answered, not asked": [pdu(6, bytes(4))],
    "unknown PDU": [pdu(9, bytes(4))],
    "PDU type zero": [pdu(0, bytes(4))],
}


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES.keys())
def test_a_breach_of_the_protocol_aborts_the_association(port: int, breach: list[bytes]) -> None:
    with Peer(port) as peer:
        peer.associate()
        assert peer.echo() == 0
        began = time.monotonic()
        peer.send(b"".join(breach))
        kind, body = peer.read()
        assert (kind, body[2]) == (ABORT, 2)
        assert peer.read()[0] == 0
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("ending", [ABORT_PDU, b""], ids=["abort", "closed"])
def test_a_peer_that_leaves_without_release_leaves_no_thread(port: int, ending: bytes) -> None:
    with Peer(port) as peer:
        peer.associate()
        peer.send(pdu(DATA, pdv(3, 3, store_rq("1.2")) + pdv(3, 0, b"begun")))
        assert eventually(lambda: bool(associations()))
        peer.send(ending)
    assert eventually(lambda: not associations())


def test_a_hundred_thousand_fragments_of_one_byte_are_one_message(port: int) -> None:
    with Peer(port) as peer:
        peer.associate()
        peer.command(3, store_rq("1.2", "1.2.840.10008.5.1.4.1.1.4"))
        growth = Growth()
        many = pdu(DATA, pdv(3, 0, b"x") * 1000)
        for _ in range(100):
            peer.send(many)
        peer.data(3, b"")
        assert peer.status() == 0x0122
        assert growth.bytes < 4 * MIB
        assert peer.echo() == 0


def test_an_answer_is_cut_to_the_longest_pdu_that_the_peer_takes(port: int) -> None:
    with Peer(port) as peer:
        peer.associate(associate_rq(maximum_length=32))
        peer.command(1, echo_rq())
        command, kind = b"", DATA
        while True:
            kind, body = peer.read()
            assert kind == DATA
            assert len(body) <= 32
            command += body[6:]
            if body[5] & 2:
                break
        assert len(command) > 32


def test_an_operation_that_is_not_performed_is_answered_and_the_association_goes_on(
    port: int,
) -> None:
    find = command_set(e0002=ui(CT), e0100=us(0x0020), e0110=us(1), e0800=us(1))
    cancel = command_set(e0100=us(0x0FFF), e0120=us(1), e0800=us(0x0101))
    with Peer(port) as peer:
        peer.associate()
        peer.command(3, find)
        peer.data(3, b"an identifier")
        assert peer.status() == 0x0211
        peer.command(3, cancel)
        assert peer.echo() == 0
        peer.release()


def test_stop_aborts_who_is_idle_at_once_and_who_stalls_after_the_grace(
    service: DimseService, archive: Archive
) -> None:
    objects = archive.settings.data_dir / "objects"

    def has_begun() -> bool:
        return any(path.is_file() for path in objects.rglob("*"))

    with Peer(service.port) as idle, Peer(service.port) as stalled:
        idle.associate()
        stalled.associate()
        stalled.command(3, store_rq("1.2"))
        stalled.data(3, bytes(2 * MIB), last=False)
        assert eventually(has_begun)
        began = time.monotonic()
        stopping = threading.Thread(target=service.stop, args=(1.0,))
        stopping.start()
        assert idle.read()[0] == ABORT
        assert time.monotonic() - began < 0.5
        assert stalled.read()[0] in (ABORT, 0)
        assert 0.9 < time.monotonic() - began < 2
        stopping.join()
        assert not has_begun()
        with pytest.raises(ConnectionRefusedError):
            Peer(service.port)

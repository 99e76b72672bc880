"""Who may call, from where, how often at once and what for (PS3.8 9.3.4, PS3.7 C.5)."""

import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from dimse_peer import (
    ASSOCIATE_RJ,
    CT_CONTEXT,
    ECHO_CONTEXT,
    EXPLICIT,
    Peer,
    associate_rq,
    command_set,
    store_rq,
    ui,
    us,
)
from senders import made

from hounsfield.archive import peers
from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import InvalidPeer, Unavailable
from hounsfield.archive.peers import Book
from hounsfield.conf.settings import DatabaseSettings, DimseSettings, Settings
from hounsfield.db.repositories.peers import Peer as Entry

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
CONTEXTS = (
    ECHO_CONTEXT,
    CT_CONTEXT,
    (5, STUDY_ROOT_FIND, (EXPLICIT,)),
    (7, STUDY_ROOT_GET, (EXPLICIT,)),
    (9, STUDY_ROOT_MOVE, (EXPLICIT,)),
)
NOT_AUTHORIZED = 0x0124
CT1 = Entry("CT1", addresses=("127.0.0.1",), may_store=True)
LOCAL = DimseSettings(port=0, handshake_seconds=2)


def calls(port: int, calling: str, source: str = "127.0.0.1", host: str = "127.0.0.1") -> bytes:
    """The answer to an association request: its type, and of a rejection the three codes."""
    with Peer(port, host, source) as peer:
        peer.send(associate_rq(CONTEXTS, calling=calling.encode()))
        kind, body = peer.read()
        return bytes((kind, *body[1:4])) if kind == ASSOCIATE_RJ else bytes((kind,))


ACCEPTED = b"\x02"
REJECTED_CALLING = b"\x03\x01\x01\x03"
REJECTED_LIMIT = b"\x03\x02\x03\x02"


def retrieve(context_id: int, command_field: int, sop_class_uid: str) -> bytes:
    return command_set(
        e0002=ui(sop_class_uid), e0100=us(command_field), e0110=us(5), e0700=us(0), e0800=us(0)
    )


def status_of_store(peer: Peer) -> int:
    instance = made()
    peer.command(3, store_rq(instance.sop))
    peer.data(3, instance.data_set)
    return peer.status()


def status_of_query(peer: Peer, context_id: int, command_field: int, sop_class_uid: str) -> int:
    peer.command(context_id, retrieve(context_id, command_field, sop_class_uid))
    peer.data(context_id, bytes.fromhex("0800 5200 4353 0600 53545544592020"[:-2]))
    return peer.status()


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_a_peer_is_held_to_the_address_that_it_is_bound_to(port: int, archive: Archive) -> None:
    peers.add(archive, CT1)
    peers.add(archive, Entry("CT2", addresses=("127.9.0.0/16", "::1"), may_store=True))
    assert eventually(lambda: calls(port, "CT1", "127.0.0.2") == REJECTED_CALLING)
    assert calls(port, "CT1") == ACCEPTED
    assert calls(port, "CT2") == REJECTED_CALLING
    assert calls(port, "CT2", "127.9.8.7") == ACCEPTED
    assert calls(port, "ANYBODY", "127.0.0.2") == ACCEPTED, "on loopback the unknown may call"


def test_what_a_peer_may_not_do_is_refused_with_0124_and_a_comment(
    port: int, archive: Archive
) -> None:
    peers.add(archive, CT1)
    peers.add(archive, Entry("WS1", addresses=("127.0.0.1",), may_find=True))
    assert eventually(lambda: calls(port, "WS1", "127.0.0.2") == REJECTED_CALLING)
    with Peer(port) as ct:
        ct.associate(associate_rq(CONTEXTS, calling=b"CT1"))
        assert status_of_store(ct) == 0
        for context_id, field, sop_class in (
            (5, 0x20, STUDY_ROOT_FIND),
            (7, 0x10, STUDY_ROOT_GET),
            (9, 0x21, STUDY_ROOT_MOVE),
        ):
            assert status_of_query(ct, context_id, field, sop_class) == NOT_AUTHORIZED
        assert ct.echo() == 0
        ct.release()
    with Peer(port) as ws:
        ws.associate(associate_rq(CONTEXTS, calling=b"WS1"))
        ws.command(3, store_rq(made().sop))
        ws.data(3, made().data_set)
        response = ws.response()
        assert int.from_bytes(response[0x0900], "little") == NOT_AUTHORIZED
        assert b"may not store" in response[0x0902]


def test_a_change_of_the_book_counts_within_seconds_on_an_open_association(
    port: int, archive: Archive
) -> None:
    peers.add(archive, CT1)
    with Peer(port) as ct:
        ct.associate(associate_rq(CONTEXTS, calling=b"CT1"))
        assert status_of_store(ct) == 0
        peers.change(archive, replace(CT1, may_store=False, may_find=True))
        assert eventually(lambda: status_of_store(ct) == NOT_AUTHORIZED)


def test_a_peer_has_its_own_limit_of_associations(port: int, archive: Archive) -> None:
    peers.add(archive, replace(CT1, max_associations=1))
    assert eventually(lambda: calls(port, "CT1", "127.0.0.2") == REJECTED_CALLING)
    with Peer(port) as first:
        first.associate(associate_rq(CONTEXTS, calling=b"CT1"))
        assert calls(port, "CT1") == REJECTED_LIMIT
        assert calls(port, "CT2") == ACCEPTED, "others have theirs"
        first.release()
    for _ in range(5):
        with Peer(port) as again:
            again.associate(associate_rq(CONTEXTS, calling=b"CT1"))
            again.release()


class TestOnlyKnown:
    """With ``require_known_callers``."""

    @pytest.fixture
    def dimse_settings(self) -> DimseSettings:
        return LOCAL.model_copy(update={"require_known_callers": True})

    def test_who_is_not_in_the_book_is_rejected(self, port: int, archive: Archive) -> None:
        assert calls(port, "CT1") == REJECTED_CALLING
        peers.add(archive, replace(CT1, addresses=()))
        assert eventually(lambda: calls(port, "CT1") == ACCEPTED)
        with Peer(port) as ct:
            ct.associate(associate_rq(CONTEXTS, calling=b"CT1"))
            peers.remove(archive, "CT1")
            assert eventually(lambda: status_of_store(ct) == NOT_AUTHORIZED)


class TestBeyondLoopback:
    """With a host that other machines reach; 127.0.0.2 stands for one of its addresses."""

    @pytest.fixture
    def dimse_settings(self) -> DimseSettings:
        return LOCAL.model_copy(update={"host": "0.0.0.0"})

    def test_it_stays_on_loopback_until_a_peer_is_bound(self, port: int, archive: Archive) -> None:
        assert calls(port, "CT1") == REJECTED_CALLING
        assert not _is_open(port)
        with pytest.raises(InvalidPeer, match="has to be bound"):
            peers.add(archive, replace(CT1, addresses=()))
        peers.add(archive, Entry("ARCHIVE", host="10.0.0.9", may_receive=True))
        peers.add(archive, CT1)
        assert eventually(lambda: _is_open(port))
        assert calls(port, "CT1", host="127.0.0.2") == ACCEPTED
        assert calls(port, "CT1", "127.0.0.5", "127.0.0.2") == REJECTED_CALLING
        assert calls(port, "ANYBODY", host="127.0.0.2") == REJECTED_CALLING
        assert calls(port, "ARCHIVE", host="127.0.0.2") == REJECTED_CALLING
        with Peer(port, "127.0.0.2") as open_before:
            open_before.associate(associate_rq(CONTEXTS, calling=b"CT1"))
            peers.remove(archive, "CT1")
            assert eventually(lambda: not _is_open(port))
            assert open_before.echo() == 0, "an association that is open goes on"
        assert calls(port, "CT1") == REJECTED_CALLING


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.2", port)) == 0


def test_an_entry_that_cannot_be_says_why(archive: Archive) -> None:
    for wrong, words in (
        ({"ae_title": ""}, "AE title"),
        ({"ae_title": "SEVENTEEN_LETTERS"}, "AE title"),
        ({"ae_title": "A\\B"}, "AE title"),
        ({"host": "not a host"}, "host"),
        ({"port": 0}, "port"),
        ({"addresses": ("10.0.0.300",)}, "no address"),
        ({"certificate": "sha256:12"}, "64 hexadecimal"),
        ({"certificate": "two words"}, "a name in the certificate"),
        ({"max_associations": 0}, "1 or more"),
        ({"preferred_transfer_syntaxes": ("JPEG",)}, "a UID"),
        ({"may_receive": True}, "has no host"),
    ):
        with pytest.raises(InvalidPeer, match=words):
            peers.add(archive, replace(CT1, **wrong))
    with pytest.raises(InvalidPeer, match="change or remove"):
        for _ in range(2):
            peers.add(archive, CT1)


def test_an_entry_is_kept_in_one_form(archive: Archive) -> None:
    kept = peers.add(
        archive,
        Entry(
            " PACS ",
            host="[::1]",
            addresses=("10.1.2.3/16", "10.9.9.9/32", " FD00::1 "),
            certificate="SHA256:" + ":".join(["AB"] * 32),
        ),
    )
    assert kept.ae_title == "PACS"
    assert kept.host == "::1"
    assert kept.addresses == ("10.1.0.0/16", "10.9.9.9", "fd00::1")
    assert kept.certificate == "sha256:" + "ab" * 32
    assert peers.bound_to_host(replace(kept, host="10.0.0.7")).addresses == ("10.0.0.7",)
    assert peers.bound_to_host(replace(kept, host="pacs.example", addresses=())).addresses == ()


def test_a_book_whose_database_is_away_is_the_one_that_was_known(
    settings: Settings, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = DatabaseSettings(url="postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        Book(Archive(settings.model_copy(update={"database": gone}))).peers()
    monkeypatch.setattr(peers, "FRESH_SECONDS", -1)
    book = Book(archive)
    peers.add(archive, CT1)
    assert book.peers()["CT1"] == CT1
    archive.database.close()
    archive.database.url = gone.url.get_secret_value() if gone.url else ""
    assert book.peers()["CT1"] == CT1

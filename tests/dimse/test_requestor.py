"""Associations that we open: against ourselves, against dcmtk, and against peers that misbehave."""

import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest
from dimse_peer import CT, EXPLICIT, IMPLICIT, VERIFICATION, elements, item, pdu, pdv
from factories import ct_slice
from pydicom import dcmread
from scp import running
from senders import made

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import PeerAborted, PeerFailed, PeerRejected, PeerUnreachable
from hounsfield.archive.retrieve import find_instances_sync
from hounsfield.conf.settings import DimseSettings, Settings
from hounsfield.dimse.associate import ProposedContext
from hounsfield.dimse.command import C_ECHO_RQ, C_STORE_RQ
from hounsfield.dimse.requestor import Destination, Requestor
from hounsfield.dimse.requests import encode_request
from hounsfield.dimse.response import Response

WORKLIST = "1.2.840.10008.5.1.4.31"  # nothing that we serve
CONTEXTS = (
    ProposedContext(1, VERIFICATION, (IMPLICIT,)),
    ProposedContext(3, CT, (EXPLICIT, IMPLICIT)),
    ProposedContext(5, WORKLIST, (IMPLICIT,)),
)
QUICK = Settings(dimse=DimseSettings(connect_seconds=2, idle_seconds=2))


def echo(requestor: Requestor) -> Response:
    context = requestor.context_for(VERIFICATION)
    assert context is not None
    requestor.send(context, encode_request(C_ECHO_RQ, 7, VERIFICATION))
    answered, response, data = requestor.receive()
    assert (answered, data, response.message_id) == (context, None, 7)
    return response


def store(requestor: Requestor, sop_instance_uid: str, data_set: bytes, piece: int) -> Response:
    context = requestor.context_for(CT, {EXPLICIT})
    assert context is not None
    command = encode_request(
        C_STORE_RQ, 9, CT, sop_instance_uid=sop_instance_uid, has_data_set=True, priority=0
    )
    pieces = (data_set[n : n + piece] for n in range(0, len(data_set), piece))
    requestor.send(context, command, pieces)
    return requestor.receive()[1]


@pytest.mark.parametrize("piece", [7, 1000, 10**6])
def test_our_own_server_answers_and_stores(
    port: int, archive: Archive, settings: Settings, piece: int
) -> None:
    instance = made(ct_slice(rows=400, columns=400))
    us = Destination("HOUNSFIELD", "127.0.0.1", port)
    with Requestor(us, settings, CONTEXTS) as requestor:
        assert set(requestor.contexts) == {1, 3}
        assert requestor.context_for(WORKLIST) is None
        assert requestor.context_for(CT, {IMPLICIT}) is None
        assert echo(requestor).status.code == 0
        assert store(requestor, instance.sop, instance.data_set, piece).status.code == 0
        assert store(requestor, "not a UID", instance.data_set, piece).status.code == 0x0117
    assert len(find_instances_sync(archive, None, None, instance.sop)) == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[Destination]:
    def answers(port: int) -> bool:
        with suppress(PeerFailed), Requestor(peer_at(port), QUICK, CONTEXTS):
            return True
        return False

    def peer_at(port: int) -> Destination:
        return Destination("DCMTK", "127.0.0.1", port)

    with running(
        lambda port: ["storescp", *options, "-aet", "DCMTK", "-od", folder, port], answers
    ) as port:
        yield peer_at(port)


@pytest.mark.skipif(shutil.which("storescp") is None, reason="needs dcmtk")
@pytest.mark.parametrize("maximum", ["4096", "131072"])
def test_dcmtk_takes_what_we_send_however_short_its_pdus(tmp_path: Path, maximum: str) -> None:
    instance = made(ct_slice(rows=500, columns=401))
    with storescp(tmp_path, "-pdu", maximum) as peer, Requestor(peer, QUICK, CONTEXTS) as requestor:
        assert requestor.accept.maximum_length <= int(maximum)
        assert echo(requestor).status.code == 0
        for _ in range(2):
            assert store(requestor, instance.sop, instance.data_set, 4099).status.code == 0
    (path,) = tmp_path.iterdir()
    assert dcmread(path).PixelData == dcmread(BytesIO(instance.file)).PixelData


def accept(*contexts: int, maximum: int = 16384) -> bytes:
    """An A-ASSOCIATE-AC for these contexts."""
    body = struct.pack(">H2x16s16s32x", 1, b"X".ljust(16), b"Y".ljust(16))
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for context in contexts:
        body += item(0x21, bytes((context, 0, 0, 0)) + item(0x40, IMPLICIT.encode()))
    return pdu(2, body + item(0x50, item(0x51, struct.pack(">I", maximum))))


@contextmanager
def scripted(*answers: bytes, then: str = "wait") -> Iterator[Destination]:
    """A peer that answers each thing that it hears with the next of these, then waits or not."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            sock, _ = listener.accept()
            with sock:
                for answer in answers:
                    if not sock.recv(100_000):
                        return
                    sock.sendall(answer)
                if then == "wait":
                    done.wait(20)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Destination("SCRIPT", "127.0.0.1", listener.getsockname()[1])
    finally:
        done.set()
        listener.close()
        thread.join(10)


def open_it(peer: Destination) -> None:
    with Requestor(peer, QUICK, CONTEXTS, calling_ae_title="US"):
        pass


def echo_it(peer: Destination) -> None:
    with Requestor(peer, QUICK, CONTEXTS) as requestor:
        echo(requestor)


REJECTED = pdu(3, bytes((0, 1, 1, 3)))
ABORTED = pdu(7, bytes(4))
REQUEST = pdu(4, pdv(1, 3, encode_request(C_ECHO_RQ, 1, VERIFICATION)))


@pytest.mark.parametrize(
    ("do", "answers", "then", "error", "words"),
    [
        (open_it, [REJECTED], "wait", PeerRejected, "does not know our AE title, US"),
        (open_it, [pdu(3, bytes((0, 2, 3, 2)))], "wait", PeerRejected, r"\(2/3/2\)"),
        (open_it, [pdu(3, bytes((0, 1, 1, 7)))], "wait", PeerRejected, "is not called SCRIPT"),
        (open_it, [ABORTED], "wait", PeerAborted, "instead of answering"),
        (open_it, [b""], "close", PeerAborted, "closed the connection"),
        (open_it, [b""], "wait", PeerUnreachable, "does not answer"),
        (open_it, [b"\x15\x03\x03\x00\x02\x02\x46"], "wait", PeerAborted, "expect TLS"),
        (open_it, [accept(1)[:40]], "close", PeerAborted, "closed"),
        (open_it, [pdu(2, accept(1)[6:90])], "wait", PeerAborted, "breaks the protocol"),
        (open_it, [accept(1, maximum=5)], "wait", PeerAborted, "too short"),
        (open_it, [struct.pack(">BxI", 2, 2**31)], "wait", PeerAborted, "breaks the protocol"),
        (echo_it, [accept(1), ABORTED], "wait", PeerAborted, "aborted the association"),
        (echo_it, [accept(1), pdu(5, bytes(4))], "wait", PeerAborted, "ended the association"),
        (echo_it, [accept(1), b""], "close", PeerAborted, "closed the connection"),
        (echo_it, [accept(1), b""], "wait", PeerUnreachable, "does not answer"),
        (echo_it, [accept(1), REQUEST], "wait", PeerAborted, "request 0030H"),
        (echo_it, [accept(1), pdu(4, pdv(3, 3, b""))], "wait", PeerAborted, "no context"),
        (echo_it, [accept(1), pdu(4, b"\0\0")], "wait", PeerAborted, "without its header"),
    ],
)
def test_a_peer_that_refuses_breaks_off_or_makes_no_sense_is_an_error_in_words(
    do: Callable[[Destination], None],
    answers: list[bytes],
    then: str,
    error: type[PeerFailed],
    words: str,
) -> None:
    with scripted(*answers, then=then) as peer, pytest.raises(error, match=words):
        do(peer)


def test_a_peer_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(PeerUnreachable, match="nothing listens on port"):
        open_it(Destination("GONE", "127.0.0.1", free_port()))
    with pytest.raises(PeerUnreachable, match="is not known"):
        open_it(Destination("GONE", "no-such-host.invalid", 104))


def test_a_release_without_an_answer_is_the_end_all_the_same() -> None:
    with scripted(accept(1), then="close") as peer:
        open_it(peer)


def test_a_context_in_a_syntax_that_we_did_not_propose_is_not_used() -> None:
    contexts = [ProposedContext(1, CT, (EXPLICIT,))]
    with scripted(accept(1), pdu(6, bytes(4))) as peer, Requestor(peer, QUICK, contexts) as asked:
        assert asked.contexts == {}


def test_a_request_says_what_is_in_it() -> None:
    command = encode_request(
        C_STORE_RQ,
        3,
        CT,
        sop_instance_uid="1.2.3",
        has_data_set=True,
        priority=0,
        move_originator=("WS1", 8),
    )
    found = elements(command)
    assert list(found) == sorted(found)
    assert found[0x1030] == b"WS1 "
    assert found[0x1031] == b"\x08\0"
    assert found[0x0800] != b"\x01\x01"

"""A query with more matches than anybody reads: it streams, and it ends when the peer says so."""

import struct
import time
from collections.abc import Iterator

import pytest
from dimse_peer import (
    ABORT,
    ABORT_PDU,
    DATA,
    EXPLICIT,
    RELEASE_RP,
    RELEASE_RQ_PDU,
    VERIFICATION,
    Peer,
    associate_rq,
    command_set,
    echo_rq,
    elements,
    pdu,
    pdv,
    ui,
    us,
)
from dimse_scu import STUDY_ROOT_FIND, associated, dataset_of, find, find_on
from pynetdicom.dsutils import encode
from sqlalchemy import text

from hounsfield.archive.archive import Archive
from hounsfield.dimse.service import DimseService

MANY = 2500
CONTEXTS = [(1, VERIFICATION, [EXPLICIT]), (3, str(STUDY_ROOT_FIND), [EXPLICIT])]
MADE = """
INSERT INTO study (study_instance_uid, patient_id, issuer_of_patient_id, patient_name,
    patient_name_folded, patient_birth_date, patient_sex, study_date, study_time,
    accession_number, referring_physician_name, referring_physician_name_folded, study_id,
    study_description, attributes)
SELECT '1.2.' || n, 'M-' || n, '', 'Many', 'many', '', '', '2024010' || n % 7, '', '', '', '', '',
    '', convert_to('"0020000D":{"vr":"UI","Value":["1.2.' || n || '"]}', 'UTF8')
FROM generate_series(1, :many) AS n
"""


@pytest.fixture
def many(archive: Archive) -> Archive:
    """An archive with many studies."""
    with archive.database.transaction() as connection:
        connection.execute(text(MADE), {"many": MANY})
    return archive


@pytest.fixture
def peer(many: Archive, port: int) -> Iterator[Peer]:
    """A peer that may ask."""
    with Peer(port) as peer:
        peer.associate(associate_rq(CONTEXTS))
        yield peer


def find_rq(message_id: int = 7) -> bytes:
    return command_set(
        e0002=ui(str(STUDY_ROOT_FIND)),
        e0100=us(0x20),
        e0110=us(message_id),
        e0700=us(0),
        e0800=us(1),
    )


def cancel_rq(message_id: int = 7) -> bytes:
    return command_set(e0100=us(0x0FFF), e0120=us(message_id), e0800=us(0x0101))


def identifier() -> bytes:
    dataset = dataset_of({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""})
    encoded = encode(dataset, False, True)
    assert encoded is not None
    return encoded


ASK = pdu(DATA, pdv(3, 3, find_rq())) + pdu(DATA, pdv(3, 2, identifier()))


def responses(peer: Peer) -> Iterator[int]:
    """The status of each response, past the data sets that go with them."""
    while True:
        kind, body = peer.read()
        assert kind == DATA, (kind, body)
        if body[5] & 1:
            status = int.from_bytes(elements(body[6:])[0x0900], "little")
            yield status
            if status not in (0xFF00, 0xFF01):
                return


def test_every_match_is_answered_once_however_many_pages_it_takes(many: Archive, port: int) -> None:
    found, _, last = find(port, "STUDY", StudyInstanceUID="", PatientName="many")
    assert (last.Status, len(found)) == (0, MANY)
    assert len({each.StudyInstanceUID for each in found}) == MANY


def test_a_cancel_that_is_there_before_the_first_match_leaves_no_match_to_answer(
    peer: Peer,
) -> None:
    peer.send(ASK + pdu(DATA, pdv(3, 3, cancel_rq())))
    assert list(responses(peer)) == [0xFE00]
    same_pdu = pdu(DATA, pdv(3, 2, identifier()) + pdv(3, 3, cancel_rq()))
    peer.send(pdu(DATA, pdv(3, 3, find_rq())) + same_pdu)
    assert list(responses(peer)) == [0xFE00]
    assert peer.echo() == 0
    peer.release()


def test_a_cancel_in_fragments_or_of_another_message_is_told_apart(peer: Peer) -> None:
    other = pdu(DATA, pdv(3, 3, cancel_rq(8)))
    peer.send(ASK + other)
    assert list(responses(peer)) == [0xFF00] * MANY + [0]
    command = cancel_rq()
    halves = pdu(DATA, pdv(3, 1, command[:20])) + pdu(DATA, pdv(3, 3, command[20:]))
    peer.send(ASK + halves)
    assert list(responses(peer)) == [0xFE00]


def test_a_cancel_after_some_matches_ends_the_answer_and_the_association_goes_on(
    many: Archive, port: int
) -> None:
    with associated(port, [(STUDY_ROOT_FIND, [EXPLICIT])]) as association:
        asked = dataset_of({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""})
        statuses = []
        for status, _ in association.send_c_find(asked, STUDY_ROOT_FIND, msg_id=9):
            if not statuses:
                association.send_c_cancel(9, query_model=STUDY_ROOT_FIND)
            statuses.append(status.Status)
        # What was on its way already still comes; then it ends, with one answer or the other.
        assert statuses[-1] in (0xFE00, 0x0000)
        assert set(statuses[:-1]) == {0xFF00}
        asked.StudyInstanceUID = "1.2.7"
        assert len(find_on(association, asked)[0]) == 1


def test_a_release_in_the_middle_of_an_answer_is_answered(peer: Peer) -> None:
    peer.send(ASK + RELEASE_RQ_PDU)
    kinds = []
    while (kind := peer.read()[0]) == DATA:
        kinds.append(kind)
    assert kind == RELEASE_RP
    assert len(kinds) < 2 * MANY


def test_an_abort_in_the_middle_of_an_answer_leaves_nothing_behind(
    peer: Peer, service: DimseService
) -> None:
    peer.send(ASK + ABORT_PDU)
    deadline = time.monotonic() + 10
    while service._associations._threads and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not service._associations._threads


def test_another_request_before_the_answer_is_through_is_an_abort(peer: Peer) -> None:
    peer.send(ASK + pdu(DATA, pdv(1, 3, echo_rq())))
    while (answer := peer.read())[0] == DATA:
        pass
    assert answer[0] == ABORT
    assert answer[1][3] == 5  # unexpected PDU parameter


def test_an_identifier_without_an_end_is_let_pass_and_refused(peer: Peer) -> None:
    peer.command(3, find_rq())
    long = identifier() + struct.pack("<HH2xI", 0x0020, 0x4000, 0) * 150_000
    peer.data(3, long)
    assert list(responses(peer)) == [0xA700]
    assert peer.echo() == 0


@pytest.mark.parametrize("data", [b"\x08", b"\x08\0\x52\0CS\xff\xff", b"\xff" * 64])
def test_an_identifier_that_cannot_be_read_is_c000(peer: Peer, data: bytes) -> None:
    peer.command(3, find_rq())
    peer.data(3, data)
    assert list(responses(peer))[-1] in (0xC000, 0xA900)
    assert peer.echo() == 0


def test_a_find_on_a_context_of_another_class_is_refused(peer: Peer) -> None:
    peer.command(1, find_rq())
    peer.data(1, identifier())
    assert list(responses(peer)) == [0x0211]
    peer.command(3, find_rq().replace(b"2.2.1\0", b"2.1.1\0"))
    peer.data(3, identifier())
    assert list(responses(peer)) == [0x0122]

"""Storage commitment as provider: what is answered is true, is owed, and reaches who asked."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from dimse_pacs import COMMITMENT as PUSH_MODEL
from dimse_pacs import WELL_KNOWN, free_port
from dimse_peer import (
    CT,
    EXPLICIT,
    IMPLICIT,
    RELEASE_RQ_PDU,
    VERIFICATION,
    Peer,
    associate_rq,
    command_set,
    ui,
    us,
)
from factories import ct_slice, encode, new_uid
from pydicom import Dataset
from pynetdicom import AE, evt
from sqlalchemy import text
from waiting import eventually

from hounsfield.archive.archive import Archive
from hounsfield.archive.delete import delete
from hounsfield.archive.errors import Committed
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.types import Source
from hounsfield.conf.settings import OutgoingSettings, Settings
from hounsfield.db.repositories import commitments
from hounsfield.db.repositories.deletions import Resource
from hounsfield.db.repositories.peers import Peer as KnownPeer
from hounsfield.db.repositories.peers import add_peer
from hounsfield.dimse.commitment_data import MOST_REFERENCES, encode_request
from hounsfield.dimse.service import DimseService

CONTEXTS = [(1, VERIFICATION, [IMPLICIT]), (3, PUSH_MODEL, [IMPLICIT])]
MR = "1.2.840.10008.5.1.4.1.1.4"
UNKNOWN, CONFLICT, NO_STORAGE, DUPLICATE = 0x0112, 0x0119, 0x0122, 0x0131


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Quick retries."""
    outgoing = OutgoingSettings(retry_seconds=0.2, longest_retry_seconds=0.5)
    return settings.model_copy(update={"outgoing": outgoing})


def stored(archive: Archive, **attributes: Any) -> Dataset:
    dataset = ct_slice(**attributes)
    store_bytes(archive, Source("IMPORT"), encode(dataset))
    return dataset


class Scu:
    """A stranger that asks, and hears reports on its association and on a port of its own."""

    def __init__(self, port: int, listens_on: int | None = None) -> None:
        self.reports: list[tuple[str, dict[str, int]]] = []
        self.answer = 0x0000
        self._port = port
        self._handlers = [(evt.EVT_N_EVENT_REPORT, self._hear)]
        self.ae = AE("MODALITY")
        self.ae.add_requested_context(PUSH_MODEL, [IMPLICIT])
        self.ae.add_supported_context(
            PUSH_MODEL, [EXPLICIT, IMPLICIT], scu_role=False, scp_role=True
        )
        self._server = None
        if listens_on is not None:
            self.listen(listens_on)

    def listen(self, port: int) -> None:
        address = ("127.0.0.1", port)
        self._server = self.ae.start_server(address, block=False, evt_handlers=self._handlers)

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()

    @contextmanager
    def associated(self) -> Iterator[Any]:
        association = self.ae.associate(
            "127.0.0.1", self._port, ae_title="HOUNSFIELD", evt_handlers=self._handlers
        )
        assert association.is_established
        yield association
        association.release()

    def ask(self, association: Any, uid: str, *asked: tuple[str, str]) -> int:
        dataset = Dataset()
        dataset.TransactionUID = uid
        dataset.ReferencedSOPSequence = []
        for sop_class, sop_instance in asked:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
            dataset.ReferencedSOPSequence.append(item)
        status, _ = association.send_n_action(dataset, 1, PUSH_MODEL, WELL_KNOWN)
        return int(status.Status)

    def _hear(self, event: Any) -> tuple[int, None]:
        said = event.event_information
        outcome = {
            str(i.ReferencedSOPInstanceUID): 0 for i in said.get("ReferencedSOPSequence", [])
        }
        failed = said.get("FailedSOPSequence", [])
        outcome |= {str(i.ReferencedSOPInstanceUID): int(i.FailureReason) for i in failed}
        assert event.event_type == (2 if failed else 1)
        self.reports.append((str(said.TransactionUID), outcome))
        return self.answer, None


def know(archive: Archive, port: int) -> None:
    """Put the stranger into the AE book."""
    peer = KnownPeer(
        "MODALITY", host="127.0.0.1", port=port, may_store=True, may_commit=True, may_receive=True
    )
    archive.database.run(lambda connection: add_peer(connection, peer))


def state(archive: Archive) -> list[tuple[str, str]]:
    with archive.database.transaction() as connection:
        rows = connection.execute(text("SELECT state, reason FROM commitment_request ORDER BY id"))
        return [(row[0], row[1]) for row in rows]


def test_each_instance_gets_its_true_answer_on_the_association_that_asked(
    port: int, archive: Archive
) -> None:
    kept, other, damaged, deleted = (stored(archive) for _ in range(4))
    delete(archive, Resource(deleted.StudyInstanceUID))
    spoil(archive, damaged.SOPInstanceUID)
    nowhere, finding = new_uid(), new_uid()
    uid = new_uid()
    scu = Scu(port)
    with scu.associated() as association:
        asked = [
            (CT, kept.SOPInstanceUID),
            (MR, other.SOPInstanceUID),
            (CT, damaged.SOPInstanceUID),
            (CT, deleted.SOPInstanceUID),
            (CT, nowhere),
            ("1.2.840.10008.1.1", finding),
        ]
        assert scu.ask(association, uid, *asked) == 0
        assert eventually(lambda: bool(scu.reports))
        assert scu.ask(association, uid, *asked) == DUPLICATE
    expected = {
        kept.SOPInstanceUID: 0,
        other.SOPInstanceUID: CONFLICT,
        damaged.SOPInstanceUID: 0x0110,
        deleted.SOPInstanceUID: UNKNOWN,
        nowhere: UNKNOWN,
        finding: NO_STORAGE,
    }
    assert scu.reports == [(uid, expected)]
    assert eventually(lambda: state(archive) == [("reported", "")])


def spoil(archive: Archive, sop_instance_uid: str) -> None:
    """Change a byte of a stored object: its row knows nothing of it."""
    with archive.database.transaction() as connection:
        query = text("SELECT object_key FROM instance WHERE sop_instance_uid = :uid")
        key = connection.execute(query, {"uid": sop_instance_uid}).scalar_one()
    path = archive.settings.data_dir / "objects" / str(key)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def asking(uid: str, *asked: str, **changes: bytes) -> tuple[bytes, bytes]:
    """Command set and data set of an N-ACTION-RQ."""
    command = {
        "e0003": ui(PUSH_MODEL),
        "e0100": us(0x0130),
        "e0110": us(1),
        "e0800": us(1),
        "e1001": ui(WELL_KNOWN),
        "e1008": us(1),
    }
    return command_set(**(command | changes)), encode_request(
        uid, [(CT, one) for one in asked], IMPLICIT
    )


def test_who_leaves_at_once_is_told_on_a_new_association_until_it_takes_the_answer(
    port: int, archive: Archive
) -> None:
    kept = stored(archive)
    listens_on, uid = free_port(), new_uid()
    with Peer(port) as peer:
        peer.associate(associate_rq(CONTEXTS, calling=b"MODALITY"))
        command, data = asking(uid, str(kept.SOPInstanceUID))
        peer.command(3, command)
        peer.data(3, data)
        peer.send(RELEASE_RQ_PDU)
        assert peer.status() == 0
    assert eventually(lambda: "AE book" in state(archive)[0][1])
    know(archive, listens_on)
    assert eventually(lambda: "AE book" not in state(archive)[0][1])
    with closing(Scu(port)) as scu:
        scu.answer = 0x0110
        scu.listen(listens_on)
        assert eventually(lambda: "status 0110H" in state(archive)[0][1])
        scu.answer = 0x0000
        assert eventually(lambda: state(archive) == [("reported", "")])
        assert set(map(str, scu.reports)) == {str((uid, {kept.SOPInstanceUID: 0}))}


def test_an_answer_is_owed_through_the_death_of_the_service(
    archive: Archive, settings: Settings
) -> None:
    kept = stored(archive)
    listens_on, uid = free_port(), new_uid()
    know(archive, listens_on)
    archive.database.run(
        lambda connection: commitments.add(
            connection, "MODALITY", uid, [(CT, kept.SOPInstanceUID)], 0
        )
    )
    with closing(Scu(0, listens_on)) as scu:
        service = DimseService(archive)
        service.start()
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        try:
            assert eventually(lambda: scu.reports == [(uid, {kept.SOPInstanceUID: 0})], 20)
        finally:
            service.stop(grace_seconds=5)
            thread.join(10)


def test_what_is_committed_is_not_deleted_but_by_who_says_so(port: int, archive: Archive) -> None:
    kept = stored(archive)
    also = stored(archive, StudyInstanceUID=kept.StudyInstanceUID)
    scu = Scu(port)
    with scu.associated() as association:
        assert scu.ask(association, new_uid(), (CT, kept.SOPInstanceUID)) == 0
        assert eventually(lambda: bool(scu.reports))
    study = str(kept.StudyInstanceUID)
    instance = (study, str(kept.SeriesInstanceUID), str(kept.SOPInstanceUID))
    for resource in (Resource(study), Resource(*instance[:2]), Resource(*instance)):
        with pytest.raises(Committed, match="1 of its instances"):
            delete(archive, resource)
    delete(archive, Resource(study, str(also.SeriesInstanceUID)))
    delete(archive, Resource(study), override_commitment=True)


@pytest.mark.parametrize(
    ("changes", "data", "status"),
    [
        ({"e0003": ui("1.2.840.10008.1.20.2")}, None, 0x0118),
        ({"e1001": ui("1.2.3")}, None, 0x0112),
        ({"e1008": us(2)}, None, 0x0123),
        ({}, b"no data set", 0x0115),
        ({}, b"", 0x0115),
        ({}, encode_request("1.2.3", [], IMPLICIT), 0x0115),
        ({}, encode_request("", [(CT, "1.2")], IMPLICIT), 0x0115),
        ({}, encode_request("1.2.3", [("", "1.2")], IMPLICIT), 0x0115),
        ({}, encode_request("1.2.3", [(CT, "1.2")] * (MOST_REFERENCES + 1), IMPLICIT), 0x0213),
        ({}, bytes(9 * 1024 * 1024), 0x0213),
    ],
)
def test_a_request_that_is_none_is_refused_in_words_and_the_association_goes_on(
    port: int, archive: Archive, changes: dict[str, bytes], data: bytes | None, status: int
) -> None:
    command, usual = asking("1.2.3", "1.2", **changes)
    with Peer(port) as peer:
        peer.associate(associate_rq(CONTEXTS))
        peer.socket.settimeout(60)
        peer.command(3, command)
        peer.data(3, usual if data is None else data)
        response = peer.response()
        assert int.from_bytes(response[0x0900], "little") == status
        assert response[0x0902]
        assert peer.echo() == 0
    assert state(archive) == []


def test_whoever_asks_again_before_the_report_has_come_is_served(
    port: int, archive: Archive
) -> None:
    """Requests that cross our report: the association goes on, and every answer is given."""
    kept = stored(archive)
    listens_on = free_port()
    know(archive, listens_on)
    uids = [new_uid() for _ in range(20)]
    with closing(Scu(port, listens_on)) as scu:
        with Peer(port) as peer:
            peer.associate(associate_rq(CONTEXTS, calling=b"MODALITY"))
            for n, uid in enumerate(uids):
                command, data = asking(uid, str(kept.SOPInstanceUID), e0110=us(n))
                peer.command(3, command)
                peer.data(3, data)
            answered = [peer.response() for _ in uids]
            statuses = [r for r in answered if r[0x0100] == us(0x8130)]
            assert all(r[0x0900] == us(0) for r in statuses)
        assert eventually(lambda: {uid for uid, _ in scu.reports} == set(uids), 20)

"""C-MOVE sends to who stands in the AE book, says how far it is, and goes on after a loss."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dimse_peer import CT, EXPLICIT
from dimse_scu import PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE, associated, counters, dataset_of, kept
from factories import ct_slice, encode, series
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from hounsfield.archive.archive import Archive
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.types import Source
from hounsfield.db.repositories.peers import Peer, add_peer

COUNT = 40


class Destination:
    """A stranger's storage SCP on a free port."""

    def __init__(self, syntaxes: tuple[str, ...] = (EXPLICIT,)) -> None:
        self.received: dict[str, bytes] = {}
        self.originators: set[tuple[str, int]] = set()
        self.associations = 0
        self.answer: Callable[[int], int] = lambda n: 0x0000
        self.lock = threading.Lock()
        entity = AE("DESTINATION")
        entity.add_supported_context(CT, list(syntaxes))
        handlers: list[Any] = [(evt.EVT_C_STORE, self._store), (evt.EVT_ACCEPTED, self._accepted)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        assert self.server is not None
        self.port = self.server.server_address[1]

    def _accepted(self, event: evt.Event) -> None:
        self.associations += 1

    def _store(self, event: evt.Event) -> int:
        request = event.request
        assert request.DataSet is not None
        with self.lock:
            status = self.answer(len(self.received))
            if status == 0:
                self.received[request.AffectedSOPInstanceUID] = request.DataSet.getvalue()
            originator = request.MoveOriginatorApplicationEntityTitle
            self.originators.add((str(originator).strip(), request.MoveOriginatorMessageID))
        return status


@pytest.fixture
def destination(archive: Archive) -> Iterator[Destination]:
    """A destination that stands in the AE book."""
    made = Destination()
    know(archive, "DESTINATION", made.port)
    yield made
    made.server.shutdown()


def know(archive: Archive, ae_title: str, port: int, **may: Any) -> None:
    """Put a peer into the AE book."""
    peer = Peer(ae_title, "127.0.0.1", port, **({"may_receive": True} | may))
    with archive.database.transaction() as connection:
        add_peer(connection, peer)


@pytest.fixture
def stored(archive: Archive) -> list[Dataset]:
    """A series of CT slices."""
    slices = series(COUNT)
    for dataset in slices:
        store_bytes(archive, Source("IMPORT"), encode(dataset))
    return slices


class Moved:
    """What an SCU heard of a C-MOVE."""

    def __init__(
        self,
        port: int,
        destination: str,
        study: str,
        *,
        model: str = STUDY_ROOT_MOVE,
        cancel_after: int | None = None,
        **keys: Any,
    ) -> None:
        self.statuses: list[Dataset] = []
        self.failed: list[str] = []
        asked = dataset_of({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study} | keys)
        with associated(port, [(model, [EXPLICIT])]) as association:
            for status, identifier in association.send_c_move(asked, destination, model, 11):
                self.statuses.append(status)
                if len(self.statuses) == cancel_after:
                    association.send_c_cancel(11, query_model=model)
                if identifier is not None and "FailedSOPInstanceUIDList" in identifier:
                    uids = identifier.FailedSOPInstanceUIDList
                    self.failed = [uids] if isinstance(uids, str) else list(uids)

    @property
    def last(self) -> Dataset:
        return self.statuses[-1]


def test_a_study_arrives_byte_for_byte_over_several_associations(
    archive: Archive, stored: list[Dataset], destination: Destination, port: int
) -> None:
    moved = Moved(port, "DESTINATION", stored[0].StudyInstanceUID)
    assert (moved.last.Status, counters(moved.last)) == (0, (None, COUNT, 0, 0))
    assert destination.received == {
        d.SOPInstanceUID: kept(archive, d.SOPInstanceUID) for d in stored
    }
    assert destination.originators == {("STRANGER", 11)}
    assert 1 < destination.associations <= 4
    said = [counters(status) for status in moved.statuses[:-1]]
    assert said == [(COUNT - n, n, 0, 0) for n in range(1, COUNT + 1)]


def test_the_patient_root_moves_what_belongs_to_the_patient(
    stored: list[Dataset], destination: Destination, port: int
) -> None:
    study = stored[0].StudyInstanceUID
    moved = Moved(port, "DESTINATION", study, model=PATIENT_ROOT_MOVE)
    assert moved.last.Status == 0xA900
    moved = Moved(port, "DESTINATION", study, model=PATIENT_ROOT_MOVE, PatientID="P-1")
    assert (moved.last.Status, len(destination.received)) == (0, COUNT)


def test_a_destination_that_is_not_in_the_book_or_may_not_receive_is_a801(
    archive: Archive, stored: list[Dataset], port: int
) -> None:
    know(archive, "VIEWER", 104, may_receive=False, may_find=True)
    for title in ("NOBODY", "VIEWER"):
        moved = Moved(port, title, stored[0].StudyInstanceUID)
        assert moved.last.Status == 0xA801
        assert title in moved.last.ErrorComment


def test_a_move_to_ourselves_finds_everything_here(stored: list[Dataset], port: int) -> None:
    moved = Moved(port, "HOUNSFIELD", stored[0].StudyInstanceUID)
    assert (moved.last.Status, counters(moved.last)) == (0, (None, COUNT, 0, 0))


def test_a_destination_that_is_not_there_is_a702_and_every_instance_is_named(
    archive: Archive, stored: list[Dataset], port: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    know(archive, "AWAY", closed)
    moved = Moved(port, "AWAY", stored[0].StudyInstanceUID)
    assert (moved.last.Status, counters(moved.last)) == (0xA702, (None, 0, COUNT, 0))
    assert set(moved.failed) == {d.SOPInstanceUID for d in stored}
    assert "AWAY" in moved.last.ErrorComment


def test_what_the_destination_refuses_is_counted_and_named(
    stored: list[Dataset], destination: Destination, port: int
) -> None:
    destination.answer = lambda n: 0xA700 if n >= 30 else 0
    moved = Moved(port, "DESTINATION", stored[0].StudyInstanceUID)
    assert (moved.last.Status, counters(moved.last)) == (0xB000, (None, 30, 10, 0))
    names = {d.SOPInstanceUID for d in stored}
    assert set(moved.failed) == names - destination.received.keys()


def test_a_cancel_ends_it_and_what_is_left_is_said(
    stored: list[Dataset], destination: Destination, port: int
) -> None:
    slowly = threading.Event()

    def answer(n: int) -> int:
        slowly.wait(0.05)
        return 0

    destination.answer = answer
    moved = Moved(port, "DESTINATION", stored[0].StudyInstanceUID, cancel_after=2)
    remaining, completed, failed, _ = counters(moved.last)
    assert (moved.last.Status, failed) == (0xFE00, 0)
    assert completed == len(destination.received) < COUNT
    assert remaining == COUNT - completed


def test_an_association_that_is_lost_is_opened_again_and_goes_on(
    archive: Archive, stored: list[Dataset], port: int
) -> None:
    class Unsteady(Destination):
        lost = 0

        def _store(self, event: evt.Event) -> int:
            if len(self.received) in (5, 20) and self.lost < 2:
                self.lost += 1
                event.assoc.abort()
            return super()._store(event)

    destination = Unsteady()
    know(archive, "UNSTEADY", destination.port, max_associations=1)
    try:
        moved = Moved(port, "UNSTEADY", stored[0].StudyInstanceUID)
    finally:
        destination.server.shutdown()
    assert destination.lost == 2
    assert (moved.last.Status, counters(moved.last)) == (0, (None, COUNT, 0, 0))
    assert destination.received.keys() == {d.SOPInstanceUID for d in stored}


def test_whoever_asked_goes_away_and_no_further_instance_is_sent(
    stored: list[Dataset], destination: Destination, port: int
) -> None:
    slowly = threading.Event()

    def answer(n: int) -> int:
        slowly.wait(0.05)
        return 0

    destination.answer = answer
    asked = dataset_of(
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": stored[0].StudyInstanceUID}
    )
    with associated(port, [(STUDY_ROOT_MOVE, [EXPLICIT])]) as association:
        for _ in association.send_c_move(asked, "DESTINATION", STUDY_ROOT_MOVE):
            association.abort()
            break
    deadline = time.monotonic() + 10
    while destination.server.active_associations and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(destination.received) < COUNT
    assert not destination.server.active_associations


def test_a_class_that_the_destination_does_not_take_is_a_failure_beside_what_it_takes(
    archive: Archive, stored: list[Dataset], destination: Destination, port: int
) -> None:
    report = ct_slice(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11",
        StudyInstanceUID=stored[0].StudyInstanceUID,
        Modality="SR",
        PixelData=None,
    )
    store_bytes(archive, Source("IMPORT"), encode(report))
    moved = Moved(port, "DESTINATION", stored[0].StudyInstanceUID)
    assert (moved.last.Status, counters(moved.last)) == (0xB000, (None, COUNT, 1, 0))
    assert moved.failed == [report.SOPInstanceUID]

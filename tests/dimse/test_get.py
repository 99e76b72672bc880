"""C-GET sends what is stored, byte for byte, to who can take it, and counts what it could not."""

import io
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dimse_peer import CT, EXPLICIT, IMPLICIT
from dimse_scu import (
    PATIENT_ROOT_GET,
    STUDY_ROOT_GET,
    associated,
    counters,
    dataset_of,
    extended_negotiation,
    kept,
)
from factories import ct_slice, encode, new_uid, series
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from pynetdicom import build_role, evt
from pynetdicom.dsutils import decode

from hounsfield.archive.archive import Archive
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.retrieve import find_instances_sync
from hounsfield.archive.types import Source

BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
RLE, JPEG_LS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"
SR = "1.2.840.10008.5.1.4.1.1.88.11"
COUNT = 5


@pytest.fixture
def stored(archive: Archive) -> list[Dataset]:
    """A series of CT slices, one of them in a study of its own."""
    slices = series(COUNT - 1)
    slices.append(ct_slice(PatientID=slices[0].PatientID))
    for dataset in slices:
        store_bytes(archive, Source("IMPORT"), encode(dataset))
    return slices


class Taker:
    """An SCU that gets: what it received, and what it heard."""

    def __init__(
        self,
        port: int,
        contexts: list[tuple[str, list[str]]] | None = None,
        *,
        model: str = STUDY_ROOT_GET,
        answer: int = 0x0000,
        options: bytes = b"",
    ) -> None:
        self.port, self.model, self.answer, self.options = port, model, answer, options
        self.contexts = contexts or [(CT, [EXPLICIT])]
        self.received: dict[str, bytes] = {}
        self.statuses: list[Dataset] = []
        self.failed: list[str] = []
        self.cancel_after: int | None = None

    def get(self, level: str, **keys: Any) -> Dataset:
        """One C-GET on an association of its own; the last response."""
        roles = [build_role(uid, scp_role=True) for uid, _ in self.contexts]
        items: list[Any] = list(roles)
        if self.options:
            items.append(extended_negotiation(self.model, self.options))
        contexts = [(self.model, [EXPLICIT]), *self.contexts]
        handlers = [(evt.EVT_C_STORE, self._store)]
        with associated(self.port, contexts, items, handlers) as association:
            asked = dataset_of({"QueryRetrieveLevel": level} | keys)
            for status, identifier in association.send_c_get(asked, self.model, msg_id=5):
                self.statuses.append(status)
                if identifier is not None and "FailedSOPInstanceUIDList" in identifier:
                    uids = identifier.FailedSOPInstanceUIDList
                    self.failed = [uids] if isinstance(uids, str) else list(uids)
        return self.statuses[-1]

    def _store(self, event: evt.Event) -> int:
        request = event.request
        assert request.DataSet is not None
        self.received[request.AffectedSOPInstanceUID] = request.DataSet.getvalue()
        if len(self.received) == self.cancel_after:
            event.assoc.send_c_cancel(5, query_model=self.model)
        return self.answer


def test_a_study_comes_back_byte_for_byte_with_counters_in_each_response(
    archive: Archive, stored: list[Dataset], port: int
) -> None:
    taker = Taker(port)
    last = taker.get("STUDY", StudyInstanceUID=stored[0].StudyInstanceUID)
    assert taker.received == {
        d.SOPInstanceUID: kept(archive, d.SOPInstanceUID) for d in stored[:-1]
    }
    assert [counters(status) for status in taker.statuses[:-1]] == [
        (3, 1, 0, 0),
        (2, 2, 0, 0),
        (1, 3, 0, 0),
        (0, 4, 0, 0),
    ]
    assert (last.Status, counters(last)) == (0x0000, (None, 4, 0, 0))


def test_every_level_and_a_list_of_uids_names_what_it_should(
    stored: list[Dataset], port: int
) -> None:
    first, last = stored[0], stored[-1]
    asked: list[tuple[str, str, dict[str, Any], int]] = [
        (PATIENT_ROOT_GET, "PATIENT", {"PatientID": "P-1"}, COUNT),
        (
            STUDY_ROOT_GET,
            "STUDY",
            {"StudyInstanceUID": [first.StudyInstanceUID, last.StudyInstanceUID]},
            COUNT,
        ),
        (
            STUDY_ROOT_GET,
            "SERIES",
            {
                "StudyInstanceUID": last.StudyInstanceUID,
                "SeriesInstanceUID": last.SeriesInstanceUID,
            },
            1,
        ),
        (
            PATIENT_ROOT_GET,
            "IMAGE",
            {
                "PatientID": "P-1",
                "StudyInstanceUID": first.StudyInstanceUID,
                "SeriesInstanceUID": first.SeriesInstanceUID,
                "SOPInstanceUID": [first.SOPInstanceUID, stored[1].SOPInstanceUID],
            },
            2,
        ),
        (STUDY_ROOT_GET, "STUDY", {"StudyInstanceUID": new_uid()}, 0),
    ]
    for model, level, keys, count in asked:
        taker = Taker(port, model=model)
        assert taker.get(level, **keys).Status == 0
        assert len(taker.received) == count, (level, keys)


def test_relational_retrieval_needs_the_uids_of_its_level_alone(
    stored: list[Dataset], port: int
) -> None:
    keys = {"SOPInstanceUID": [d.SOPInstanceUID for d in stored[1:]]}
    taker = Taker(port, options=b"\x01")
    assert taker.get("IMAGE", **keys).Status == 0
    assert set(taker.received) == set(keys["SOPInstanceUID"])
    assert Taker(port).get("IMAGE", **keys).Status == 0xA900


@pytest.mark.parametrize(
    ("level", "keys", "offending"),
    [
        ("STUDY", {"PatientID": "P-1"}, 0x0020000D),
        ("STUDY", {"StudyInstanceUID": "1.2.*"}, 0x0020000D),
        ("SERIES", {"SeriesInstanceUID": "1.2"}, 0x0020000D),
        ("PATIENT", {"PatientID": "P-1"}, 0x00080052),
    ],
)
def test_a_retrieve_without_its_unique_keys_is_a900(
    stored: list[Dataset], port: int, level: str, keys: dict[str, str], offending: int
) -> None:
    taker = Taker(port)
    last = taker.get(level, **keys)
    assert (last.Status, last.OffendingElement) == (0xA900, offending)
    assert taker.received == {}


def test_what_the_peer_takes_in_no_context_is_counted_and_named(
    archive: Archive, stored: list[Dataset], port: int
) -> None:
    study = stored[0].StudyInstanceUID
    report = ct_slice(SOPClassUID=SR, StudyInstanceUID=study, Modality="SR", PixelData=None)
    report.file_meta.MediaStorageSOPClassUID = SR
    store_bytes(archive, Source("IMPORT"), encode(report))
    taker = Taker(port)
    last = taker.get("STUDY", StudyInstanceUID=study)
    assert (last.Status, counters(last)) == (0xB000, (None, 4, 1, 0))
    assert taker.failed == [report.SOPInstanceUID]
    only_reports = Taker(port, [(SR, [EXPLICIT])])
    last = only_reports.get("STUDY", StudyInstanceUID=stored[-1].StudyInstanceUID)
    assert (last.Status, counters(last)) == (0xA702, (None, 0, 1, 0))
    assert only_reports.failed == [stored[-1].SOPInstanceUID]


@pytest.mark.parametrize(
    ("answer", "status", "counted"),
    [(0xB000, 0xB000, (None, 0, 0, 4)), (0xA700, 0xA702, (None, 0, 4, 0))],
)
def test_what_the_peer_says_of_each_instance_is_counted(
    stored: list[Dataset], port: int, answer: int, status: int, counted: tuple[int | None, ...]
) -> None:
    taker = Taker(port, answer=answer)
    last = taker.get("STUDY", StudyInstanceUID=stored[0].StudyInstanceUID)
    assert (last.Status, counters(last)) == (status, counted)


def test_a_cancel_ends_it_before_the_next_instance(stored: list[Dataset], port: int) -> None:
    taker = Taker(port)
    taker.cancel_after = 2
    last = taker.get("STUDY", StudyInstanceUID=stored[0].StudyInstanceUID)
    assert (last.Status, counters(last)) == (0xFE00, (2, 2, 0, 0))
    assert len(taker.received) == 2


def test_an_object_that_is_missing_on_storage_is_one_failure(
    archive: Archive, stored: list[Dataset], port: int
) -> None:
    (instance,) = find_instances_sync(archive, None, None, stored[1].SOPInstanceUID)
    Path(archive.objects.path(instance.object_key)).unlink()
    taker = Taker(port)
    last = taker.get("STUDY", StudyInstanceUID=stored[0].StudyInstanceUID)
    assert (last.Status, counters(last)) == (0xB000, (None, 3, 1, 0))
    assert taker.failed == [stored[1].SOPInstanceUID]


STORED = [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED, RLE, JPEG_LS]


@pytest.mark.parametrize("accepted", [EXPLICIT, IMPLICIT])
def test_what_is_stored_otherwise_is_made_anew_value_for_value(
    archive: Archive, port: int, accepted: str
) -> None:
    study, series_uid = new_uid(), new_uid()
    made: dict[str, Dataset] = {}
    for syntax in STORED:
        dataset = ct_slice(
            StudyInstanceUID=study,
            SeriesInstanceUID=series_uid,
            SmallestImagePixelValue=0,
            WindowCenter=[40, 400],
        )
        dataset.add_new(0x00091001, "UN", b"1234")
        dataset.add_new(0x00090010, "LO", "SOMEBODY")
        made[dataset.SOPInstanceUID] = dataset
        store_bytes(archive, Source("IMPORT"), stored_as(dataset, syntax))
    taker = Taker(port, [(CT, [accepted])])
    last = taker.get("STUDY", StudyInstanceUID=study)
    assert (last.Status, counters(last)) == (0, (None, len(STORED), 0, 0))
    for uid, data in taker.received.items():
        got = decode(io.BytesIO(data), accepted == IMPLICIT, True)
        expected = made[uid]
        assert {e.tag for e in got} == {e.tag for e in expected}
        for keyword in ("PatientName", "WindowCenter", "SmallestImagePixelValue", "Rows"):
            assert got[keyword].value == expected[keyword].value, keyword
        assert got.PixelData == expected.PixelData
        assert got[0x00091001].value == b"1234"


def test_what_cannot_be_decoded_is_sent_as_it_is_or_not_at_all(archive: Archive, port: int) -> None:
    broken = ct_slice()
    broken.file_meta.TransferSyntaxUID = UID(JPEG_LS)
    broken.PixelData = encapsulate([b"\xff\xd8 no such stream \xff\xd9"])
    broken["PixelData"].VR = "OB"
    store_bytes(archive, Source("IMPORT"), encode(broken))
    taker = Taker(port, [(CT, [JPEG_LS])])
    assert taker.get("STUDY", StudyInstanceUID=broken.StudyInstanceUID).Status == 0
    assert taker.received == {broken.SOPInstanceUID: kept(archive, broken.SOPInstanceUID)}
    taker = Taker(port)
    last = taker.get("STUDY", StudyInstanceUID=broken.StudyInstanceUID)
    assert (last.Status, counters(last)) == (0xA702, (None, 0, 1, 0))


def stored_as(dataset: Dataset, syntax: str) -> bytes:
    """The slice as a file in that transfer syntax."""
    copy = deepcopy(dataset)
    if syntax in (RLE, JPEG_LS):
        copy.compress(UID(syntax), generate_instance_uid=False)
        return encode(copy)
    copy.file_meta.TransferSyntaxUID = UID(syntax)
    if syntax == BIG_ENDIAN:
        pixels = np.frombuffer(dataset.PixelData, "<u2").astype(">u2")
        copy.PixelData = pixels.tobytes()
        copy["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    dcmwrite(
        buffer,
        copy,
        implicit_vr=syntax == IMPLICIT,
        little_endian=syntax != BIG_ENDIAN,
        enforce_file_format=True,
    )
    return buffer.getvalue()

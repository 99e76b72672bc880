"""What was read before speeds a data set's reading up, and never changes what it says."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from factories import ct_slice, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from hounsfield.archive import recall
from hounsfield.archive.header import Header, read_header

NAMES = st.sampled_from(["Yamada^Tarou", "Äneas^Rüdiger", "", "A" * 60])
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "PatientName": NAMES,
    "PatientID": st.text("AB1", max_size=8),
    "SpecificCharacterSet": st.sampled_from(["ISO_IR 100", "ISO_IR 192", "ISO_IR 144"]),
    "ImageComments": NAMES,
    "InstanceNumber": st.integers(0, 2000),
    "SliceThickness": st.floats(0, 99, width=16).map(lambda x: round(x, 3)),
    "PixelRepresentation": st.sampled_from([0, 1]),
    "SmallestImagePixelValue": st.sampled_from([0, 7]),
    "RescaleSlope": st.sampled_from(["1", "2.5"]),
}

CAN_BE_ABSENT = sorted(set(CHANGES) - {"PixelRepresentation"})
"""Without that one pydicom cannot write the VR of a smallest pixel value."""


def said(header: Header) -> tuple[object, ...]:
    return (
        header.metadata_json,
        header.study_json,
        header.series_json,
        header.instance_json,
        header.attributes,
        header.bulkdata.encode(),
        header.frame_table.encode() if header.frame_table else None,
    )


def in_a_new_thread(work: Callable[[], Header]) -> Header:
    """A thread remembers nothing when it begins."""
    found: list[Header] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def made(changes: dict[str, Any], dropped: set[str]) -> bytes:
    dataset = ct_slice(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.4", SOPInstanceUID="1.2.5")
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    for keyword in dropped:
        if keyword in dataset:
            delattr(dataset, keyword)
    return encode(dataset)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.fixed_dictionaries({}, optional=CHANGES), st.sets(st.sampled_from(CAN_BE_ABSENT))
        ),
        min_size=2,
        max_size=4,
    )
)
def test_a_data_set_reads_the_same_whatever_was_read_before(
    variants: list[tuple[dict[str, Any], set[str]]],
) -> None:
    for variant in variants:
        data = made(*variant)
        assert said(read_header(data)) == said(in_a_new_thread(lambda data=data: read_header(data)))


def test_most_elements_of_the_next_slice_are_not_read_again() -> None:
    first, second = (ct_slice(InstanceNumber=n) for n in (1, 2))
    second.StudyInstanceUID, second.SeriesInstanceUID = (
        first.StudyInstanceUID,
        first.SeriesInstanceUID,
    )
    read_header(encode(first))
    before = {id(element) for element in recall.recall()}
    read_header(encode(second))
    after = [id(element) for element in recall.recall()]
    read_anew = [element for element in after if element not in before]
    assert len(after) > 20
    assert len(read_anew) <= 3, "its own UID and number, and what the factory varies"


def test_what_is_kept_is_bounded() -> None:
    dataset = ct_slice()
    for number in range(2000):
        dataset.add_new(0x00191000 + number, "LO", "x")
    dataset.add_new(0x00190010, "LO", "MAKER")
    read_header(encode(dataset))
    assert len(list(recall.recall())) <= recall.ONLY_SO_MANY


def test_implicit_elements_are_not_recalled() -> None:
    dataset: Dataset = ct_slice()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    read_header(encode(dataset))
    assert not list(recall.recall())

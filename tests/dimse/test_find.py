"""C-FIND finds what QIDO finds, on every level, and says what a stranger has to know of it."""

from typing import Any

import pytest
from dimse_scu import PATIENT_ROOT_FIND, find
from factories import ct_slice, encode, new_uid, series
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hounsfield.archive.archive import Archive
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.types import Source

STUDY, SERIES = new_uid(), new_uid()
RELATIONAL, COMBINED, FUZZY, TIMEZONE = b"\x01", b"\0\x01", b"\0\0\x01", b"\0\x01\0\x01"
EMPTY, MULTIPLE = b"\0\0\0\0\0\x01", b"\0\0\0\0\0\0\x01"
SYNTAXES = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"]
DEFLATED = "1.2.840.10008.1.2.1.99"


@pytest.fixture
def people(archive: Archive) -> Archive:
    """Three patients: one study with two series, one with an old date, one with a Japanese name."""
    request = Dataset()
    request.ScheduledProcedureStepID = "SPS-1"
    request.RequestedProcedureID = "RP-1"
    given: list[dict[str, Any]] = [
        {
            "PatientName": "Doe^Jane",
            "StudyInstanceUID": STUDY,
            "SeriesInstanceUID": SERIES,
            "RequestAttributesSequence": Sequence([request]),
        },
        {
            "PatientName": "Meyer^Jörg",
            "PatientID": "P-2",
            "StudyDate": "19991231",
            "StudyTime": "235900",
            "StudyDescription": "",
        },
        {
            "PatientName": "Yamada^Tarou=山田^太郎",
            "PatientID": "P-3",
            "StudyDate": "20240301",
            "StudyTime": "080000",
            "Modality": "MR",
        },
    ]
    for n, attributes in enumerate(given):
        for dataset in series(3 - n, **attributes):
            store_bytes(archive, Source("IMPORT"), encode(dataset))
    segmentation = ct_slice(StudyInstanceUID=STUDY, Modality="SEG", SeriesNumber=7)
    store_bytes(archive, Source("IMPORT"), encode(segmentation))
    return archive


def names(found: list[Dataset]) -> set[str]:
    return {str(each.PatientName) for each in found}


def test_a_study_is_returned_with_the_keys_that_were_asked_for(people: Archive, port: int) -> None:
    found, pending, last = find(
        port,
        "STUDY",
        PatientName="doe*",
        StudyInstanceUID="",
        ModalitiesInStudy="",
        NumberOfStudyRelatedSeries="",
        NumberOfStudyRelatedInstances="",
        SOPClassesInStudy="",
        InstanceAvailability="",
        StudyComments="",
    )
    (study,) = found
    assert last.Status == 0x0000
    assert pending == [0xFF01]  # Study Comments are not kept
    assert "StudyComments" not in study
    assert study.StudyInstanceUID == STUDY
    assert study.PatientName == "Doe^Jane"
    assert list(study.ModalitiesInStudy) == ["CT", "SEG"]
    assert study.SOPClassesInStudy == "1.2.840.10008.5.1.4.1.1.2"
    assert (study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == (2, 4)
    assert (study.InstanceAvailability, study.RetrieveAETitle) == ("ONLINE", "HOUNSFIELD")
    assert study.QueryRetrieveLevel == "STUDY"
    assert "SpecificCharacterSet" not in study


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"PatientName": "*"}, 3),
        ({"PatientName": "doe^jane"}, 1),
        ({"PatientName": "?OE^J*"}, 1),
        ({"PatientID": "P-?"}, 3),
        ({"PatientID": "p-1"}, 0),
        ({"StudyDate": "20240229"}, 1),
        ({"StudyDate": "20240101-"}, 2),
        ({"StudyDate": "-20231231"}, 1),
        ({"StudyTime": "0800-1100"}, 2),
        ({"ModalitiesInStudy": "SEG"}, 1),
        ({"ModalitiesInStudy": ["MR", "SEG"]}, 2),
        ({"StudyInstanceUID": [STUDY, new_uid()]}, 1),
        ({"StudyInstanceUID": new_uid()}, 0),
        ({"AccessionNumber": "A-1", "PatientSex": "F", "StudyID": "S1"}, 3),
    ],
)
def test_keys_match_as_in_a_search_by_the_web(
    people: Archive, port: int, keys: dict[str, Any], expected: int
) -> None:
    found, pending, last = find(port, "STUDY", **keys)
    assert (len(found), last.Status) == (expected, 0)
    assert set(pending) <= {0xFF00}


def test_each_level_of_both_models_is_answered(people: Archive, port: int) -> None:
    found, _, _ = find(
        port,
        "PATIENT",
        model=PATIENT_ROOT_FIND,
        PatientID="",
        PatientName="",
        PatientBirthDate="19700101",
        NumberOfPatientRelatedStudies="",
        NumberOfPatientRelatedSeries="",
        NumberOfPatientRelatedInstances="",
    )
    counted = {
        p.PatientID: (
            p.NumberOfPatientRelatedStudies,
            p.NumberOfPatientRelatedSeries,
            p.NumberOfPatientRelatedInstances,
        )
        for p in found
    }
    assert counted == {"P-1": (1, 2, 4), "P-2": (1, 1, 2), "P-3": (1, 1, 1)}
    (study,), _, _ = find(
        port, "STUDY", model=PATIENT_ROOT_FIND, PatientID="P-1", StudyInstanceUID=""
    )
    assert study.StudyInstanceUID == STUDY
    found, _, _ = find(
        port,
        "SERIES",
        StudyInstanceUID=STUDY,
        SeriesInstanceUID="",
        Modality="",
        SeriesNumber="",
        NumberOfSeriesRelatedInstances="",
    )
    assert {(s.Modality, s.SeriesNumber, s.NumberOfSeriesRelatedInstances) for s in found} == {
        ("CT", 1, 3),
        ("SEG", 7, 1),
    }
    found, pending, _ = find(
        port,
        "IMAGE",
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=SERIES,
        SOPInstanceUID="",
        InstanceNumber="",
        ImagePositionPatient=None,
        PatientName="",
        PixelSpacing=None,
    )
    assert set(pending) == {0xFF00}
    assert [(i.InstanceNumber, list(i.ImagePositionPatient)) for i in found] == [
        (1, [0, 0, 0]),
        (2, [0, 0, 1]),
        (3, [0, 0, 2]),
    ]
    assert names(found) == {"Doe^Jane"}
    (one,), _, _ = find(
        port,
        "IMAGE",
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=SERIES,
        SOPInstanceUID="",
        InstanceNumber="2",
    )
    assert one.InstanceNumber == 2


@pytest.mark.parametrize(
    ("level", "keys", "offending"),
    [
        ("SERIES", {"Modality": "CT"}, 0x0020000D),
        ("SERIES", {"StudyInstanceUID": [STUDY, new_uid()]}, 0x0020000D),
        ("IMAGE", {"StudyInstanceUID": STUDY}, 0x0020000E),
        ("PATIENT", {"PatientName": "*"}, 0x00080052),
        ("FRAME", {}, 0x00080052),
        ("STUDY", {"Modality": "CT"}, 0x00080060),
    ],
)
def test_what_does_not_fit_the_model_is_a900_and_names_the_element(
    people: Archive, port: int, level: str, keys: dict[str, Any], offending: int
) -> None:
    found, _, last = find(port, level, **keys)
    assert (found, last.Status, last.OffendingElement) == ([], 0xA900, offending)
    assert last.ErrorComment


def test_a_study_of_the_patient_root_needs_its_patient(people: Archive, port: int) -> None:
    _, _, last = find(port, "STUDY", model=PATIENT_ROOT_FIND, StudyInstanceUID=STUDY)
    assert (last.Status, last.OffendingElement) == (0xA900, 0x00100020)


def test_a_value_that_is_none_of_its_vr_is_c000_and_says_why(people: Archive, port: int) -> None:
    found, _, last = find(port, "STUDY", StudyDate="2024-02-29")
    assert (found, last.Status) == ([], 0xC000)
    assert "StudyDate" in last.ErrorComment


def test_a_key_that_is_not_indexed_is_passed_over_and_the_answer_says_so(
    people: Archive, port: int
) -> None:
    found, pending, last = find(port, "STUDY", PatientID="P-1", PatientComments="nobody")
    assert (len(found), pending, last.Status) == (1, [0xFF01], 0)


def test_relational_queries_are_answered_where_they_were_negotiated(
    people: Archive, port: int
) -> None:
    found, _, last = find(
        port, "SERIES", options=RELATIONAL, PatientName="doe*", Modality="", SeriesInstanceUID=""
    )
    assert ({s.Modality for s in found}, last.Status) == ({"CT", "SEG"}, 0)
    found, _, last = find(port, "IMAGE", options=RELATIONAL, PatientID="P-2", SOPInstanceUID="")
    assert (len(found), last.Status) == (2, 0)


def test_a_date_and_a_time_are_one_range_only_where_that_was_negotiated(
    people: Archive, port: int
) -> None:
    keys = {"StudyDate": "19990101-20240301", "StudyTime": "120000-090000", "PatientName": ""}
    found, _, _ = find(port, "STUDY", options=COMBINED, **keys)
    assert names(found) == {"Doe^Jane", "Meyer^Jörg", "Yamada^Tarou=山田^太郎"}
    found, _, _ = find(port, "STUDY", **keys)
    assert found == []


def test_fuzzy_timezone_empty_and_multiple_matching_work_where_they_were_negotiated(
    people: Archive, port: int
) -> None:
    found, _, _ = find(port, "STUDY", options=FUZZY, PatientName="Meier")
    assert names(found) == {"Meyer^Jörg"}
    assert find(port, "STUDY", PatientName="Meier")[0] == []
    zone: dict[str, Any] = {"StudyDate": "20240229", "TimezoneOffsetFromUTC": "+0100"}
    assert len(find(port, "STUDY", options=TIMEZONE, **zone)[0]) == 1
    assert len(find(port, "STUDY", **zone)[0]) == 1
    found, _, _ = find(port, "STUDY", options=EMPTY, StudyDescription='""', PatientName="")
    assert names(found) == {"Meyer^Jörg"}
    assert find(port, "STUDY", StudyDescription='""')[0] == []
    found, _, _ = find(port, "STUDY", options=MULTIPLE, PatientID=["P-1", "P-2"], PatientName="")
    assert names(found) == {"Doe^Jane", "Meyer^Jörg"}


def test_keys_of_a_sequence_match_and_come_back_in_its_items(people: Archive, port: int) -> None:
    def item(**keys: str) -> Sequence:
        inner = Dataset()
        for keyword, value in keys.items():
            setattr(inner, keyword, value)
        return Sequence([inner])

    keys: dict[str, Any] = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": ""}
    for step, expected in (("SPS-1", 1), ("SPS-2", 0)):
        found, pending, _ = find(
            port,
            "SERIES",
            RequestAttributesSequence=item(ScheduledProcedureStepID=step),
            **keys,
        )
        assert (len(found), pending) == (expected, [0xFF00] * expected)
    found, _, _ = find(
        port,
        "SERIES",
        RequestAttributesSequence=item(ScheduledProcedureStepID="", RequestedProcedureID="RP-*"),
        **keys,
    )
    (answered,) = found[0].RequestAttributesSequence
    assert (answered.ScheduledProcedureStepID, answered.RequestedProcedureID) == ("SPS-1", "RP-1")
    two = Sequence([*item(RequestedProcedureID="a"), *item(RequestedProcedureID="b")])
    assert find(port, "SERIES", RequestAttributesSequence=two, **keys)[2].Status == 0xC000


@pytest.mark.parametrize("syntax", [*SYNTAXES, DEFLATED])
def test_every_transfer_syntax_that_was_accepted_is_read_and_written(
    people: Archive, port: int, syntax: str
) -> None:
    found, _, last = find(
        port,
        "SERIES",
        syntax=syntax,
        StudyInstanceUID=STUDY,
        Modality="CT",
        SeriesNumber="",
        RequestAttributesSequence=Sequence([]),
        PatientName="",
    )
    (one,) = found
    assert (last.Status, one.SeriesNumber, one.PatientName) == (0, 1, "Doe^Jane")
    assert one.RequestAttributesSequence[0].RequestedProcedureID == "RP-1"


@pytest.mark.parametrize(
    ("asked", "patient", "stated"),
    [
        (None, "P-1", None),
        (None, "P-2", "ISO_IR 192"),
        ("ISO_IR 100", "P-1", "ISO_IR 100"),
        ("ISO_IR 100", "P-2", "ISO_IR 100"),
        ("ISO_IR 100", "P-3", "ISO_IR 192"),
        ("ISO_IR 192", "P-3", "ISO_IR 192"),
        (["", "ISO 2022 IR 87"], "P-3", ["", "ISO 2022 IR 87"]),
        (["", "ISO 2022 IR 87"], "P-2", "ISO_IR 192"),
    ],
)
def test_text_comes_in_the_requestors_character_set_where_it_fits_and_else_in_utf_8(
    people: Archive, port: int, asked: Any, patient: str, stated: Any
) -> None:
    keys = {} if asked is None else {"SpecificCharacterSet": asked}
    (found,), _, _ = find(port, "STUDY", PatientID=patient, PatientName="", **keys)
    expected = {"P-1": "Doe^Jane", "P-2": "Meyer^Jörg", "P-3": "Yamada^Tarou=山田^太郎"}
    assert found.get("SpecificCharacterSet") == stated
    found.decode()
    assert str(found.PatientName) == expected[patient]


def test_a_key_in_another_character_set_finds_what_was_stored_in_utf_8(
    people: Archive, port: int
) -> None:
    found, _, _ = find(
        port, "STUDY", SpecificCharacterSet="ISO_IR 100", PatientName="Meyer^Jörg", PatientID=""
    )
    assert [each.PatientID for each in found] == ["P-2"]

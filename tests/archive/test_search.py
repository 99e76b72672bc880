"""Search: every matching type that is promised finds what it should and nothing else."""

import asyncio
import json
from typing import Any

import pytest
from factories import ct_slice, encode, new_uid, series
from pydicom.dataset import Dataset

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import InvalidQuery
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.search import Level, Match, Query, SearchResult, search
from hounsfield.archive.types import Source

SOURCE = Source("IMPORT")


def find(archive: Archive, level: Level = Level.STUDY, **query: Any) -> SearchResult:
    async def run() -> SearchResult:
        try:
            return await search(archive, Query(level, **query))
        finally:
            await archive.database.aclose()

    return asyncio.run(run())


def items(result: SearchResult) -> list[dict[str, Any]]:
    return [json.loads(item.replace(b"\xff", b"http://h/dicom-web")) for item in result.items]


def names(archive: Archive, tag: str, value: str, level: Level = Level.STUDY) -> list[str]:
    found = items(find(archive, level, matches=(Match((tag,), value),)))
    return sorted(item["00100010"]["Value"][0]["Alphabetic"] for item in found)


@pytest.fixture
def patients(archive: Archive) -> Archive:
    people = [
        ("Doe^Jane", "P-1", "20240101", "080000", "CT"),
        ("Doe^John", "P-2", "20240229", "101500", "MR"),
        ("doering^Ärne", "P-3", "20240301", "235959", "MR"),
        ("Underscore_100%^X", "P_4", "", "", "US"),
    ]
    for name, patient_id, date, at, modality in people:
        dataset = ct_slice(
            PatientName=name, PatientID=patient_id, StudyDate=date, StudyTime=at, Modality=modality
        )
        store_bytes(archive, SOURCE, encode(dataset))
    return archive


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [
        ("00100010", "doe^jane", ["Doe^Jane"]),
        ("00100010", "DOE*", ["Doe^Jane", "Doe^John", "doering^Ärne"]),
        ("00100010", "*ÄRNE", ["doering^Ärne"]),
        ("00100010", "Doe^J???", ["Doe^Jane", "Doe^John"]),
        ("00100010", "*_100%*", ["Underscore_100%^X"]),
        ("00100010", "", ["Doe^Jane", "Doe^John", "Underscore_100%^X", "doering^Ärne"]),
        ("00100020", "P-1", ["Doe^Jane"]),
        ("00100020", "p-1", []),
        ("00100020", "P?4", ["Underscore_100%^X"]),
        ("00080020", "20240229", ["Doe^John"]),
        ("00080020", "20240102-20240229", ["Doe^John"]),
        ("00080020", "-20240229", ["Doe^Jane", "Doe^John"]),
        ("00080020", "20240229-", ["Doe^John", "doering^Ärne"]),
        ("00080030", "0800-1015", ["Doe^Jane", "Doe^John"]),
        ("00080030", "1015", ["Doe^John"]),
        ("00080061", "MR,US", ["Doe^John", "Underscore_100%^X", "doering^Ärne"]),
        ("00080061", "MR\\CT", ["Doe^Jane", "Doe^John", "doering^Ärne"]),
    ],
)
def test_a_matching_key_finds_its_studies(
    patients: Archive, tag: str, value: str, expected: list[str]
) -> None:
    """Q3 and Q4: single value, universal, wildcard, range with open ends, any of a list."""
    assert names(patients, tag, value) == expected


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("00080020",), "2024-02-29"),
        (("00080030",), "25h"),
        (("0020000D",), "not-a-uid"),
        (("00081110", "00081155"), "1.2"),
        (("00080060",), "CT"),
        (("00091001",), "x"),
    ],
)
def test_a_key_that_cannot_be_applied_is_an_error(
    archive: Archive, path: tuple[str, ...], value: str
) -> None:
    with pytest.raises(InvalidQuery):
        find(archive, matches=(Match(path, value),))


def test_a_study_counts_its_series_and_instances_and_names_all_modalities(
    archive: Archive,
) -> None:
    study = new_uid()
    for modality, slices in (("CT", 3), ("SEG", 1)):
        for dataset in series(slices, StudyInstanceUID=study, Modality=modality):
            store_bytes(archive, SOURCE, encode(dataset))
    (item,) = items(find(archive, matches=(Match(("00080061",), "SEG"),)))
    assert item["00080061"]["Value"] == ["CT", "SEG"]
    assert item["00201206"]["Value"] == [2]
    assert item["00201208"]["Value"] == [4]
    assert item["00081190"]["Value"] == [f"http://h/dicom-web/studies/{study}"]
    assert list(item) == sorted(item)


def test_a_search_below_a_study_stays_in_it(archive: Archive) -> None:
    (mine, *_), (other,) = series(2), series(1)
    for dataset in (mine, other):
        store_bytes(archive, SOURCE, encode(dataset))
    found = items(find(archive, Level.SERIES, study_instance_uid=mine.StudyInstanceUID))
    assert [item["0020000E"]["Value"] for item in found] == [[mine.SeriesInstanceUID]]
    assert found[0]["00201209"]["Value"] == [1]
    found = items(find(archive, Level.INSTANCE, series_instance_uid=other.SeriesInstanceUID))
    assert [item["00080018"]["Value"] for item in found] == [[other.SOPInstanceUID]]
    assert found[0]["00280010"]["Value"] == [16]


def test_pages_hold_each_study_once_and_say_how_many_are_left(archive: Archive) -> None:
    for _ in range(7):
        store_bytes(archive, SOURCE, encode(ct_slice()))
    pages = [find(archive, limit=3, offset=offset) for offset in (0, 3, 6)]
    uids = [item["0020000D"]["Value"][0] for page in pages for item in items(page)]
    assert len(set(uids)) == 7
    assert [page.remaining for page in pages] == [4, 1, 0]


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_no_value_can_break_out_of_its_place(archive: Archive) -> None:
    """Members are joined as bytes: signs of JSON, of the join, and sequences stay what they are."""
    code = Dataset()
    code.CodeValue, code.CodeMeaning = "%d", '}],"00080018":{"vr":"UI"}'
    hostile = '100% %b },"00080018":{"vr":"UI"} " [{'
    dataset = ct_slice(StudyDescription=hostile, SeriesDescription="%s%%", Modality='C"T')
    dataset.ProcedureCodeSequence, dataset.ImageComments = [code, code], hostile + '\\"'
    dataset.SeriesDescriptionCodeSequence = [code]
    store_bytes(archive, SOURCE, encode(dataset))
    for level in Level:
        (item,) = items(find(archive, level))
        assert list(item) == sorted(item)
        assert item["00081030"]["Value"] == [hostile]
        codes = item["00081032"]["Value"]
        assert [each["00080104"]["Value"] for each in codes] == [[code.CodeMeaning]] * 2
    (study,) = items(find(archive))
    assert study["00080061"]["Value"] == ['C"T']
    whole = find(archive, Level.INSTANCE, include_all=True)
    (item,) = items(whole)
    assert item["00204000"]["Value"] == [hostile + '\\"']
    assert item["0008103F"]["Value"][0]["00080100"]["Value"] == ["%d"]
    assert item["00080018"]["Value"] == [dataset.SOPInstanceUID]


def test_instances_of_several_series_each_name_their_own(archive: Archive) -> None:
    first, second = series(2), series(2)
    for dataset in (first[0], second[0], first[1], second[1]):
        store_bytes(archive, SOURCE, encode(dataset))
    for offset in range(4):
        found = items(find(archive, Level.INSTANCE, offset=offset))
        expected = [first[0], second[0], first[1], second[1]][offset:]
        assert [item["00080018"]["Value"] for item in found] == [
            [each.SOPInstanceUID] for each in expected
        ]
        assert [item["0020000E"]["Value"] for item in found] == [
            [each.SeriesInstanceUID] for each in expected
        ]
        assert all(
            item["00081190"]["Value"][0].endswith(
                f"/studies/{each.StudyInstanceUID}/series/{each.SeriesInstanceUID}"
                f"/instances/{each.SOPInstanceUID}"
            )
            for item, each in zip(found, expected, strict=True)
        )


def test_letters_in_the_middle_of_a_name_are_found_by_an_index(patients: Archive) -> None:
    with patients.database.transaction() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        plan = connection.exec_driver_sql(
            "EXPLAIN SELECT FROM study WHERE trigrams(patient_name_folded) @> '{ane}'"
        )
        assert any("study_trigrams" in line for (line,) in plan)
    assert names(patients, "00100010", "*^J*ne") == ["Doe^Jane"]
    assert names(patients, "00100010", "*oer?ng*") == ["doering^Ärne"]


def test_an_attribute_beyond_the_ready_ones_is_included_on_its_level(archive: Archive) -> None:
    store_bytes(archive, SOURCE, encode(ct_slice()))
    (item,) = items(find(archive, Level.INSTANCE, include=frozenset({"00280030"})))
    assert item["00280030"]["Value"] == [1, 1]
    (item,) = items(find(archive, Level.INSTANCE, include_all=True))
    assert item["7FE00010"]["BulkDataURI"].startswith("http://h/dicom-web/studies/")

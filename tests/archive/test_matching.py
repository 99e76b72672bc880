"""Matching types of PS3.4 C.2.2.2 (conformance Q3, Q4, Q5, Q13), on real rows."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from factories import ct_slice, encode, new_uid
from pydicom import dcmread
from pydicom.dataset import Dataset

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import InvalidQuery, TooLarge
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.search import Level, Match, Options, Query, SearchResult, search
from hounsfield.archive.types import Source
from hounsfield.dicomweb.queries import parse_path

SOURCE = Source("IMPORT")
FUZZY = Options(fuzzy=True)


def find(
    archive: Archive, level: Level = Level.STUDY, options: Options = Options(), **keys: str
) -> SearchResult:
    """A search by keywords; two underscores stand for the dot of a path."""
    matches = tuple(Match(parse_path(k.replace("__", ".")), v) for k, v in keys.items())

    async def run() -> SearchResult:
        try:
            return await search(archive, Query(level, matches, options=options))
        finally:
            await archive.database.aclose()

    return asyncio.run(run())


def found(archive: Archive, *arguments: Any, **keys: str) -> list[str]:
    """Patient IDs of what a search finds."""
    items = [
        json.loads(item.replace(b"\xff", b"")) for item in find(archive, *arguments, **keys).items
    ]
    return sorted(item["00100020"]["Value"][0] for item in items)


def store(archive: Archive, *datasets: Dataset) -> None:
    for dataset in datasets:
        store_bytes(archive, SOURCE, encode(dataset))


def test_q4_a_date_and_a_time_range_are_one_range(archive: Archive) -> None:
    """Q4, combined date and time (C.2.2.2.5): from 10:00 of the first day to 18:00 of the last."""
    moments = ("20240705-0900", "20240705-2300", "20240706-0100", "20240707-1700", "20240707-1900")
    for moment in moments:
        date, time = moment.split("-")
        store(archive, ct_slice(PatientID=moment, StudyDate=date, StudyTime=time))
    assert found(archive, StudyDate="20240705-20240707", StudyTime="1000-1800") == [*moments[1:4]]
    assert found(archive, StudyDate="20240706-", StudyTime="0200-") == [*moments[3:]]
    assert found(archive, StudyDate="-20240706", StudyTime="-0030") == [*moments[:2]]
    # A single date or time is none of this: each is matched by itself.
    assert found(archive, StudyDate="20240705-20240707", StudyTime="0900") == [moments[0]]
    assert found(archive, StudyDate="20240705", StudyTime="1000-1800") == []


def test_q4_a_search_in_a_time_zone_finds_what_happened_then(archive: Archive) -> None:
    """Q4, time zones (0008,0201): 23:30 in New York is the next day in Berlin."""
    for patient, date, time, offset in (
        ("New York", "20240630", "193000", "-0400"),  # 23:30 UTC
        ("Berlin", "20240701", "0130", "+0200"),  # 23:30 UTC
        ("Kathmandu", "20240701", "051500.5", "+0545"),  # 23:30 UTC
        ("here", "20240701", "013000", None),
        ("no time", "20240701", "", "-0400"),
    ):
        store(
            archive,
            ct_slice(
                PatientID=patient, StudyDate=date, StudyTime=time, TimezoneOffsetFromUTC=offset
            ),
        )

    def at(offset: str, **keys: str) -> list[str]:
        return found(archive, TimezoneOffsetFromUTC=offset, **keys)

    moved = ["Berlin", "Kathmandu", "New York"]
    assert at("+0200", StudyDate="20240701") == [*moved, "here", "no time"]
    assert at("+0000", StudyDate="20240630") == moved
    assert at("-0400", StudyDate="20240630-20240630", StudyTime="1900-2000") == moved
    assert at("+0200", StudyDate="20240701-", StudyTime="0100-") == [*moved, "here", "no time"]
    assert at("+0200", StudyDate="-20240701", StudyTime="-0100") == ["no time"]
    for wrong in ({"StudyTime": "1000-1100"}, {}):
        with pytest.raises(InvalidQuery):
            at("+0200", **wrong)
    with pytest.raises(InvalidQuery):
        at("CEST", StudyDate="20240701")


def test_q4_an_empty_value_is_found_by_two_quotation_marks(archive: Archive) -> None:
    """Q4 and Q5, Empty Value Matching (8.3.4.5)."""
    store(
        archive,
        ct_slice(PatientID="none", AccessionNumber="", StudyDate="", Modality=None),
        ct_slice(PatientID="some", ReferringPhysicianName="Who^Doctor"),
    )
    empty = Options(empty_values=True)
    for keyword in ("AccessionNumber", "StudyDate", "ModalitiesInStudy"):
        assert found(archive, Level.STUDY, empty, **{keyword: '""'}) == ["none"], keyword
    assert found(archive, Level.STUDY, empty, ReferringPhysicianName='""') == ["none"]
    steps = {"RequestAttributesSequence__RequestedProcedureID": '""'}
    assert found(archive, Level.SERIES, empty, **steps) == ["none", "some"]
    assert found(archive, Level.STUDY, Options(), AccessionNumber='""') == []
    with pytest.raises(InvalidQuery):
        find(archive, Level.STUDY, Options(), StudyDate='""')


def test_q4_any_of_several_values_matches(archive: Archive) -> None:
    """Q4 and Q5, Multiple Value Matching (8.3.4.6): each by the rules of its VR."""
    for n, date in enumerate(("20240101", "20240201", "20240301", "")):
        store(archive, ct_slice(PatientID=f"P-{n}", PatientName=f"Name{n}", StudyDate=date))
    several = Options(multiple_values=True)
    assert found(archive, Level.STUDY, several, PatientID="P-0\\P-2\\P-9") == ["P-0", "P-2"]
    assert found(archive, Level.STUDY, several, PatientName="name0\\*1") == ["P-0", "P-1"]
    dates = "20240101\\20240215-20240401"
    assert found(archive, Level.STUDY, several, StudyDate=dates) == ["P-0", "P-2"]
    with_empty = Options(empty_values=True, multiple_values=True)
    assert found(archive, Level.STUDY, with_empty, StudyDate='""\\20240201') == ["P-1", "P-3"]
    assert found(archive, Level.STUDY, Options(), PatientID="P-0\\P-2") == []
    with pytest.raises(InvalidQuery):
        find(archive, Level.STUDY, several, PatientID="P-0\\")


def request(step: str, procedure: str) -> Dataset:
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = step, procedure
    return item


def test_q3_the_keys_of_a_sequence_have_to_match_in_one_item(archive: Archive) -> None:
    """Q3 and Q4, Sequence Matching (C.2.2.2.6) on RequestAttributesSequence."""
    store(
        archive,
        ct_slice(
            PatientID="A", RequestAttributesSequence=[request("S1", "R1"), request("S2", "R2")]
        ),
        ct_slice(PatientID="B", RequestAttributesSequence=[request("S1", "R2")]),
        ct_slice(PatientID="C"),
    )
    step = "RequestAttributesSequence__ScheduledProcedureStepID"
    procedure = "RequestAttributesSequence__RequestedProcedureID"
    for level in (Level.SERIES, Level.INSTANCE):
        assert found(archive, level, **{step: "S1"}) == ["A", "B"]
        assert found(archive, level, **{step: "S1", procedure: "R2"}) == ["B"]
        assert found(archive, level, **{step: "S2", procedure: "R2"}) == ["A"]
        assert found(archive, level, **{step: "S?", procedure: "R1", "Modality": "CT"}) == ["A"]
        assert found(archive, level, **{step: "s1"}) == []
    with pytest.raises(InvalidQuery):
        find(archive, Level.STUDY, **{step: "S1"})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("Meier", ["Mejer", "Meyer"]),
        ("meyer^hans", ["Meyer"]),
        ("Hans Meier", ["Meyer"]),
        ("Andersen", ["Anderson"]),
        ("ANDRESON", ["Anderson"]),
        ("And", ["Anderson"]),
        ("jörgensen", ["Jorgensen"]),
        ("Jörgensen^Ake", ["Jorgensen"]),
        ("Lüdenscheid", ["Muller"]),
        ("mueller", ["Muller"]),
        ("Me*", ["Mejer", "Meyer"]),
        ("*eyer*", ["Meyer"]),
        ("山田", ["Yamada"]),
        ("Li", ["Li"]),
        ("Lo", []),
        ("Meyer^Anderson", []),
    ],
)
def test_q4_fuzzy_matching_finds_names_that_are_alike(
    people: Archive, asked: str, expected: list[str]
) -> None:
    """Q4 and Q5: words in any order, beginnings of words, one letter wrong, no diacritics."""
    assert found(people, Level.STUDY, FUZZY, PatientName=asked) == sorted(expected)
    assert not find(people, Level.STUDY, FUZZY, PatientName=asked).warnings


@pytest.fixture
def people(archive: Archive) -> Archive:
    for patient, name in {
        "Meyer": "Meyer^Hans",
        "Mejer": "Mejer^Ole",
        "Anderson": "Anderson^Pamela",
        "Jorgensen": "Jorgensen^Åke",
        "Muller": "Müller-Lüdenscheidt^Karl",
        "Yamada": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "Li": "Li^Na",
    }.items():
        store(archive, ct_slice(PatientID=patient, PatientName=name, ReferringPhysicianName=name))
    return archive


def test_q4_fuzzy_matching_has_an_index_and_does_not_loosen_other_keys(people: Archive) -> None:
    """Q4: the index of name keys is what finds them; only person names are matched fuzzily."""
    assert found(people, Level.STUDY, FUZZY, ReferringPhysicianName="Meier") == ["Mejer", "Meyer"]
    assert found(people, Level.STUDY, FUZZY, PatientName="Meier", PatientID="meyer") == []
    with people.database.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = connection.exec_driver_sql(
            "EXPLAIN SELECT FROM study WHERE name_keys(patient_name_folded) && asked_keys('meier')"
        )
        assert any("study_name_keys" in line for (line,) in plan)


def test_q13_names_in_every_character_set_are_found_and_come_back(
    archive: Archive, shared_data: Path
) -> None:
    """Q13: Arabic, Greek, Russian, Hebrew, Japanese (IR 87, 159), Korean, Chinese (GB18030)."""
    names: dict[str, str] = {}
    for path in sorted((shared_data / "charset").glob("chr*.dcm")):
        said = dcmread(path)
        if "PatientName" not in said or "StudyInstanceUID" not in said:
            continue
        names[path.name] = str(said.PatientName).rstrip("=^")
        dataset = dcmread(path)  # of which the name is not looked at: it is written as it was
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(dataset, keyword, new_uid())
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.PatientID = path.name
        store(archive, dataset)
    assert len(names) > 10
    for file, name in names.items():
        for asked in (name, name.lower(), name[:2] + "*", f"*{name[1:4]}*"):
            assert file in found(archive, PatientName=asked), (file, asked)
        assert file in found(archive, Level.STUDY, FUZZY, PatientName=name)
        (item,) = [
            json.loads(item.replace(b"\xff", b"")) for item in find(archive, PatientID=file).items
        ]
        assert "=".join(item["00100010"]["Value"][0].values()).rstrip("=^") == name
        if "00080005" in item:
            assert item["00080005"]["Value"] == ["ISO_IR 192"]


def test_q8_a_search_that_is_too_broad_is_told_to_ask_for_less(archive: Archive) -> None:
    """Q8: what PostgreSQL cannot answer in time is 413, and the next search goes on."""
    with archive.database.transaction() as connection:
        connection.exec_driver_sql("LOCK TABLE study IN ACCESS EXCLUSIVE MODE")
        archive.database.__dict__["_read_timeout"] = 0.2
        with pytest.raises(TooLarge):
            find(archive)
    assert find(archive).items == []

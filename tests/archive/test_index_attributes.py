"""Attributes that an administrator adds: what is stored and what comes is found alike."""

import asyncio
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from factories import ct_slice, encode, new_uid
from pydicom.dataset import Dataset
from sqlalchemy import Connection

from hounsfield.archive import index_attributes
from hounsfield.archive.archive import Archive
from hounsfield.archive.date_times import ranges
from hounsfield.archive.errors import InvalidQuery, NotFound
from hounsfield.archive.index_attributes import Indexer, index_some
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.search import Level, Match, Query, search
from hounsfield.archive.types import Source
from hounsfield.conf.settings import Settings
from hounsfield.dicomweb.queries import parse_path

SOURCE = Source("IMPORT")


def store(archive: Archive, **attributes: Any) -> Dataset:
    dataset = ct_slice(**attributes)
    store_bytes(archive, SOURCE, encode(dataset))
    return dataset


def add(archive: Archive, path: str, level: Level = Level.INSTANCE, **how: Any) -> int:
    return index_attributes.add(archive, parse_path(path), level, **how).id


def index_all(archive: Archive) -> None:
    while index_some(archive):
        pass


def found(archive: Archive, path: str, value: str, level: Level = Level.INSTANCE) -> list[str]:
    """Patient IDs of what has the value."""

    async def run() -> list[bytes]:
        try:
            result = await search(archive, Query(level, (Match(parse_path(path), value),)))
            return result.items
        finally:
            await archive.database.aclose()

    items = [json.loads(item.replace(b"\xff", b"")) for item in asyncio.run(run())]
    return sorted(item["00100020"]["Value"][0] for item in items)


def count(archive: Archive, table: str) -> int:
    def work(connection: Connection) -> int:
        row = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").one()
        return int(row[0])

    return archive.database.run(work)


def body_site(meaning: str, modifier: str) -> Dataset:
    inner, outer = Dataset(), Dataset()
    inner.CodeMeaning, outer.CodeMeaning = modifier, meaning
    outer.AnatomicRegionModifierSequence = [inner]
    return outer


def test_what_was_stored_before_and_after_is_found_once_it_is_ready(archive: Archive) -> None:
    store(archive, PatientID="before", KVP=120)
    key = add(archive, "KVP")
    store(archive, PatientID="after", KVP="120.0")
    store(archive, PatientID="other", KVP=80)
    with pytest.raises(InvalidQuery, match="is being indexed"):
        found(archive, "KVP", "120")
    index_all(archive)
    (state,) = (each for each in index_attributes.read(archive) if each.id == key)
    assert (state.state, state.done, state.total) == ("ready", 1, 1)
    assert found(archive, "KVP", "1.2e2") == ["after", "before"]
    store(archive, PatientID="late", KVP=120)
    assert found(archive, "KVP", "120") == ["after", "before", "late"]


def test_every_level_and_paths_through_sequences_are_indexed(archive: Archive) -> None:
    sites = [body_site("Knee", "Left"), body_site("Hip", "Right")]
    for patient in ("before", "after"):
        store(
            archive,
            PatientID=patient,
            InstitutionName=f"Ward {patient}",
            OtherPatientNames=["Ärne^A", "Doe^B"],
            AnatomicRegionSequence=sites,
        )
        if patient == "before":
            add(archive, "InstitutionName", Level.SERIES)
            add(archive, "OtherPatientNames", Level.STUDY)
            add(archive, "AnatomicRegionSequence.CodeMeaning")
            add(archive, "00082218.AnatomicRegionModifierSequence.CodeMeaning")
    index_all(archive)
    both = ["after", "before"]
    assert found(archive, "InstitutionName", "Ward*", Level.SERIES) == both
    assert found(archive, "InstitutionName", "Ward after") == ["after"]
    assert found(archive, "OtherPatientNames", "doe^*", Level.STUDY) == both
    assert found(archive, "OtherPatientNames", "ÄRNE^A", Level.STUDY) == both
    assert found(archive, "AnatomicRegionSequence.CodeMeaning", "Hip") == both
    deep = "AnatomicRegionSequence.AnatomicRegionModifierSequence.CodeMeaning"
    assert found(archive, deep, "Left") == both

    def one_item(meaning: str, modifier: str) -> int:
        matches = (
            Match(parse_path("AnatomicRegionSequence.CodeMeaning"), meaning),
            Match(parse_path(deep), modifier),
        )

        async def run() -> int:
            try:
                return len((await search(archive, Query(Level.INSTANCE, matches))).items)
            finally:
                await archive.database.aclose()

        return asyncio.run(run())

    assert one_item("Knee", "Left") == 2
    assert one_item("Knee", "Right") == 0


def test_a_private_attribute_is_found_in_whatever_block_its_creator_has(archive: Archive) -> None:
    for patient, others in (("first", 0), ("second", 1)):
        dataset = ct_slice(PatientID=patient)
        for n in range(others):
            dataset.private_block(0x0099, f"OTHER {n}", create=True).add_new(1, "LO", "wanted")
        dataset.private_block(0x0099, "MINE", create=True).add_new(1, "LO", "wanted")
        store_bytes(archive, SOURCE, encode(dataset))
    decoy = ct_slice(PatientID="decoy")
    decoy.private_block(0x0099, "OTHER 0", create=True).add_new(1, "LO", "wanted")
    store_bytes(archive, SOURCE, encode(decoy))
    add(archive, "00991001", vr="LO", private_creator="MINE")
    index_all(archive)
    assert found(archive, "00991001", "wanted") == ["first", "second"]


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("PatientName", {}),
        ("PixelData", {}),
        ("AnatomicRegionSequence", {}),
        ("KVP.CodeMeaning", {}),
        ("KVP", {"vr": "LO"}),
        ("KVP", {"private_creator": "MINE"}),
        ("00991001", {"private_creator": "MINE"}),
        ("00991001", {"vr": "LO"}),
    ],
)
def test_what_cannot_be_indexed_is_refused(archive: Archive, path: str, how: Any) -> None:
    with pytest.raises(InvalidQuery):
        add(archive, path, **how)
    assert all(each.built_in for each in index_attributes.read(archive))


def test_two_administrators_at_once_add_one_attribute(archive: Archive) -> None:
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(lambda _: add(archive, "KVP"), range(4)))
    assert len(keys) == 1


def test_an_attribute_goes_with_its_values_and_can_come_back(archive: Archive) -> None:
    key = add(archive, "KVP")
    store(archive, PatientID="P", KVP=120)
    index_attributes.remove(archive, key)
    with pytest.raises(InvalidQuery, match="not indexed"):
        found(archive, "KVP", "120")
    with pytest.raises(NotFound):
        index_attributes.remove(archive, key)
    store(archive, PatientID="Q", KVP=120)
    assert count(archive, "instance_value") == 1
    index_all(archive)
    assert count(archive, "instance_value") == 0
    add(archive, "KVP")
    index_all(archive)
    assert found(archive, "KVP", "120") == ["P", "Q"]
    with archive.database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM study")
    assert count(archive, "instance_value") == 0


def test_a_process_that_does_not_know_of_an_attribute_stores_nothing_without_it(
    archive: Archive, settings: Settings
) -> None:
    """The other process has looked before the attribute was added; nobody tells it."""
    study, series = new_uid(), new_uid()
    other = Archive(settings)
    try:
        for patient in ("old", "new"):
            dataset = ct_slice(
                PatientID="P", KVP=120, StudyInstanceUID=study, SeriesInstanceUID=series
            )
            store_bytes(other, SOURCE, encode(dataset))
            if patient == "old":
                add(archive, "KVP")
        index_all(archive)
    finally:
        other.close()
    assert found(archive, "KVP", "120") == ["P", "P"]


def test_indexing_goes_on_where_a_killed_process_left_it(
    archive: Archive, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 in the middle of a step: what was done stays, nothing is counted twice."""
    for n in range(6):
        store(archive, PatientID=f"P{n}", KVP=120)
    add(archive, "KVP")
    program = (
        "import os, signal\n"
        "from hounsfield.archive import index_attributes as index\n"
        "from hounsfield.archive.archive import Archive\n"
        "from hounsfield.conf.settings import get_settings\n"
        "archive = Archive(get_settings())\n"
        "index.BATCH = 2\n"
        "assert index.index_some(archive)\n"
        "index.statements.end_step = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "index.index_some(archive)\n"
    )
    assert settings.database.url is not None
    monkeypatch.setenv("HOUNSFIELD_DATABASE__URL", settings.database.url.get_secret_value())
    killed = subprocess.run([sys.executable, "-c", program], check=False)
    assert killed.returncode == -9
    (state,) = (each for each in index_attributes.read(archive) if not each.built_in)
    assert (state.state, state.done, state.total) == ("indexing", 2, 6)
    index_all(archive)
    (state,) = (each for each in index_attributes.read(archive) if not each.built_in)
    assert (state.state, state.done) == ("ready", 6)
    assert found(archive, "KVP", "120") == [f"P{n}" for n in range(6)]


def test_the_background_thread_does_it_and_a_failure_has_a_reason(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(archive, KVP=120)
    add(archive, "KVP")
    monkeypatch.setattr(index_attributes, "find_values", lambda *_: 1 / 0)
    indexer = Indexer(archive)
    indexer.start()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        (state,) = (each for each in index_attributes.read(archive) if not each.built_in)
        if state.state != "indexing":
            break
        time.sleep(0.05)
    indexer.stop()
    assert state.state == "failed"
    with pytest.raises(InvalidQuery, match="failed: an internal error"):
        found(archive, "KVP", "120")


def test_nothing_is_added_to_a_store_while_there_is_no_attribute(archive: Archive) -> None:
    """The usual store stays one statement, and the trigger is off."""
    store(archive)

    def is_off(connection: Connection) -> bool:
        row = connection.exec_driver_sql(
            "SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'knows_index_attributes'"
        ).one()
        return bool(row[0] == "D")

    assert archive.database.run(is_off)
    key = add(archive, "KVP")
    assert not archive.database.run(is_off)
    index_attributes.remove(archive, key)
    assert archive.database.run(is_off)


@pytest.mark.parametrize(
    ("value", "patients"),
    [
        ("20240101", ["berlin", "none"]),  # as it is written
        ("20240101+0000", ["new york", "none"]),
        ("20231231-20240101+0100", ["berlin", "new york", "none"]),
        ("20240101003000+0100", ["berlin"]),
        ("20231231183000-0500", ["berlin"]),
        ("202401010430+0000-202401010430+0000", ["new york"]),
        ("20240101040000+0000-", ["new york", "none"]),
        ("-20231231235900+0000", ["berlin"]),
        ("-2023", ["new york"]),
        ("2024-", ["berlin", "none"]),
    ],
)
def test_a_moment_with_an_offset_from_utc_is_matched_in_utc(
    archive: Archive, value: str, patients: list[str]
) -> None:
    add(archive, "AcquisitionDateTime")
    index_all(archive)
    store(archive, PatientID="berlin", AcquisitionDateTime="20240101003000+0100")
    store(archive, PatientID="new york", AcquisitionDateTime="20231231233000.5-0500")
    store(archive, PatientID="none", AcquisitionDateTime="202401011200")
    assert found(archive, "AcquisitionDateTime", value) == patients


@pytest.mark.parametrize("value", ["20241301+0100", "2024 2025", "+0100", "-", "20240101+1700"])
def test_a_moment_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InvalidQuery):
        ranges("AcquisitionDateTime", value)

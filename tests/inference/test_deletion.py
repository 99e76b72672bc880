"""What becomes of the jobs of a series that is deleted (conformance T9)."""

from pathlib import Path
from typing import Any

import pytest
from factories import ct_slice, encode, series
from sqlalchemy import text

from hounsfield.archive.archive import Archive
from hounsfield.archive.delete import IMAGES_DELETED, SERIES_DELETED, delete
from hounsfield.archive.errors import NotFound
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.retrieve import find_instances_sync
from hounsfield.archive.types import Source
from hounsfield.db.repositories import analysis, jobs, queue
from hounsfield.db.repositories.deletions import Resource
from hounsfield.db.repositories.job_rows import JobRow
from hounsfield.inference.decisions import covers
from hounsfield.inference.errors import Cancelled
from hounsfield.inference.publish import publish_result
from hounsfield.inference.runner import AnalysisResult
from hounsfield.inference.uids import allocate_results

Names = tuple[str, str]


@pytest.fixture
def stored(archive: Archive) -> tuple[Names, list[str]]:
    """A series, and its instances."""
    results = [store_bytes(archive, Source("STOW-RS"), encode(one)) for one in series(3)]
    names = (results[0].study_instance_uid, results[0].series_instance_uid)
    return names, [result.sop_instance_uid for result in results]


def queued(archive: Archive, names: Names, label: Any = "queued") -> JobRow:
    with archive.database.transaction() as connection:
        new = jobs.NewJob(*names, label=label, trigger="rule", results=allocate_results())
        job = jobs.add(connection, new)
        queue.defer(connection, job.id, 0)
    return job


def begun(archive: Archive, names: Names) -> JobRow:
    job = queued(archive, names)
    started = archive.database.run(lambda connection: jobs.begin(connection, job.id))
    assert started is not None
    return started


def now(archive: Archive, job: JobRow) -> JobRow:
    return archive.database.run(lambda connection: jobs.read(connection, job.id))


def scalar(archive: Archive, statement: str) -> Any:
    return archive.database.run(lambda connection: connection.execute(text(statement)).scalar())


def result_of(job: JobRow, folder: Path) -> AnalysisResult:
    paths = []
    for what in ("seg", "sr"):
        names = job.results[what]
        dataset = ct_slice(
            StudyInstanceUID=job.study_instance_uid,
            SeriesInstanceUID=names["series_instance_uid"],
            SOPInstanceUID=names["sop_instance_uid"],
        )
        paths.append(folder / what)
        paths[-1].write_bytes(encode(dataset))
    return AnalysisResult(paths[0], paths[1], [], [], 1.0)


def test_t9_a_job_that_waits_ends_with_its_series_and_says_why(
    archive: Archive, stored: tuple[Names, list[str]]
) -> None:
    names, _ = stored
    job = queued(archive, names)
    delete(archive, Resource(*names))
    ended = now(archive, job)
    assert (ended.state, ended.label, ended.reason) == ("CANCELED", "canceled", SERIES_DELETED)
    assert scalar(archive, "SELECT count(*) FROM event_outbox WHERE type = 'canceled'") == 1
    assert not scalar(archive, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")


def test_t9_a_run_whose_series_is_deleted_cannot_bring_the_study_back(
    archive: Archive, stored: tuple[Names, list[str]], tmp_path: Path
) -> None:
    names, _ = stored
    job = begun(archive, names)
    delete(archive, Resource(names[0]))
    asked = now(archive, job)
    assert (asked.label, asked.cancel_requested, asked.reason) == ("running", True, SERIES_DELETED)
    with pytest.raises(Cancelled):
        publish_result(archive, job, result_of(job, tmp_path))
    with pytest.raises(NotFound):
        find_instances_sync(archive, names[0])


def test_t9_a_series_that_lost_an_image_under_its_job_is_decided_on_anew(
    archive: Archive, stored: tuple[Names, list[str]]
) -> None:
    names, instances = stored
    job = queued(archive, names)
    delete(archive, Resource(*names, instances[0]))
    assert now(archive, job).reason == IMAGES_DELETED
    assert scalar(archive, "SELECT series_instance_uid FROM settling") == names[1]


def test_t9_a_job_that_was_complete_does_not_stand_for_the_series_stored_again(
    archive: Archive,
) -> None:
    datasets = series(3)
    names = (str(datasets[0].StudyInstanceUID), str(datasets[0].SeriesInstanceUID))
    source = Source("STOW-RS")

    def store() -> None:
        for dataset in datasets:
            store_bytes(archive, source, encode(dataset))

    def is_covered() -> bool:
        with archive.database.transaction() as connection:
            state = analysis.state_of_series(connection, *names)
            assert state is not None
            return covers(jobs.newest_of_series(connection, *names), state)

    store()
    job = begun(archive, names)
    with archive.database.transaction() as connection:
        results = job.results | {"instance_count": 3}
        jobs.end(connection, job.id, None, "complete", results=results)
    assert is_covered()
    delete(archive, Resource(names[0]))
    store()
    assert not is_covered()
    assert now(archive, job).label == "complete"


def test_t9_a_study_is_no_longer_held_once_the_images_of_the_other_patient_are_deleted(
    archive: Archive, stored: tuple[Names, list[str]]
) -> None:
    (study, _), _ = stored
    others = [ct_slice(StudyInstanceUID=study, PatientID=f"P-{number}") for number in (2, 3)]
    for other in others:
        store_bytes(archive, Source("STOW-RS"), encode(other))
    for other in others:
        assert scalar(archive, "SELECT conflict FROM study")
        delete(archive, Resource(study, str(other.SeriesInstanceUID)))
    assert scalar(archive, "SELECT conflict FROM study") is None

"""Series that settle: each ends with one job or one reason, whatever happens meanwhile."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from factories import ct_slice, encode, new_uid, series
from pydantic import SecretStr
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import CannotAnalyse
from hounsfield.archive.events import Sequencer
from hounsfield.archive.ingest import publish, store_bytes
from hounsfield.archive.types import Source
from hounsfield.conf.settings import DatabaseSettings, InferenceSettings, Settings
from hounsfield.db.repositories import job_rows, jobs
from hounsfield.db.repositories.job_rows import JobRow
from hounsfield.inference.arrivals import Arrivals, decide_next
from hounsfield.inference.requests import NotNow, cancel, request_analysis

SOURCE = Source("C-STORE", calling_ae_title="MODALITY")
T1_HEAD = {
    "Modality": "MR",
    "SOPClassUID": MRImageStorage,
    "SeriesDescription": "T1 MPRAGE",
    "BodyPartExamined": "HEAD",
}
QUIET, INCOMPLETE = 0.2, 2.0


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Series settle soon, and wait two seconds for what is missing."""
    return Settings(
        data_dir=tmp_path / "data",
        database=DatabaseSettings(url=SecretStr(database_url)),
        inference=InferenceSettings(settle_seconds=QUIET, incomplete_seconds=INCOMPLETE),
    )


@pytest.fixture(autouse=True)
def sequencer(archive: Archive) -> Iterator[None]:
    sequencer = Sequencer(archive)
    sequencer.start()
    yield
    sequencer.stop()


@pytest.fixture
def arrivals(archive: Archive) -> Iterator[Arrivals]:
    arrivals = Arrivals(archive)
    arrivals.start()
    yield arrivals
    arrivals.stop()


def store(archive: Archive, datasets: Sequence[Dataset]) -> Sequence[Dataset]:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda dataset: store_bytes(archive, SOURCE, encode(dataset)), datasets))
    return datasets


def head(count: int = 24, **attributes: Any) -> list[Dataset]:
    return series(count, **(T1_HEAD | attributes))


def jobs_of(archive: Archive, dataset: Dataset) -> list[JobRow]:
    """Oldest first."""
    with archive.database.transaction() as connection:
        rows = connection.execute(job_rows.page(str(dataset.StudyInstanceUID), None, 100, 0))
        found = [job_rows.as_job(row) for row in rows]
    return [job for job in reversed(found) if job.series_instance_uid == dataset.SeriesInstanceUID]


def events_of(archive: Archive, dataset: Dataset) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of what the feed says of the series, without the stores."""
    query = text(
        "SELECT type, data FROM event WHERE series_instance_uid = :uid AND type <> 'stored' "
        "ORDER BY sequence"
    )
    with archive.database.transaction() as connection:
        rows = connection.execute(query, {"uid": str(dataset.SeriesInstanceUID)})
        return [(row[0], row[1]) for row in rows]


def queued_names(archive: Archive) -> list[str]:
    with archive.database.transaction() as connection:
        rows = connection.execute(text("SELECT queueing_lock FROM procrastinate_jobs ORDER BY id"))
        return [row[0] for row in rows]


def wait_for_settled(archive: Archive, dataset: Dataset, times: int = 1) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if [kind for kind, _ in events_of(archive, dataset)].count("settled") >= times:
            return
        time.sleep(0.05)
    pytest.fail("the series did not settle")


def only_job(archive: Archive, dataset: Dataset) -> JobRow:
    (job,) = jobs_of(archive, dataset)
    return job


@pytest.mark.usefixtures("arrivals")
def test_a_head_series_is_queued_with_its_results_named(archive: Archive) -> None:
    first = store(archive, head())[0]
    wait_for_settled(archive, first)
    job = only_job(archive, first)
    assert (job.state, job.label, job.trigger) == ("SCHEDULED", "queued", "rule")
    assert job.model_name == "brain_mask"
    assert len(job.model_digest) == 64
    uids = [job.results[what][uid] for what in ("seg", "sr") for uid in job.results[what]]
    assert len(set(uids)) == 4
    assert queued_names(archive) == [str(job.id)]
    (settled, facts), (queued, data) = events_of(archive, first)
    assert (settled, facts["instance_count"]) == ("settled", 24)
    assert (queued, data["label"], data["series_description"]) == ("queued", "queued", "T1 MPRAGE")
    assert data["results"] == {"seg": None, "sr": None}


@pytest.mark.usefixtures("arrivals")
def test_a_series_that_no_rule_picks_ends_skipped_with_a_reason(archive: Archive) -> None:
    first = store(archive, series(3))[0]
    wait_for_settled(archive, first)
    job = only_job(archive, first)
    assert (job.state, job.label) == ("CANCELED", "skipped")
    assert job.ended_at is not None
    assert job.reason == "It is a series of modality CT; the model reads MR of the head."
    assert [kind for kind, _ in events_of(archive, first)] == ["settled", "skipped"]
    assert queued_names(archive) == []


@pytest.mark.usefixtures("arrivals")
def test_a_series_with_too_few_images_says_how_many_it_has(archive: Archive) -> None:
    first = store(archive, head(3))[0]
    wait_for_settled(archive, first)
    job = only_job(archive, first)
    assert job.label == "skipped"
    assert job.reason == "The series has 3 images; the model needs at least 20."


def test_many_deciders_make_one_job(archive: Archive) -> None:
    first = store(archive, head())[0]
    deciders = [Arrivals(archive) for _ in range(4)]
    for decider in deciders:
        decider.start()
    wait_for_settled(archive, first)
    time.sleep(2 * QUIET)
    for decider in deciders:
        decider.stop()
    assert queued_names(archive) == [str(only_job(archive, first).id)]


@pytest.mark.usefixtures("arrivals")
def test_a_hole_in_the_geometry_waits_and_then_fails_with_the_reason(archive: Archive) -> None:
    datasets = head()
    del datasets[12]
    first = store(archive, datasets)[0]
    time.sleep(QUIET + 1)
    assert jobs_of(archive, first) == []
    wait_for_settled(archive, first)
    job = only_job(archive, first)
    assert (job.state, job.label) == ("CANCELED", "failed")
    assert job.reason is not None
    assert job.reason.startswith("1 slice missing: the spacing is 1.00 mm")
    assert queued_names(archive) == []


@pytest.mark.usefixtures("arrivals")
def test_a_hole_that_is_filled_in_time_is_no_failure(archive: Archive) -> None:
    *datasets, late = head()
    missing = datasets.pop(5)
    first = store(archive, [*datasets, late])[0]
    time.sleep(QUIET + 0.5)
    store(archive, [missing])
    wait_for_settled(archive, first)
    assert only_job(archive, first).label == "queued"


@pytest.mark.usefixtures("arrivals")
def test_a_tilted_series_fails_at_once_with_the_reason(archive: Archive) -> None:
    datasets = head()
    for height, dataset in enumerate(datasets):
        dataset.ImagePositionPatient = [0, 0.4 * height, height]
    first = store(archive, datasets)[0]
    wait_for_settled(archive, first)
    job = only_job(archive, first)
    assert job.label == "failed"
    assert "gantry tilt" in (job.reason or "")


@pytest.mark.usefixtures("arrivals")
def test_a_study_of_two_patients_is_held(archive: Archive) -> None:
    datasets = head()
    other = ct_slice(StudyInstanceUID=datasets[0].StudyInstanceUID, PatientID="SOMEBODY-ELSE")
    store(archive, [datasets[0]])
    store(archive, [other])
    first = store(archive, datasets[1:])[0]
    wait_for_settled(archive, first)
    assert only_job(archive, first).label == "skipped"
    assert "Held: its instances carry different patient IDs." in str(
        only_job(archive, first).reason
    )
    with pytest.raises(CannotAnalyse, match="Held"):
        request_analysis(archive, first.StudyInstanceUID, first.SeriesInstanceUID)


@pytest.mark.usefixtures("arrivals")
def test_our_own_results_never_settle_into_a_job(archive: Archive) -> None:
    own = head()
    files = [encode(dataset) for dataset in own]
    publish(archive, Source("INFERENCE", job_id="j"), files, guard=lambda _: None)
    later = store(archive, series(1))[0]
    wait_for_settled(archive, later)
    assert jobs_of(archive, own[0]) == []
    with pytest.raises(CannotAnalyse, match="not analysed again"):
        request_analysis(archive, own[0].StudyInstanceUID, own[0].SeriesInstanceUID)


@pytest.mark.usefixtures("arrivals")
def test_images_that_come_before_the_run_are_part_of_it(archive: Archive) -> None:
    datasets = head(26)
    first = store(archive, datasets[:24])[0]
    wait_for_settled(archive, first)
    store(archive, datasets[24:])
    wait_for_settled(archive, first, times=2)
    assert only_job(archive, first).label == "queued"


@pytest.mark.usefixtures("arrivals")
def test_images_that_come_after_the_run_make_a_new_job_with_a_predecessor(
    archive: Archive,
) -> None:
    datasets = head(26)
    first = store(archive, datasets[:24])[0]
    wait_for_settled(archive, first)
    old = only_job(archive, first)
    with archive.database.transaction() as connection:
        begun = jobs.begin(connection, old.id)
        assert begun is not None
        seen = old.results | {"instance_count": 24}
        jobs.end(connection, old.id, begun.fencing_token, "complete", results=seen)
    store(archive, datasets[24:])
    wait_for_settled(archive, first, times=2)
    old, new = jobs_of(archive, first)
    assert (new.label, new.predecessor_id) == ("queued", old.id)
    assert old.successor_id == new.id
    assert new.results["seg"] != old.results["seg"]


@pytest.mark.usefixtures("arrivals")
def test_images_that_come_during_the_run_end_it_and_start_anew(archive: Archive) -> None:
    datasets = head(26)
    first = store(archive, datasets[:24])[0]
    wait_for_settled(archive, first)
    with archive.database.transaction() as connection:
        assert jobs.begin(connection, only_job(archive, first).id) is not None
    store(archive, datasets[24:])
    wait_for_settled(archive, first, times=2)
    old, new = jobs_of(archive, first)
    assert old.cancel_requested
    assert "analysed anew" in (old.reason or "")
    assert (new.label, new.predecessor_id) == ("queued", old.id)


@pytest.mark.usefixtures("arrivals")
def test_a_skipped_series_that_grows_keeps_one_row_until_a_model_suits(archive: Archive) -> None:
    datasets = head(24)
    first = store(archive, datasets[:2])[0]
    wait_for_settled(archive, first)
    store(archive, [datasets[2]])
    wait_for_settled(archive, first, times=2)
    assert "3 images" in (only_job(archive, first).reason or "")
    store(archive, datasets[3:])
    wait_for_settled(archive, first, times=3)
    assert [job.label for job in jobs_of(archive, first)] == ["skipped", "queued"]


def test_a_series_that_cannot_be_examined_fails_alone(archive: Archive) -> None:
    broken, sound = store(archive, head())[0], store(archive, head())[0]
    damage = text(
        "UPDATE instance SET metadata_json = 'nonsense' FROM series "
        "WHERE series.id = series_pk AND series_instance_uid = :uid"
    )
    with archive.database.transaction() as connection:
        connection.execute(damage, {"uid": str(broken.SeriesInstanceUID)})
    arrivals = Arrivals(archive)
    arrivals.start()
    wait_for_settled(archive, sound)
    deadline = time.monotonic() + 10
    while not jobs_of(archive, broken) and time.monotonic() < deadline:
        time.sleep(0.05)
    arrivals.stop()
    assert only_job(archive, sound).label == "queued"
    assert only_job(archive, broken).label == "failed"
    assert "internal error" in (only_job(archive, broken).reason or "")


def end_the_decider(archive: Archive) -> None:
    """End the connection that waits for a lock, as a crash of its process would."""
    waiting = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with archive.database.transaction() as connection:
            if connection.execute(waiting).all():
                return
        time.sleep(0.05)
    pytest.fail("nothing waited for the lock")


def test_a_decision_that_is_cut_off_is_made_again_as_a_whole(archive: Archive) -> None:
    first = store(archive, head())[0]
    time.sleep(QUIET + 0.5)
    with archive.database.transaction() as connection, ThreadPoolExecutor(1) as pool:
        connection.execute(text("SELECT id FROM series FOR UPDATE"))
        decision = pool.submit(decide_next, archive)
        end_the_decider(archive)
        with pytest.raises(DBAPIError):
            decision.result()
    assert jobs_of(archive, first) == []
    assert events_of(archive, first) == []
    assert decide_next(archive)
    assert queued_names(archive) == [str(only_job(archive, first).id)]


@pytest.mark.usefixtures("arrivals")
def test_a_person_may_choose_what_no_rule_would_and_only_once(archive: Archive) -> None:
    first = store(archive, head(SeriesDescription="Ax 3D", BodyPartExamined=None))[0]
    wait_for_settled(archive, first)
    skipped = only_job(archive, first)
    view = request_analysis(archive, first.StudyInstanceUID, first.SeriesInstanceUID)
    assert (view["label"], view["trigger"]) == ("queued", "person")
    assert view["predecessor_job_id"] == str(skipped.id)
    assert queued_names(archive) == [view["job_id"]]
    with pytest.raises(NotNow, match="already"):
        request_analysis(archive, first.StudyInstanceUID, first.SeriesInstanceUID)


@pytest.mark.usefixtures("arrivals")
def test_a_request_without_a_series_says_why_none_suits(archive: Archive) -> None:
    first = store(archive, series(2, SeriesDescription="Lung"))[0]
    wait_for_settled(archive, first)
    with pytest.raises(CannotAnalyse, match="Lung: It is a series of modality CT"):
        request_analysis(archive, first.StudyInstanceUID)


@pytest.mark.usefixtures("arrivals")
def test_a_waiting_job_is_canceled_at_once(archive: Archive) -> None:
    first = store(archive, head(StudyInstanceUID=new_uid()))[0]
    wait_for_settled(archive, first)
    view = cancel(archive, str(only_job(archive, first).id))
    assert (view["state"], view["label"]) == ("CANCELED", "canceled")
    assert view["reason"] == "Canceled by a person."
    assert queued_names(archive) == []
    with pytest.raises(NotNow, match="ended already"):
        cancel(archive, view["job_id"])

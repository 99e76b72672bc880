"""Jobs with the real queue, the real model and real deaths: one result, whatever is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from factories import ct_slice, encode, series
from pydantic import SecretStr
from pydicom import dcmread
from pydicom.uid import MRImageStorage
from sqlalchemy import text

from hounsfield.archive import pushes
from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import NotFound
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.retrieve import find_instances_sync
from hounsfield.archive.types import Source
from hounsfield.conf.settings import DatabaseSettings, InferenceSettings, Settings
from hounsfield.db.repositories import job_rows, jobs, queue
from hounsfield.db.repositories.job_rows import JobRow
from hounsfield.inference.jobs import SILENT_SECONDS
from hounsfield.inference.publish import Fenced, publish_result
from hounsfield.inference.requests import cancel
from hounsfield.inference.runner import AnalysisResult
from hounsfield.inference.uids import allocate_results
from hounsfield.inference.worker import serve

WORKER = """
from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import get_settings
from hounsfield.inference.worker import run_worker
archive = Archive(get_settings())
run_worker(archive)
archive.close()
"""
PATIENCE = 120.0

Head = tuple[str, str]


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Series settle soon, and a failed run is tried again soon."""
    return Settings(
        data_dir=tmp_path / "data",
        database=DatabaseSettings(url=SecretStr(database_url)),
        inference=InferenceSettings(settle_seconds=0.3, retry_seconds=0.2),
    )


@pytest.fixture(scope="module")
def head_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """A head with a known brain, coarse: 67 slices."""
    study = pytest.importorskip("hounsfield.server.demo.study")
    pytest.importorskip("torch")
    made = study.make_demo_study(tmp_path_factory.mktemp("head"), voxel_mm=3)
    return tuple(made.files)


@pytest.fixture
def head(archive: Archive, head_files: tuple[Path, ...]) -> Head:
    """Study and series of a head that was just stored."""
    source = Source("C-STORE", calling_ae_title="MODALITY")
    for path in head_files:
        result = store_bytes(archive, source, path.read_bytes())
    return result.study_instance_uid, result.series_instance_uid


@contextmanager
def working(archive: Archive) -> Iterator[None]:
    """A worker in a thread of this process."""
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(archive, stop),))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()
        loop.close()


@pytest.fixture
def worker(archive: Archive, request: pytest.FixtureRequest) -> Iterator[None]:
    """A worker, started once the test's head is stored: it is never seen half."""
    if "head" in request.fixturenames:
        request.getfixturevalue("head")
    with working(archive):
        yield


@contextmanager
def worker_process(settings: Settings) -> Iterator[psutil.Process]:
    """A worker as the supervisor starts it; killed at the end of the block."""
    url = settings.database.url
    environment = os.environ | {
        "HOUNSFIELD_DATA_DIR": str(settings.data_dir),
        "HOUNSFIELD_DATABASE__URL": url.get_secret_value() if url else "",
        "HOUNSFIELD_INFERENCE__SETTLE_SECONDS": "0.3",
    }
    process = subprocess.Popen([sys.executable, "-c", WORKER], env=environment)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def jobs_of(archive: Archive, head: Head) -> list[JobRow]:
    with archive.database.transaction() as connection:
        rows = connection.execute(job_rows.page(head[0], None, 100, 0))
        return [job_rows.as_job(row) for row in rows]


def wait_for_job(archive: Archive, head: Head, met: Callable[[JobRow], bool]) -> JobRow:
    deadline = time.monotonic() + PATIENCE
    found: list[JobRow] = []
    while time.monotonic() < deadline:
        found = jobs_of(archive, head)
        if found and met(found[0]):
            return found[0]
        time.sleep(0.05)
    pytest.fail(f"it did not come to that: {found}")


def running_beyond(percent: int, attempt: int = 1) -> Callable[[JobRow], bool]:
    return lambda job: job.label == "running" and job.progress >= percent and job.attempt == attempt


def children_at_work(parent: psutil.Process) -> list[psutil.Process]:
    return [
        child
        for child in parent.children(recursive=True)
        if any("hounsfield.inference.child" in word for word in child.cmdline())
    ]


def wait_until_gone(child: psutil.Process) -> None:
    """Without waiting for it as a parent does: its exit code is the runner's to collect."""
    deadline = time.monotonic() + 5
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def events_of(archive: Archive, job: JobRow) -> list[dict[str, Any]]:
    query = text("SELECT type, data FROM event WHERE job_id = :id ORDER BY sequence")
    with archive.database.transaction() as connection:
        rows = connection.execute(query, {"id": job.id})
        return [{"type": row[0]} | row[1] for row in rows]


def events_until(archive: Archive, job: JobRow, last: str) -> list[dict[str, Any]]:
    """The same once ``last`` has come: events are numbered in steps."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        events = events_of(archive, job)
        if events and events[-1]["type"] == last:
            return events
        time.sleep(0.05)
    raise AssertionError(f"no event {last}")


def stored_results(archive: Archive, job: JobRow) -> dict[str, int]:
    """How many instances lie in each of the two series that were allocated."""
    counts = {}
    for what in ("seg", "sr"):
        uid = job.results[what]["series_instance_uid"]
        try:
            counts[what] = len(find_instances_sync(archive, job.study_instance_uid, uid))
        except NotFound:
            counts[what] = 0
    return counts


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_a_stored_head_becomes_seg_and_sr_with_its_progress_told(
    archive: Archive, head: Head
) -> None:
    job = wait_for_job(archive, head, lambda job: job.ended)
    assert (job.state, job.label, job.progress) == ("COMPLETED", "complete", 100), job.reason
    assert (job.attempt, job.reason) == (1, None)
    assert stored_results(archive, job) == {"seg": 1, "sr": 1}
    (volume,) = job.measurements
    assert volume["unit"] == "ml"
    assert 1600 < volume["value"] < 2200
    events = events_until(archive, job, "complete")
    assert [event["type"] for event in events[:2]] == ["queued", "running"]
    assert events[-1]["type"] == "complete"
    assert events[-1]["results"]["seg"] == job.results["seg"]
    told = [event["progress"] for event in events if event["type"] == "running"]
    assert told == sorted(told)
    assert len(told) >= 4
    names = job.results["seg"]
    (seg,) = find_instances_sync(archive, head[0], names["series_instance_uid"])
    dataset = dcmread(archive.objects.path(seg.object_key), stop_before_pixels=True)
    assert dataset.SOPInstanceUID == names["sop_instance_uid"]
    assert not list((archive.settings.data_dir / "runs").iterdir())


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_run_costs_no_result_and_makes_no_second(
    archive: Archive, head: Head, settings: Settings
) -> None:
    with worker_process(settings) as first:
        before = wait_for_job(archive, head, running_beyond(20))
        (child,) = children_at_work(first)
        first.kill()
        killed_at = time.monotonic()
        wait_until_gone(child)
    with worker_process(settings):
        restarted = wait_for_job(archive, head, lambda job: job.fencing_token == 2)
        assert time.monotonic() - killed_at < SILENT_SECONDS + 10
        assert restarted.attempt == 1
        job = wait_for_job(archive, head, lambda job: job.ended)
    assert job.label == "complete", job.reason
    assert job.results["seg"] == before.results["seg"]
    assert stored_results(archive, job) == {"seg": 1, "sr": 1}
    assert len(jobs_of(archive, head)) == 1


@pytest.mark.slow
def test_an_idle_worker_is_small_and_ends_on_sigterm_in_the_middle_of_a_run(
    archive: Archive, head: Head, settings: Settings
) -> None:
    with worker_process(settings) as process:
        wait_for_job(archive, head, running_beyond(1))
        assert process.memory_info().rss < 160 * 1024 * 1024
        (child,) = children_at_work(process)
        asked_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=8)
        assert time.monotonic() - asked_at < 8
        assert not child.is_running()
    (job,) = jobs_of(archive, head)
    assert (job.label, job.attempt) == ("queued", 0)
    assert "starts again" in (job.reason or "")


@pytest.mark.usefixtures("worker")
def test_a_child_stands_by_while_a_series_arrives_that_a_rule_will_pick(
    archive: Archive, head_files: tuple[Path, ...]
) -> None:
    source = Source("C-STORE")
    store_bytes(archive, source, encode(ct_slice()))
    time.sleep(0.5)
    assert children_at_work(psutil.Process()) == []
    for path in head_files[:3]:
        store_bytes(archive, source, path.read_bytes())
    deadline = time.monotonic() + 5
    while not children_at_work(psutil.Process()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_a_run_outlives_the_loss_of_every_database_connection(archive: Archive, head: Head) -> None:
    wait_for_job(archive, head, running_beyond(1))
    with archive.database.transaction() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    time.sleep(1)
    job = wait_for_job(archive, head, lambda job: job.ended)
    assert (job.label, job.attempt) == ("complete", 1), job.reason
    assert stored_results(archive, job) == {"seg": 1, "sr": 1}


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_a_run_ends_within_a_second_of_being_canceled(archive: Archive, head: Head) -> None:
    job = wait_for_job(archive, head, running_beyond(1))
    (child,) = children_at_work(psutil.Process())
    assert cancel(archive, str(job.id))["label"] == "running"
    asked_at = time.monotonic()
    wait_until_gone(child)
    assert time.monotonic() - asked_at < 1
    job = wait_for_job(archive, head, lambda job: job.ended)
    assert (job.state, job.label) == ("CANCELED", "canceled")
    assert job.reason == "Canceled by a person."
    assert stored_results(archive, job) == {"seg": 0, "sr": 0}


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_a_child_that_crashes_is_tried_three_times_and_then_fails_with_the_reason(
    archive: Archive, head: Head
) -> None:
    for attempt in (1, 2, 3):
        wait_for_job(
            archive, head, lambda job, n=attempt: job.label == "running" and n == job.attempt
        )
        while not (children := children_at_work(psutil.Process())):
            time.sleep(0.02)
        children[0].send_signal(signal.SIGSEGV)
        wait_until_gone(children[0])
    job = wait_for_job(archive, head, lambda job: job.ended)
    assert (job.state, job.label, job.attempt) == ("CANCELED", "failed", 3)
    assert "crashed (SIGSEGV). It was tried 3 times." in (job.reason or "")
    events = events_until(archive, job, "failed")
    kinds = [event["type"] for event in events if event["type"] != "running"]
    assert kinds == ["queued", "queued", "queued", "failed"]


def test_a_damaged_image_ends_the_job_with_the_reason(archive: Archive) -> None:
    datasets = series(
        24,
        Modality="MR",
        SOPClassUID=MRImageStorage,
        SeriesDescription="T1 MPRAGE",
        BodyPartExamined="HEAD",
    )
    for dataset in datasets:
        store_bytes(archive, Source("C-STORE"), encode(dataset))
    head = (str(datasets[0].StudyInstanceUID), str(datasets[0].SeriesInstanceUID))
    victim = find_instances_sync(archive, *head)[7]
    path = Path(archive.objects.path(victim.object_key))
    data = bytearray(path.read_bytes())
    data[-9] ^= 0x40
    path.write_bytes(data)
    with working(archive):
        job = wait_for_job(archive, head, lambda job: job.ended)
    assert job.label == "failed"
    assert victim.sop_instance_uid in (job.reason or "")
    assert stored_results(archive, job) == {"seg": 0, "sr": 0}


@pytest.fixture
def begun(archive: Archive) -> JobRow:
    """A started job that no worker knows of."""
    source = ct_slice()
    store_bytes(archive, Source("C-STORE"), encode(source))
    new = jobs.NewJob(
        str(source.StudyInstanceUID),
        str(source.SeriesInstanceUID),
        label="queued",
        trigger="rule",
        results=allocate_results(),
    )
    with archive.database.transaction() as connection:
        job = jobs.begin(connection, jobs.add(connection, new).id)
    assert job is not None
    return job


@pytest.fixture
def result(begun: JobRow, tmp_path: Path) -> AnalysisResult:
    """Two objects under the names of that job."""
    paths = []
    for what in ("seg", "sr"):
        names = begun.results[what]
        dataset = ct_slice(
            StudyInstanceUID=begun.study_instance_uid,
            SeriesInstanceUID=names["series_instance_uid"],
            SOPInstanceUID=names["sop_instance_uid"],
        )
        paths.append(tmp_path / what)
        paths[-1].write_bytes(encode(dataset))
    return AnalysisResult(paths[0], paths[1], [], [], 1.0)


def test_the_first_publisher_wins_and_the_second_changes_nothing(
    archive: Archive, begun: JobRow, result: AnalysisResult
) -> None:
    publish_result(archive, begun, result)
    with pytest.raises(Fenced):
        publish_result(archive, begun, result)
    assert stored_results(archive, begun) == {"seg": 1, "sr": 1}
    (job,) = jobs_of(archive, (begun.study_instance_uid, begun.series_instance_uid))
    assert job.label == "complete"


def test_results_go_to_the_peers_that_a_setting_names_and_nothing_else_does(
    archive: Archive, begun: JobRow, result: AnalysisResult
) -> None:
    outgoing = archive.settings.outgoing.model_copy(update={"send_results_to": ("PACS", "WARD")})
    archive.settings = archive.settings.model_copy(update={"outgoing": outgoing})
    with pytest.raises(Fenced):
        publish_result(archive, replace(begun, fencing_token=begun.fencing_token + 1), result)
    assert pushes.page(archive, 10, 0) == []
    publish_result(archive, begun, result)
    queued = [each.push for each in pushes.page(archive, 10, 0)]
    series = {begun.results[what]["series_instance_uid"] for what in ("seg", "sr")}
    assert {(each.ae_title, each.series_instance_uid) for each in queued} == {
        (ae_title, uid) for ae_title in ("PACS", "WARD") for uid in series
    }
    assert {(each.trigger, each.state) for each in queued} == {("rule", "queued")}


@pytest.mark.usefixtures("worker")
def test_a_job_whose_worker_died_after_it_had_published_is_not_run_again(
    archive: Archive, begun: JobRow, result: AnalysisResult
) -> None:
    publish_result(archive, begun, result)
    with archive.database.transaction() as connection:
        queue.defer(connection, begun.id, 0)
    waiting = text("SELECT count(*) FROM procrastinate_jobs")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with archive.database.transaction() as connection:
            if connection.execute(waiting).scalar() == 0:
                break
        time.sleep(0.05)
    (job,) = jobs_of(archive, (begun.study_instance_uid, begun.series_instance_uid))
    assert (job.label, job.fencing_token) == ("complete", 1)
    assert time.monotonic() < deadline
    assert stored_results(archive, begun) == {"seg": 1, "sr": 1}


def test_a_worker_that_was_taken_for_dead_publishes_nothing(
    archive: Archive, begun: JobRow, result: AnalysisResult
) -> None:
    with archive.database.transaction() as connection:
        again = jobs.begin(connection, begun.id)
    with pytest.raises(Fenced):
        publish_result(archive, begun, result)
    assert stored_results(archive, begun) == {"seg": 0, "sr": 0}
    assert again is not None
    publish_result(archive, again, result)
    assert stored_results(archive, begun) == {"seg": 1, "sr": 1}


def test_seg_and_sr_become_visible_together_or_not_at_all(
    archive: Archive, begun: JobRow, result: AnalysisResult
) -> None:
    result.sr.write_bytes(b"not DICOM at all")
    with pytest.raises(Exception, match=r"."):
        publish_result(archive, begun, result)
    assert stored_results(archive, begun) == {"seg": 0, "sr": 0}
    (job,) = jobs_of(archive, (begun.study_instance_uid, begun.series_instance_uid))
    assert job.label == "running"


def test_a_job_that_stands_in_no_queue_is_queued_again(archive: Archive, begun: JobRow) -> None:
    waiting = text("SELECT status::text, queueing_lock FROM procrastinate_jobs")
    for _ in range(2):
        with archive.database.transaction() as connection:
            queue.defer_forgotten(connection)
            assert connection.execute(waiting).all() == [("todo", str(begun.id))]


def test_only_the_jobs_of_silent_workers_are_taken_over(archive: Archive, begun: JobRow) -> None:
    start = text(
        "WITH worker AS (INSERT INTO procrastinate_workers (last_heartbeat) "
        "VALUES (now() - :age * interval '1 second') RETURNING id) "
        "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM worker) "
        "WHERE queueing_lock = :name"
    )
    ages = {uuid.uuid4(): 1, begun.id: 60}
    with archive.database.transaction() as connection:
        for job_id in ages:
            queue.defer(connection, job_id, 0)
    for job_id, age in ages.items():
        with archive.database.transaction() as connection:
            connection.execute(start, {"age": age, "name": str(job_id)})
    with archive.database.transaction() as connection:
        assert queue.revive(connection, SILENT_SECONDS) == [str(begun.id)]
        assert queue.revive(connection, SILENT_SECONDS) == []

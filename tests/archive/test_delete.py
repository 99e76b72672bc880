"""Deletion beside stores, deaths in its middle, and the sweep (conformance T9)."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from factories import ct_slice, encode, new_uid, series
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from hounsfield.archive.archive import Archive
from hounsfield.archive.delete import delete
from hounsfield.archive.errors import Gone, NotFound
from hounsfield.archive.ingest import receive, store_bytes
from hounsfield.archive.retrieve import find_instances_sync, verify
from hounsfield.archive.sweep import sweep
from hounsfield.archive.types import Source
from hounsfield.conf.settings import Settings
from hounsfield.db.repositories.deletions import Resource

SOURCE = Source("STOW-RS")
DIES = """
import os, signal, sys
from hounsfield.archive import delete as module
from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import get_settings

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

archive = Archive(get_settings())
if sys.argv[1] == "before the commit":
    module.add_event = die
else:
    archive.objects.set_aside = die
module.delete(archive, module.Resource(sys.argv[2]))
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No grace period."""
    without = settings.archive.model_copy(update={"delete_grace_seconds": 0.0})
    return settings.model_copy(update={"archive": without})


@pytest.fixture
def other(settings: Settings) -> Iterator[Archive]:
    """The archive as another process has it."""
    archive = Archive(settings)
    yield archive
    archive.close()


def column(archive: Archive, statement: str) -> list[str]:
    with archive.database.transaction() as connection:
        return list(connection.execute(text(statement)).scalars())


def objects(archive: Archive) -> list[str]:
    root = archive.settings.data_dir / "objects"
    return [path.name for path in root.rglob("*") if path.is_file()]


def test_deletions_among_stores_lose_nothing_that_was_acknowledged_and_leave_nothing_half(
    archive: Archive, other: Archive
) -> None:
    study = new_uid()
    names = [new_uid(), new_uid()]
    acknowledged: set[str] = set()
    over = threading.Event()

    def send(into: Archive, series_uid: str) -> None:
        while not over.is_set():
            data = encode(ct_slice(4, 4, StudyInstanceUID=study, SeriesInstanceUID=series_uid))
            acknowledged.add(store_bytes(into, SOURCE, data).sop_instance_uid)

    def remove(resource: Resource) -> bool:
        try:
            return delete(archive, resource).instances > 0
        except NotFound:
            return False

    with ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send, into, uid) for into in (archive, other) for uid in names]
        removed = 0
        while removed < 8 and not any(sender.done() for sender in senders):
            removed += remove(Resource(study, names[0] if removed % 3 else None))
        over.set()
        for sender in senders:
            sender.result()
    late = store_bytes(other, SOURCE, encode(ct_slice(4, 4, StudyInstanceUID=study)))

    stored = {one.sop_instance_uid for one in find_instances_sync(archive, study)}
    deleted = set(column(archive, "SELECT sop_instance_uid FROM deleted_instance"))
    assert stored | deleted == acknowledged | {late.sop_instance_uid}
    assert not stored & deleted
    assert len(deleted) >= 8
    assert not column(
        archive,
        "SELECT series_instance_uid FROM series "
        "WHERE NOT EXISTS (SELECT 1 FROM instance WHERE series_pk = series.id)",
    )
    while sweep(archive):
        pass
    for one in find_instances_sync(archive, study):
        verify(archive, one)
    assert len(objects(archive)) == len(stored)


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
def test_kill_9_in_the_middle_leaves_all_of_a_study_or_nothing(
    archive: Archive, settings: Settings, when: str
) -> None:
    results = [store_bytes(archive, SOURCE, encode(dataset)) for dataset in series(3)]
    study = results[0].study_instance_uid
    url = settings.database.url
    environment = os.environ | {
        "HOUNSFIELD_DATA_DIR": str(settings.data_dir),
        "HOUNSFIELD_DATABASE__URL": url.get_secret_value() if url else "",
        "HOUNSFIELD_ARCHIVE__DELETE_GRACE_SECONDS": "0",
    }
    command = [sys.executable, "-c", DIES, when, study]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    if when == "before the commit":
        assert len(find_instances_sync(archive, study)) == 3
        for one in find_instances_sync(archive, study):
            verify(archive, one)
        assert sweep(archive) == 0
        assert delete(archive, Resource(study)).instances == 3
    with pytest.raises(NotFound):
        find_instances_sync(archive, study)
    with pytest.raises(Gone):
        delete(archive, Resource(study))
    assert sweep(archive) == 3
    assert objects(archive) == []


def test_any_number_may_sweep_and_nothing_goes_before_its_time(
    archive: Archive, other: Archive, settings: Settings
) -> None:
    kept = settings.archive.model_copy(update={"delete_grace_seconds": 3600.0})
    patient = Archive(settings.model_copy(update={"archive": kept}))
    for into, count in ((archive, 40), (patient, 2)):
        study = new_uid()
        for dataset in series(count, StudyInstanceUID=study):
            store_bytes(archive, SOURCE, encode(dataset))
        delete(into, Resource(study))
    patient.close()
    with ThreadPoolExecutor(4) as pool:
        swept = list(pool.map(sweep, [archive, other] * 2))
    assert sum(swept) == 40
    assert [name.endswith(".deleted") for name in objects(archive)] == [True, True]


def test_a_store_that_meets_a_deletion_under_way_waits_and_is_stored(archive: Archive) -> None:
    first, second = series(2)
    store_bytes(archive, SOURCE, encode(first))
    study = str(first.StudyInstanceUID)
    with archive.database.transaction() as connection:
        connection.execute(text("SELECT id FROM study FOR UPDATE"))
        connection.execute(text("SELECT id FROM series FOR UPDATE"))
        with receive(archive, SOURCE) as reception:
            reception.write(encode(second))
            waiting = reception.submit()
        connection.execute(text("DELETE FROM study"))
        assert not waiting.done()
    assert waiting.result(30).sop_instance_uid == second.SOPInstanceUID
    assert len(find_instances_sync(archive, study)) == 1


def test_an_instance_whose_commit_went_unheard_and_that_was_deleted_is_not_half_put_back(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ct_slice()
    run = archive.database.run
    calls = []

    def losing(work: Any, **options: Any) -> Any:
        result = run(work, **options)
        calls.append(work)
        if len(calls) == 1:
            monkeypatch.setattr(archive.database, "run", run)
            delete(archive, Resource(str(dataset.StudyInstanceUID)))
            raise OperationalError("COMMIT", None, Exception("the connection was lost"))
        return result

    monkeypatch.setattr(archive.database, "run", losing)
    store_bytes(archive, SOURCE, encode(dataset))
    with pytest.raises(NotFound):
        find_instances_sync(archive, str(dataset.StudyInstanceUID))
    assert sweep(archive) == 1
    store_bytes(archive, SOURCE, encode(dataset))
    (one,) = find_instances_sync(archive, str(dataset.StudyInstanceUID))
    verify(archive, one)

"""Pushes: what is queued reaches its peer, or the ledger says why it has not."""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dimse_pacs import NOT_HERE, SUCCESS, Pacs, free_port
from factories import encode, new_uid, series
from pydicom import Dataset, dcmread
from sqlalchemy import Connection
from waiting import eventually

from hounsfield.archive import pushes
from hounsfield.archive.archive import Archive
from hounsfield.archive.delete import delete
from hounsfield.archive.errors import InvalidPeer, InvalidQuery, NotFound
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.peers import Peer, add, change
from hounsfield.archive.pushes import Entry, Progress
from hounsfield.archive.types import Source
from hounsfield.conf.settings import OutgoingSettings, Settings
from hounsfield.db.repositories import pushes as statements
from hounsfield.db.repositories.deletions import Resource
from hounsfield.dimse.service import DimseService

OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0xA700, 0xC000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Quick retries, and little patience."""
    outgoing = OutgoingSettings(
        retry_seconds=0.2, longest_retry_seconds=0.4, commitment_seconds=2, parallel=1
    )
    return settings.model_copy(update={"outgoing": outgoing})


@pytest.fixture
def pacs(archive: Archive, port: int) -> Iterator[Pacs]:
    pacs = Pacs(port)
    enter(archive, pacs)
    yield pacs
    pacs.close()


def enter(archive: Archive, pacs: Pacs) -> None:
    """Into the AE book."""
    rights = {"may_receive": True, "may_commit": True}
    add(archive, Peer(pacs.name, host="127.0.0.1", port=pacs.port, **rights))


def stored_series(archive: Archive, count: int, **attributes: Any) -> list[Dataset]:
    slices = series(count, **attributes)
    for dataset in slices:
        store_bytes(archive, Source("IMPORT"), encode(dataset))
    return slices


def push(archive: Archive, dataset: Dataset, **options: Any) -> Callable[[], Progress]:
    """Queue the study, and return what tells how far it is."""
    created = pushes.create(archive, "PACS", str(dataset.StudyInstanceUID), **options)
    return lambda: pushes.find(archive, created.push.id)


def uids(slices: list[Dataset]) -> list[str]:
    return sorted(str(dataset.SOPInstanceUID) for dataset in slices)


def test_a_study_is_sent_committed_and_each_instance_stands_in_the_ledger(
    archive: Archive, pacs: Pacs
) -> None:
    slices = stored_series(archive, 5)
    found = push(archive, slices[0])
    assert found().push.state in ("queued", "sending")
    time.sleep(0.5)  # it is not there yet
    pacs.listen()
    assert eventually(lambda: found().push.state == "done", 30)
    assert found().counts == {"committed": 5}
    assert sorted(pacs.received) == uids(slices)
    assert pacs.answer == SUCCESS


def test_one_series_alone_is_sent_and_without_commitment_where_it_is_not_wanted(
    archive: Archive, pacs: Pacs
) -> None:
    pacs.listen()
    study = new_uid()
    wanted = stored_series(archive, 2, StudyInstanceUID=study)
    stored_series(archive, 2, StudyInstanceUID=study)
    uid = str(wanted[0].SeriesInstanceUID)
    found = push(archive, wanted[0], series_instance_uid=uid, commit=False)
    assert eventually(lambda: found().push.has_ended, 30)
    assert (found().push.state, found().counts) == ("done", {"sent": 2})
    assert sorted(pacs.received) == uids(wanted)
    assert pacs.asked == []


def test_what_is_refused_for_good_fails_with_its_reason_and_the_rest_goes_on(
    archive: Archive, pacs: Pacs
) -> None:
    slices = stored_series(archive, 3)
    bad = uids(slices)[1]
    pacs.status = lambda uid: CANNOT_UNDERSTAND if uid == bad else SUCCESS
    pacs.listen()
    found = push(archive, slices[0], commit=False)
    assert eventually(lambda: found().push.has_ended, 30)
    assert (found().push.state, found().push.reason) == ("failed", "1 of 3 instances")
    assert [(e.sop_instance_uid, e.reason) for e in found().failed] == [(bad, "C000H")]
    pacs.status = lambda uid: SUCCESS
    pushes.ask_again(archive, found().push.id)
    assert eventually(lambda: found().push.state == "done", 30)
    assert sorted(pacs.received) == uids(slices), "what went through is not sent twice"
    with pytest.raises(InvalidQuery):
        pushes.ask_again(archive, found().push.id)


def test_a_peer_that_is_full_gets_what_is_left_later(archive: Archive, pacs: Pacs) -> None:
    slices = stored_series(archive, 4)
    tries: dict[str, int] = {}

    def status(uid: str) -> int:
        tries[uid] = tries.get(uid, 0) + 1
        return OUT_OF_RESOURCES if tries[uid] == 1 else SUCCESS

    pacs.status = status
    pacs.listen()
    found = push(archive, slices[0], commit=False)
    assert eventually(lambda: found().push.state == "done", 30)
    assert set(tries.values()) == {2}
    assert found().push.attempt >= 1


def test_what_the_peer_does_not_have_is_not_committed_and_is_sent_again_when_asked(
    archive: Archive, pacs: Pacs
) -> None:
    slices = stored_series(archive, 2)
    lost = uids(slices)[0]
    pacs.commits = lambda uid: NOT_HERE if uid == lost else SUCCESS
    pacs.listen()
    found = push(archive, slices[0])
    assert eventually(lambda: found().push.state == "failed", 30)
    assert found().counts == {"committed": 1, "failed": 1}
    assert "0112H" in found().failed[0].reason
    pacs.commits = lambda uid: SUCCESS
    pushes.ask_again(archive, found().push.id)
    assert eventually(lambda: found().push.state == "done", 30)
    assert found().counts == {"committed": 2}
    assert pacs.received.count(lost) == 2


def test_a_peer_that_never_reports_is_asked_again(archive: Archive, pacs: Pacs) -> None:
    slices = stored_series(archive, 1)
    pacs.commits = lambda uid: SUCCESS if uid else NOT_HERE  # says nothing
    pacs.listen()
    found = push(archive, slices[0])
    assert eventually(lambda: len(pacs.asked) == 2, 30)
    assert found().push.state == "awaiting commitment"
    assert len(set(pacs.asked)) == 2
    pacs.report()
    assert eventually(lambda: found().push.state == "done", 30)


def test_a_push_that_is_canceled_sends_no_more(archive: Archive, pacs: Pacs) -> None:
    slices = stored_series(archive, 40)

    def slowly(uid: str) -> int:
        time.sleep(0.1)
        return SUCCESS

    pacs.status = slowly
    pacs.listen()
    found = push(archive, slices[0], commit=False)
    assert eventually(lambda: found().counts.get("sent", 0) > 0, 30)
    pushes.cancel(archive, found().push.id)
    received = -1
    while received != len(pacs.received):
        received = len(pacs.received)
        time.sleep(1.5)
    assert received < 40
    assert found().push.state == "canceled"


def test_what_cannot_be_sent_is_refused_at_once(archive: Archive, pacs: Pacs) -> None:
    (dataset,) = stored_series(archive, 1)
    study = str(dataset.StudyInstanceUID)
    with pytest.raises(NotFound):
        pushes.create(archive, "NOBODY", study)
    with pytest.raises(NotFound):
        pushes.create(archive, "PACS", new_uid())
    change(archive, Peer("PACS", host="127.0.0.1", port=pacs.port))
    with pytest.raises(InvalidPeer):
        pushes.create(archive, "PACS", study)


def test_what_is_deleted_meanwhile_fails_with_that_reason(archive: Archive, pacs: Pacs) -> None:
    slices = stored_series(archive, 2)
    found = push(archive, slices[0], commit=False)
    assert eventually(lambda: found().push.attempt > 0, 30)
    gone = Resource(
        str(slices[0].StudyInstanceUID),
        str(slices[0].SeriesInstanceUID),
        str(slices[0].SOPInstanceUID),
    )
    delete(archive, gone)
    pacs.listen()
    assert eventually(lambda: found().push.has_ended, 30)
    assert found().counts == {"sent": 1, "failed": 1}
    assert "deleted" in found().failed[0].reason


def test_what_a_dead_process_had_begun_goes_on_with_what_is_left(
    archive: Archive, settings: Settings
) -> None:
    """Its state is what ``kill -9`` leaves: on its way, with a part of it entered as sent."""
    slices = stored_series(archive, 3)
    first, *rest = uids(slices)
    pacs = Pacs(0).listen()
    enter(archive, pacs)
    found = push(archive, slices[0], commit=False)

    def left_by_the_dead(connection: Connection) -> None:
        statements.list_instances(connection, found().push)
        statements.begin(connection, found().push.id)
        statements.enter(connection, found().push.id, [Entry(first, "sent")])

    archive.database.run(left_by_the_dead)
    assert found().push.state == "sending"
    service = DimseService(archive)
    service.start()
    serving = threading.Thread(target=service.serve_forever)
    serving.start()
    try:
        assert eventually(lambda: found().push.state == "done", 30)
        assert sorted(pacs.received) == rest
    finally:
        service.stop(grace_seconds=5)
        serving.join(10)
        pacs.close()


@pytest.mark.skipif(shutil.which("storescp") is None, reason="needs dcmtk")
def test_dcmtk_gets_the_study_byte_for_byte(
    archive: Archive, service: DimseService, tmp_path: Path
) -> None:
    slices = stored_series(archive, 3)
    port = free_port()
    folder = tmp_path / "received"
    folder.mkdir()
    command = ["storescp", "-aet", "PACS", "-od", str(folder), str(port)]
    process = subprocess.Popen(command)
    try:
        add(archive, Peer("PACS", host="127.0.0.1", port=port, may_receive=True))
        found = push(archive, slices[0])
        assert eventually(lambda: found().push.state == "done", 30)
    finally:
        process.kill()
        process.wait()
    got = {str(d.SOPInstanceUID): d.PixelData for d in map(dcmread, folder.iterdir())}
    assert got == {str(d.SOPInstanceUID): d.PixelData for d in slices}

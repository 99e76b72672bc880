"""The change feed: committed things in commit order, each once, and settling beside it."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from factories import ct_slice, encode, series
from sqlalchemy import text

from hounsfield.archive.archive import Archive
from hounsfield.archive.events import EventPage, Sequencer, add_event, listen, read_events
from hounsfield.archive.ingest import receive, store_bytes
from hounsfield.archive.settling import association_ended, settled, take_due
from hounsfield.archive.types import Source

SOURCE = Source("IMPORT")


@pytest.fixture
def sequencer(archive: Archive) -> Iterator[Sequencer]:
    sequencer = Sequencer(archive)
    sequencer.start()
    yield sequencer
    sequencer.stop()


def page(archive: Archive, since: int = 0) -> EventPage:
    async def read() -> EventPage:
        try:
            return await read_events(archive, since)
        finally:
            await archive.database.aclose()
            archive.database.__dict__.pop("async_engine", None)

    return asyncio.run(read())


def wait_for_sequence(archive: Archive, last: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with archive.database.transaction() as connection:
            found = connection.execute(text("SELECT last_sequence FROM event_counter")).scalar()
        if found is not None and found >= last:
            return
        time.sleep(0.02)
    pytest.fail(f"the feed did not reach {last}")


@pytest.mark.usefixtures("sequencer")
def test_events_of_concurrent_stores_are_numbered_without_a_gap(archive: Archive) -> None:
    rival = Sequencer(archive)
    rival.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda d: store_bytes(archive, SOURCE, encode(d)), series(60)))
    wait_for_sequence(archive, 60)
    rival.stop()
    found = page(archive)
    assert [event.sequence for event in found.events] == list(range(1, 61))
    assert {event.type for event in found.events} == {"stored"}
    assert len({event.sop_instance_uid for event in found.events}) == 60
    assert not found.reset


@pytest.mark.usefixtures("sequencer")
def test_an_event_of_a_transaction_that_failed_is_never_numbered(archive: Archive) -> None:
    with pytest.raises(RuntimeError), archive.database.transaction() as connection:
        add_event(connection, "settled")
        raise RuntimeError
    store_bytes(archive, SOURCE, encode(ct_slice()))
    wait_for_sequence(archive, 1)
    assert [event.type for event in page(archive).events] == ["stored"]


@pytest.mark.usefixtures("sequencer")
def test_reading_goes_on_where_it_stopped_and_resets_from_a_number_to_come(
    archive: Archive,
) -> None:
    for dataset in series(5):
        store_bytes(archive, SOURCE, encode(dataset))
    wait_for_sequence(archive, 5)
    assert [event.sequence for event in page(archive, since=3).events] == [4, 5]
    assert page(archive, since=99).reset


@pytest.mark.usefixtures("sequencer")
async def test_a_listener_hears_of_a_store_at_once(archive: Archive) -> None:
    pages = listen(archive, since=0)
    first = asyncio.ensure_future(anext(pages))
    await asyncio.sleep(0.5)
    started = time.monotonic()
    await asyncio.to_thread(store_bytes, archive, SOURCE, encode(ct_slice()))
    heard = await asyncio.wait_for(first, 5)
    assert time.monotonic() - started < 1
    assert [event.type for event in heard.events] == ["stored"]
    await pages.aclose()  # type: ignore[attr-defined]
    await archive.database.aclose()


@pytest.mark.usefixtures("sequencer")
def test_a_second_sequencer_takes_over(archive: Archive, sequencer: Sequencer) -> None:
    store_bytes(archive, SOURCE, encode(ct_slice()))
    wait_for_sequence(archive, 1)
    successor = Sequencer(archive)
    successor.start()
    sequencer.stop()
    store_bytes(archive, SOURCE, encode(ct_slice()))
    wait_for_sequence(archive, 2)
    successor.stop()


def due(archive: Archive, within: float) -> int:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with archive.database.transaction() as connection:
            if found := take_due(connection):
                settled(connection, found[0].series_pk)
                return len(found)
        time.sleep(0.02)
    return 0


def settle_after(archive: Archive, quiet: float, released: float) -> None:
    update = {"settle_seconds": quiet, "settle_after_release_seconds": released}
    inference = archive.settings.inference.model_copy(update=update)
    archive.settings = archive.settings.model_copy(update={"inference": inference})


def test_a_series_is_due_once_it_has_been_quiet(archive: Archive) -> None:
    settle_after(archive, 1, 1)
    sequencer = Sequencer(archive)
    sequencer.start()
    slices = series(4)
    for dataset in slices:
        store_bytes(archive, SOURCE, encode(dataset))
        time.sleep(0.4)
    assert due(archive, within=0.3) == 0
    assert due(archive, within=3) == 1
    assert due(archive, within=0.5) == 0
    sequencer.stop()


def test_the_end_of_its_association_shortens_the_wait(archive: Archive) -> None:
    settle_after(archive, 60, 0.2)
    sequencer = Sequencer(archive)
    sequencer.start()
    source = Source("IMPORT", association_id="one")
    for dataset in series(3):
        store_bytes(archive, source, encode(dataset))
    association_ended(archive, "one")
    assert due(archive, within=3) == 1
    sequencer.stop()


@pytest.mark.usefixtures("sequencer")
def test_our_own_results_do_not_settle(archive: Archive) -> None:
    settle_after(archive, 0.1, 0.1)
    store_bytes(archive, Source("INFERENCE", job_id="j"), encode(ct_slice()))
    wait_for_sequence(archive, 1)
    assert due(archive, within=1) == 0


def test_two_workers_never_take_the_same_series(archive: Archive) -> None:
    settle_after(archive, 0.1, 0.1)
    sequencer = Sequencer(archive)
    sequencer.start()
    with receive(archive, SOURCE) as reception:
        reception.write(encode(ct_slice()))
        reception.commit()
    wait_for_sequence(archive, 1)
    time.sleep(0.3)
    with archive.database.transaction() as one, archive.database.transaction() as other:
        assert len(take_due(one)) == 1
        assert take_due(other) == []
    sequencer.stop()

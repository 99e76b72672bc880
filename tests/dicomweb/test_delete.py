"""DELETE of studies, series and instances (conformance T9)."""

import asyncio

import httpx
import pytest
from dicomweb_requests import FRAME_ACCEPT, serve, store, stored_series, url_of, values
from factories import ct_slice, encode, new_uid

from hounsfield.archive.archive import Archive
from hounsfield.archive.commitment import Finding, commit, examine
from hounsfield.archive.events import FeedEvent, Sequencer, listen
from hounsfield.archive.sweep import sweep
from hounsfield.conf.settings import Settings

NOW = 0.0


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No grace period, so that a sweep has something to do."""
    without = settings.archive.model_copy(update={"delete_grace_seconds": NOW})
    return settings.model_copy(update={"archive": without})


def files(archive: Archive) -> int:
    objects = archive.settings.data_dir / "objects"
    return sum(path.is_file() for path in objects.rglob("*"))


async def status(client: httpx.AsyncClient, *urls: str) -> set[int]:
    return {(await client.get(url)).status_code for url in urls}


async def test_t9_a_deleted_study_is_gone_at_once_at_every_level_and_stays_known(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    first, *_ = await stored_series(client)
    other = (await stored_series(client, 1))[0]
    study = f"/studies/{first.StudyInstanceUID}"
    series = f"{study}/series/{first.SeriesInstanceUID}"
    resources = [study, series, url_of(first)]
    resources += [f"{one}/metadata" for one in resources]
    resources += [f"{url_of(first)}/rendered", f"{study}/thumbnail"]
    frame = f"{url_of(first)}/frames/1"
    assert (await client.get(frame, headers={"accept": FRAME_ACCEPT})).status_code == 200
    assert await status(client, *resources) == {200}

    answer = await client.delete(study)
    assert (answer.status_code, answer.content) == (204, b"")
    for _ in range(2):
        assert await status(client, *resources, frame) == {410}
        assert (await client.delete(study)).status_code == 410
        assert (await client.get(f"/studies?StudyInstanceUID={first.StudyInstanceUID}")).text == ""
        assert await asyncio.to_thread(sweep, archive) in {3, 0}
    assert files(archive) == 1
    assert await status(client, url_of(other)) == {200}


async def test_r04_what_is_under_storage_commitment_is_deleted_only_by_who_says_so(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    (first,) = await stored_series(client, 1)
    reference = (str(first.SOPClassUID), str(first.SOPInstanceUID))
    findings, kept = examine(archive, [reference])
    assert findings == [Finding.KEPT]
    archive.database.run(lambda connection: commit(connection, kept, "MODALITY"))
    for url in (f"/studies/{first.StudyInstanceUID}", url_of(first)):
        refused = await client.delete(url)
        assert refused.status_code == 409
        assert "committed=delete" in refused.json()["detail"]
        assert (await client.delete(f"{url}?committed=yes")).status_code == 400
        assert await status(client, url) == {200}
    assert (await client.delete(f"{url_of(first)}?committed=delete")).status_code == 204
    assert await status(client, url_of(first)) == {410}


async def test_t9_counts_are_true_at_once_and_what_is_left_empty_goes_too(
    client: httpx.AsyncClient,
) -> None:
    study = new_uid()
    first, second = await stored_series(client, 2, StudyInstanceUID=study)
    (mr,) = await stored_series(client, 1, StudyInstanceUID=study, Modality="MR")

    async def counted() -> list[object]:
        (found,) = (await client.get(f"/studies?StudyInstanceUID={study}")).json()
        return [values(found, tag) for tag in ("00201206", "00201208", "00080061")]

    assert await counted() == [[2], [3], ["CT", "MR"]]
    assert (await client.delete(url_of(first))).status_code == 204
    assert await counted() == [[2], [2], ["CT", "MR"]]
    assert await status(client, url_of(first)) == {410}
    assert await status(client, url_of(second)) == {200}
    assert (await client.delete(url_of(second))).status_code == 204
    assert await counted() == [[1], [1], ["MR"]]
    series = f"/studies/{study}/series/{mr.SeriesInstanceUID}"
    assert (await client.delete(series)).status_code == 204
    assert (await client.get(f"/studies?StudyInstanceUID={study}")).status_code == 204
    assert await status(client, series, f"/studies/{study}", url_of(second)) == {410}


async def test_t9_what_was_never_here_is_404_and_no_uid_is_400(client: httpx.AsyncClient) -> None:
    dataset = (await stored_series(client, 1))[0]
    wrong = ct_slice(StudyInstanceUID=dataset.StudyInstanceUID)
    assert (await client.delete(f"/studies/{new_uid()}")).status_code == 404
    assert (await client.delete(url_of(wrong))).status_code == 404
    assert (await client.delete("/studies/x")).status_code == 400
    assert (await client.delete("/studies")).status_code == 405
    assert await status(client, url_of(dataset)) == {200}


@pytest.mark.parametrize("equal", [True, False])
async def test_t9_stored_again_an_instance_is_there_and_no_sweep_takes_it(
    client: httpx.AsyncClient, archive: Archive, equal: bool
) -> None:
    dataset = ct_slice()
    await store(client, encode(dataset))
    await client.delete(f"/studies/{dataset.StudyInstanceUID}")
    if not equal:
        dataset.PatientID = "somebody else"
    assert (await store(client, encode(dataset))).status_code == 200, "not in quarantine"
    assert await asyncio.to_thread(sweep, archive) == 1
    response = await client.get(url_of(dataset), headers={"accept": "application/dicom"})
    assert response.content == encode(dataset)
    assert files(archive) == 1
    assert (await client.delete(url_of(dataset))).status_code == 204
    assert await status(client, url_of(dataset)) == {410}


async def test_t9_what_lies_in_quarantine_under_the_same_names_goes_too(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    dataset = ct_slice()
    await store(client, encode(dataset))
    dataset.PatientID = "somebody else"
    assert (await store(client, encode(dataset))).status_code == 202
    assert files(archive) == 2
    await client.delete(f"/studies/{dataset.StudyInstanceUID}")
    await asyncio.to_thread(sweep, archive)
    assert files(archive) == 0


async def test_t9_a_study_of_which_everything_is_in_quarantine_can_be_deleted(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    dataset = ct_slice()
    await store(client, encode(dataset))
    kept = dataset.StudyInstanceUID
    dataset.StudyInstanceUID = new_uid()
    assert (await store(client, encode(dataset))).status_code == 202
    assert (await client.delete(f"/studies/{dataset.StudyInstanceUID}")).status_code == 204
    await asyncio.to_thread(sweep, archive)
    assert files(archive) == 1
    assert await status(client, f"/studies/{kept}") == {200}
    assert await status(client, f"/studies/{dataset.StudyInstanceUID}") == {404}


async def test_t9_the_change_feed_tells_of_it(client: httpx.AsyncClient, archive: Archive) -> None:
    first, second = await stored_series(client, 2)
    await client.delete(url_of(first))
    await client.delete(url_of(second))
    sequencer = Sequencer(archive)
    sequencer.start()
    events: list[FeedEvent] = []
    async with asyncio.timeout(30):
        async for page in listen(archive, 0):
            events += page.events
            if len(events) == 4:
                break
    await asyncio.to_thread(sequencer.stop)
    told = [event for event in events if event.type == "deleted"]
    study, series = first.StudyInstanceUID, first.SeriesInstanceUID
    assert [(e.study_instance_uid, e.series_instance_uid, e.sop_instance_uid) for e in told] == [
        (study, series, first.SOPInstanceUID),
        (study, None, None),
    ]
    assert told[1].data == {"instance_count": 1, "series_instance_uids": [series]}


def test_t9_another_process_that_remembers_the_instance_does_not_serve_it(
    archive: Archive, settings: Settings
) -> None:
    dataset = ct_slice()
    second = Archive(settings)
    with serve(archive) as one, serve(second) as other:
        headers = {"accept": "application/dicom"}
        assert httpx.delete(one + url_of(dataset)).status_code == 404
        body = encode(dataset)
        kind = {"content-type": "application/dicom"}
        assert httpx.post(f"{one}/studies", content=body, headers=kind).status_code == 200
        assert httpx.get(other + url_of(dataset), headers=headers).status_code == 200
        assert httpx.delete(one + url_of(dataset)).status_code == 204
        for base in (one, other):
            assert httpx.get(base + url_of(dataset), headers=headers).status_code == 410
    second.close()

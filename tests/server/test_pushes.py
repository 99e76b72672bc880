"""Pushes over the JSON API and on the command line."""

import threading
import uuid
from collections.abc import Iterator

import httpx
import pytest
from factories import encode, series
from pydicom import Dataset
from typer.testing import CliRunner

from hounsfield.archive.archive import Archive
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.peers import Peer, add
from hounsfield.archive.types import Source
from hounsfield.conf.settings import DimseSettings, Settings, get_settings
from hounsfield.dimse.service import DimseService
from hounsfield.server.cli import app

API = "/api/pushes"


@pytest.fixture
def slices(archive: Archive) -> list[Dataset]:
    """A study of ours, and a peer that may get it."""
    made = series(2)
    for dataset in made:
        store_bytes(archive, Source("IMPORT"), encode(dataset))
    add(archive, Peer("PACS", host="127.0.0.1", port=1, may_receive=True))
    return made


async def test_a_push_is_queued_listed_canceled_and_tried_again(
    client: httpx.AsyncClient, slices: list[Dataset]
) -> None:
    study = str(slices[0].StudyInstanceUID)
    made = await client.post(API, json={"ae_title": "PACS", "study_instance_uid": study})
    assert made.status_code == 202, made.text
    push = made.json()
    assert (push["state"], push["trigger"], push["commit"]) == ("queued", "person", False)
    assert (await client.get(API)).json() == {"items": [push]}
    assert (await client.get(f"{API}?study_instance_uid=1.2.3")).json() == {"items": []}
    one = f"{API}/{push['id']}"
    assert (await client.get(one)).json() == push
    assert (await client.post(f"{one}/retry")).status_code == 400
    assert (await client.post(f"{one}/cancel")).json()["state"] == "canceled"
    assert (await client.post(f"{one}/cancel")).status_code == 400
    assert (await client.post(f"{one}/retry")).json()["state"] == "queued"


async def test_a_push_that_cannot_be_is_refused_in_words(
    client: httpx.AsyncClient, archive: Archive, slices: list[Dataset]
) -> None:
    add(archive, Peer("CT1", host="127.0.0.1", may_store=True))
    study = str(slices[0].StudyInstanceUID)
    for wish, status, word in (
        ({"ae_title": "NOBODY", "study_instance_uid": study}, 404, "AE book"),
        ({"ae_title": "CT1", "study_instance_uid": study}, 400, "AE book"),
        ({"ae_title": "PACS", "study_instance_uid": "1.2.3"}, 404, "no such"),
        ({"ae_title": "PACS", "study_instance_uid": "../x"}, 400, "study_instance_uid"),
        ({"ae_title": "PACS"}, 400, "study_instance_uid"),
    ):
        refused = await client.post(API, json=wish)
        assert refused.status_code == status, wish
        assert word in refused.json()["detail"]
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        answer = await client.request(method, f"{API}/{uuid.uuid4()}{path}")
        assert answer.status_code == 404


@pytest.fixture
def service(archive: Archive, slices: list[Dataset]) -> Iterator[DimseService]:
    """Our own server, which carries out what the command queues."""
    settings = archive.settings.model_copy(update={"dimse": DimseSettings(port=0)})
    service = DimseService(Archive(settings))
    service.start()
    thread = threading.Thread(target=service.serve_forever)
    thread.start()
    yield service
    service.stop(grace_seconds=5)
    thread.join(10)


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """The command line, on the database of the test."""
    assert settings.database.url is not None
    monkeypatch.setenv("HOUNSFIELD_DATABASE__URL", settings.database.url.get_secret_value())
    monkeypatch.setenv("HOUNSFIELD_DATA_DIR", str(settings.data_dir))
    get_settings.cache_clear()
    yield CliRunner()
    get_settings.cache_clear()


def test_the_command_follows_a_push_to_its_end(
    command: CliRunner, archive: Archive, service: DimseService, slices: list[Dataset]
) -> None:
    """To ourselves: what is there already is a success."""
    everything = {"may_store": True, "may_commit": True, "may_receive": True}
    add(archive, Peer("HOUNSFIELD", host="127.0.0.1", port=service.port, **everything))
    study = str(slices[0].StudyInstanceUID)
    done = command.invoke(app, ["push", "HOUNSFIELD", "--study", study, "--no-commit"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert done.output.splitlines()[-1] == "done: 2 sent"
    committed = command.invoke(app, ["push", "HOUNSFIELD", "--study", study])
    assert committed.output.splitlines()[-1] == "done: 2 committed", committed.output
    queued = command.invoke(app, ["push", "PACS", "--study", study, "--no-wait"])
    assert queued.exit_code == 0
    unknown = command.invoke(app, ["push", "NOBODY", "--study", study])
    assert str(unknown.exception) == "the AE book has no peer NOBODY"

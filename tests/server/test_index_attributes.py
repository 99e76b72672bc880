"""Adding attributes to the index: the JSON API and the command line."""

from collections.abc import Iterator

import httpx
import pytest
from factories import ct_slice, encode
from typer.testing import CliRunner

from hounsfield.archive.archive import Archive
from hounsfield.archive.index_attributes import index_some
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.types import Source
from hounsfield.conf.settings import Settings, get_settings
from hounsfield.server.cli import app

API = "/api/index-attributes"


async def test_an_attribute_is_added_followed_searched_and_removed(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    store_bytes(archive, Source("IMPORT"), encode(ct_slice(KVP=120)))
    wish = {"path": "KVP", "level": "instance"}
    added = await client.post(API, json=wish)
    assert added.status_code == 202, added.text
    key = added.json()["id"]
    assert (added.json()["state"], added.json()["path"]) == ("indexing", "00180060")
    assert (await client.post(API, json=wish)).json()["id"] == key
    early = await client.get("/dicom-web/instances?KVP=120")
    assert early.status_code == 400
    assert "is being indexed" in early.json()["detail"]
    while index_some(archive):
        pass
    items = (await client.get(API)).json()["items"]
    assert [each["name"] for each in items if each["required"]] == [
        "RequestAttributesSequence.ScheduledProcedureStepID",
        "RequestAttributesSequence.RequestedProcedureID",
    ]
    (ours,) = (each for each in items if each["id"] == key)
    assert (ours["state"], ours["done"], ours["total"]) == ("ready", 1, 1)
    assert len((await client.get("/dicom-web/instances?KVP=120")).json()) == 1
    assert (await client.get("/dicom-web/instances?KVP=80")).status_code == 204
    assert (await client.delete(f"{API}/{key}")).status_code == 204
    assert (await client.delete(f"{API}/{key}")).status_code == 404
    assert (await client.delete(f"{API}/1")).status_code == 404
    assert (await client.get("/dicom-web/instances?KVP=120")).status_code == 400


async def test_a_wish_that_cannot_be_granted_says_why(client: httpx.AsyncClient) -> None:
    for wish, word in (
        ({"path": "PatientName", "level": "study"}, "as it is"),
        ({"path": "NoSuch", "level": "study"}, "neither"),
        ({"path": "PixelData", "level": "instance"}, "not matched"),
        ({"path": "KVP", "level": "patient"}, "level"),
    ):
        refused = await client.post(API, json=wish)
        assert refused.status_code == 400
        assert word in refused.json()["detail"]
    stranger = {"origin": "http://evil.example"}
    wish = {"path": "KVP", "level": "instance"}
    assert (await client.post(API, json=wish, headers=stranger)).status_code == 403


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """The command line, on the database of the test."""
    assert settings.database.url is not None
    monkeypatch.setenv("HOUNSFIELD_DATABASE__URL", settings.database.url.get_secret_value())
    monkeypatch.setenv("HOUNSFIELD_DATA_DIR", str(settings.data_dir))
    get_settings.cache_clear()
    yield CliRunner()
    get_settings.cache_clear()


def test_the_command_adds_lists_and_removes(command: CliRunner) -> None:
    added = command.invoke(app, ["index", "add", "KVP"])
    assert added.exit_code == 0, added.output
    assert added.output == "KVP (DS, instance): what is stored is being indexed (0)\n"
    listed = command.invoke(app, ["index", "list"]).output
    assert "RequestAttributesSequence.RequestedProcedureID (SH, series): ready" in listed
    assert "KVP (DS, instance)" in listed
    assert command.invoke(app, ["index", "remove", "KVP"]).exit_code == 0
    assert "KVP" not in command.invoke(app, ["index", "list"]).output
    refused = command.invoke(app, ["index", "add", "KVP", "--level", "image"])
    assert str(refused.exception) == "the level is study, series or instance"

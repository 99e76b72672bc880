"""The AE book over the JSON API and on the command line, and what calls to peers come to."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
from typer.testing import CliRunner

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import DimseSettings, Settings, get_settings
from hounsfield.dimse.service import DimseService
from hounsfield.server.cli import app

API = "/api/peers"
PACS = {"ae_title": "HOUNSFIELD", "host": "127.0.0.1"}


@pytest.fixture
def dimse_port(archive: Archive) -> Iterator[int]:
    """Our own server as the peer."""
    settings = archive.settings.model_copy(update={"dimse": DimseSettings(port=0)})
    service = DimseService(Archive(settings))
    service.start()
    thread = threading.Thread(target=service.serve_forever)
    thread.start()
    yield service.port
    service.stop(grace_seconds=5)
    thread.join(10)


async def test_a_peer_is_added_changed_called_and_removed(
    client: httpx.AsyncClient, dimse_port: int
) -> None:
    wish = PACS | {"port": dimse_port, "may_find": True, "may_receive": True}
    added = await client.post(API, json=wish)
    assert added.status_code == 201, added.text
    assert added.json()["addresses"] == ["127.0.0.1"], "bound to its host"
    assert (await client.post(API, json=wish)).status_code == 400
    listed = (await client.get(API)).json()
    assert listed == {"items": [added.json()], "only_known": False}
    changed = await client.put(f"{API}/HOUNSFIELD", json=wish | {"addresses": [], "tls": False})
    assert changed.json()["addresses"] == []
    echo = (await client.post(f"{API}/HOUNSFIELD/echo")).json()
    assert (echo["answered"], echo["findings"]) == (True, [])
    assert echo["implementation"].startswith("HOUNSFIELD")
    assert echo["milliseconds"] > 0
    found = (await client.post(f"{API}/HOUNSFIELD/test")).json()
    accepted = {each["service"]: each for each in found["findings"]}
    assert list(accepted) == ["store", "find", "get", "move", "commit"]
    assert accepted["store"]["accepted"]
    assert "SEG" in accepted["store"]["detail"]
    assert (await client.delete(f"{API}/HOUNSFIELD")).status_code == 204
    for method, path in (("DELETE", ""), ("POST", "/echo"), ("POST", "/test")):
        assert (await client.request(method, f"{API}/HOUNSFIELD{path}")).status_code == 404
    assert (await client.put(f"{API}/HOUNSFIELD", json=wish)).status_code == 404


async def test_a_call_that_fails_says_why_and_what_to_do(
    client: httpx.AsyncClient, dimse_port: int
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nothing = probe.getsockname()[1]
    for wish, words, advice in (
        ({"ae_title": "GONE", "port": nothing}, "nothing listens", "Check host and port"),
        ({"ae_title": "OTHER", "port": dimse_port}, "not called OTHER", "own AE title"),
        ({"ae_title": "TLS", "port": dimse_port, "tls": True}, "not speak TLS", "speaks TLS"),
    ):
        assert (await client.post(API, json=PACS | wish)).status_code == 201
        answer = await client.post(f"{API}/{wish['ae_title']}/test")
        assert answer.status_code == 200
        found = answer.json()
        assert (found["answered"], found["findings"]) == (False, [])
        assert words in found["message"]
        assert advice in found["advice"]
    silent = {"ae_title": "SILENT", "may_store": True}
    assert (await client.post(API, json=silent)).status_code == 201
    refused = await client.post(f"{API}/SILENT/echo")
    assert refused.status_code == 400
    assert "no host" in refused.json()["detail"]


async def test_a_wish_that_cannot_be_granted_says_why(client: httpx.AsyncClient) -> None:
    for wrong, word in (
        ({"ae_title": "A\\B"}, "AE title"),
        ({"addresses": ["here"]}, "no address"),
        ({"port": "many"}, "port"),
        ({"may_eat": True}, "may_eat"),
    ):
        refused = await client.post(API, json=PACS | wrong)
        assert refused.status_code == 400, wrong
        assert word in refused.json()["detail"]
    moved = await client.put(f"{API}/OTHER", json=PACS)
    assert moved.status_code == 400
    stranger = await client.post(API, json=PACS, headers={"origin": "http://evil.example"})
    assert stranger.status_code == 403


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """The command line, on the database of the test."""
    assert settings.database.url is not None
    monkeypatch.setenv("HOUNSFIELD_DATABASE__URL", settings.database.url.get_secret_value())
    monkeypatch.setenv("HOUNSFIELD_DATA_DIR", str(settings.data_dir))
    get_settings.cache_clear()
    yield CliRunner()
    get_settings.cache_clear()


def test_the_command_adds_lists_echoes_tests_and_removes(
    command: CliRunner, dimse_port: int
) -> None:
    def run(*arguments: str) -> str:
        done = command.invoke(app, ["peers", *arguments])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    where = ["HOUNSFIELD", "--host", "127.0.0.1", "--port", str(dimse_port)]
    assert run("add", *where, "--may", "all") == (
        f"HOUNSFIELD: 127.0.0.1, port {dimse_port}; may store, find, get, move, commit; "
        "bound to 127.0.0.1\n"
    )
    again = command.invoke(app, ["peers", "add", *where])
    assert "change or remove" in str(again.exception)
    changed = run("add", *where, "--may", "store", "--associations", "5", "--replace")
    assert "may store; bound to 127.0.0.1; 5 associations at most" in changed
    assert "HOUNSFIELD: " in run("list")
    assert "answers in " in run("echo", "HOUNSFIELD")
    assert "  store   yes: CT, MR" in run("test", "HOUNSFIELD")
    unbound = run("add", "CT9", "--may", "store")
    assert "Nothing shows that a caller" in unbound
    assert "HOUNSFIELD_DIMSE__HOST" in run("add", "CT8", "--may", "store", "--address", "10.0.0.8")
    assert "no longer" in run("remove", "HOUNSFIELD")
    failed = command.invoke(app, ["peers", "echo", "HOUNSFIELD"])
    assert str(failed.exception) == "the AE book has no peer HOUNSFIELD"
    run("add", "GONE", "--host", "127.0.0.1", "--port", "1")
    gone = command.invoke(app, ["peers", "test", "GONE"])
    assert gone.exit_code == 1
    assert "nothing listens on port 1" in gone.output
    wrong = command.invoke(app, ["peers", "add", "CT7", "--may", "fly"])
    assert "--may is one of store" in str(wrong.exception)

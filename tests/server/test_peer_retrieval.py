"""Peers asked and fetched from over the JSON API and on the command line."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from factories import encode, new_uid, series
from scp import running
from sqlalchemy import text
from typer.testing import CliRunner

from hounsfield.archive import peers
from hounsfield.archive.archive import Archive
from hounsfield.archive.peers import Peer
from hounsfield.conf.settings import Settings, get_settings
from hounsfield.dimse.probe import echo
from hounsfield.server.cli import app

pytestmark = pytest.mark.skipif(shutil.which("dcmqrscp") is None, reason="needs dcmtk")

STUDY = "2.25.123456789"
CONFIGURATION = """
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 8
HostTable BEGIN
HostTable END
AETable BEGIN
PACS {folder} RW (200, 1024mb) ANY
AETable END
"""


@pytest.fixture
def pacs(tmp_path: Path, archive: Archive) -> Iterator[Peer]:
    """dcmqrscp with a study of three slices, in the AE book."""
    folder, sent = tmp_path / "pacs", tmp_path / "sent"
    folder.mkdir()
    sent.mkdir()
    for n, dataset in enumerate(series(3, StudyInstanceUID=STUDY)):
        (sent / f"{n}.dcm").write_bytes(encode(dataset))
    configuration = tmp_path / "dcmqrscp.cfg"

    def command(port: int) -> list[object]:
        configuration.write_text(CONFIGURATION.format(port=port, folder=folder))
        return ["dcmqrscp", "-c", configuration]

    def peer_at(port: int) -> Peer:
        return Peer("PACS", "127.0.0.1", port, addresses=("127.0.0.1",))

    with running(command, lambda port: echo(archive.settings, peer_at(port)).answered) as port:
        store = ["storescu", "-aec", "PACS", "127.0.0.1", str(port), "+sd", str(sent)]
        subprocess.run(store, check=True, timeout=60)
        yield peers.add(archive, peer_at(port))


def stored(archive: Archive) -> int:
    with archive.database.transaction() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM instance")) or 0)


async def test_a_peer_is_queried_and_a_study_fetched_with_progress(
    client: httpx.AsyncClient, archive: Archive, pacs: Peer
) -> None:
    query = {"level": "study", "keys": {"PatientName": "Doe*"}, "limit": 5}
    found = (await client.post("/api/peers/PACS/query", json=query)).json()
    assert found["complete"]
    (match,) = found["matches"]
    assert match["0020000D"]["Value"] == [STUDY]
    answer = await client.post("/api/peers/PACS/pull", json={"study_instance_uid": STUDY})
    assert answer.headers["content-type"] == "application/x-ndjson"
    *before, last = [orjson.loads(line) for line in answer.text.splitlines()]
    assert not any(line["done"] for line in before)
    assert last == {
        "way": "get",
        "done": True,
        "completed": 3,
        "remaining": last["remaining"],
        "failed": 0,
        "problem": "",
    }
    assert stored(archive) == 3


async def test_what_is_wrong_with_a_query_or_a_fetch_is_said(
    client: httpx.AsyncClient, archive: Archive, pacs: Peer
) -> None:
    for path, body, status, word in (
        ("NOBODY/query", {}, 404, "no peer NOBODY"),
        ("PACS/query", {"keys": {"NoSuch": "x"}}, 400, "keyword"),
        ("PACS/query", {"level": "series"}, 400, "StudyInstanceUID"),
        ("PACS/pull", {"study_instance_uid": "not one"}, 400, "study_instance_uid"),
        ("PACS/pull", {"study_instance_uid": "1.2", "sop_instance_uid": "1.3"}, 400, "series"),
    ):
        refused = await client.post(f"/api/peers/{path}", json=body)
        assert refused.status_code == status, path
        assert word in refused.json()["detail"]
    peers.add(archive, Peer("GONE", "127.0.0.1", 1))
    gone = await client.post("/api/peers/GONE/query", json={})
    assert gone.status_code == 502
    assert "nothing listens" in gone.json()["detail"]
    failed = await client.post("/api/peers/GONE/pull", json={"study_instance_uid": "1.2"})
    (line,) = failed.text.splitlines()
    assert orjson.loads(line)["done"]
    assert "nothing listens" in orjson.loads(line)["problem"]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """The command line, on the database of the test."""
    assert settings.database.url is not None
    monkeypatch.setenv("HOUNSFIELD_DATABASE__URL", settings.database.url.get_secret_value())
    monkeypatch.setenv("HOUNSFIELD_DATA_DIR", str(settings.data_dir))
    get_settings.cache_clear()
    yield CliRunner()
    get_settings.cache_clear()


@pytest.mark.usefixtures("pacs")
def test_the_commands_query_and_pull(command: CliRunner, archive: Archive) -> None:
    found = command.invoke(app, ["query", "PACS", "PatientName=Doe*", "StudyDate=20240101-"])
    assert found.exit_code == 0, (found.output, found.exception)
    (line,) = (line for line in found.output.splitlines() if line.endswith(STUDY))
    assert line.startswith("20240229\tDoe^Jane\tP-1\t")
    assert "(1 found)" in found.output
    key = f"StudyInstanceUID={STUDY}"
    output = command.invoke(app, ["query", "PACS", key, "--level", "series", "--json"]).output
    lines = [line for line in output.splitlines() if line.startswith("{")]
    assert [orjson.loads(line)["00080060"]["Value"] for line in lines] == [["CT"]]
    pulled = command.invoke(app, ["pull", "PACS", "--study", STUDY, "--way", "get"])
    assert pulled.exit_code == 0, (pulled.output, pulled.exception)
    assert "3 instances came by C-GET" in pulled.output
    assert stored(archive) == 3
    refused = command.invoke(app, ["pull", "PACS", "--study", STUDY, "--way", "move"])
    assert "let it store first" in str(refused.exception)
    wrong = command.invoke(app, ["query", "PACS", "Doe"])
    assert "KEYWORD=VALUE" in str(wrong.exception)
    nothing = command.invoke(app, ["pull", "PACS", "--study", new_uid(), "--json"])
    assert orjson.loads(nothing.stdout.splitlines()[-1])["completed"] == 0

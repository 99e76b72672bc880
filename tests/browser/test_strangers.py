"""A page on another origin, or under a rebound name, gets nothing from a loopback server.

The same script runs on a page of our own as the control: there it gets everything.
"""

import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from factories import ct_slice, encode
from playwright.sync_api import Browser, Page, Response
from sqlalchemy import text
from structlog.testing import capture_logs
from web_server import serving

from hounsfield.archive.archive import Archive
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.types import Source

pytestmark = pytest.mark.browser

PAGE = "<!doctype html><title>page</title><p>page</p>"
REBOUND = "rebound.test"

ATTACK = """async ({base, job, series}) => {
  const told = {}
  const attempt = async (name, work) => {
    try { told[name] = await work() } catch (error) { told[name] = 'error' }
  }
  const body = JSON.stringify({study_instance_uid: '1.2.3'})
  const read = async (path, options) => (await fetch(base + path, options)).text()
  const element = (tag, path) => new Promise((resolve) => {
    const made = document.createElement(tag)
    made.onload = () => resolve('loaded')
    made.onerror = () => resolve('error')
    made.src = base + path
    document.body.append(made)
  })
  await attempt('qido', () => read('/dicom-web/studies'))
  await attempt('list', () => read('/api/studies', {credentials: 'include'}))
  await attempt('opaque', () => read('/api/studies', {mode: 'no-cors'}))
  await attempt('picture', () => element('img', series + '/thumbnail'))
  await attempt('script', () => element('script', '/api/studies'))
  await attempt('socket', () => new Promise((resolve, reject) => {
    const socket = new WebSocket(base.replace('http', 'ws') + '/api/live?since=0')
    socket.onmessage = (message) => { resolve(message.data); socket.close() }
    socket.onerror = reject
  }))
  await attempt('json', () => read('/api/jobs', {
    method: 'POST', body, headers: {'content-type': 'application/json'}}))
  await attempt('cancel', () => read(`/api/jobs/${job}/cancel`, {method: 'POST', mode: 'no-cors'}))
  return told
}"""

FORM = """({base, job}) => {
  const form = document.createElement('form')
  form.method = 'POST'
  form.action = `${base}/api/jobs/${job}/cancel`
  document.body.append(form)
  form.submit()
}"""


@pytest.fixture
def study(archive: Archive) -> dict[str, str]:
    """A stored study with a job that waits."""
    dataset = ct_slice(PatientName="Secret^Patient")
    store_bytes(archive, Source("IMPORT"), encode(dataset))
    uids = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID)
    job = str(uuid.uuid4())
    insert = (
        "INSERT INTO job (id, study_instance_uid, series_instance_uid, model_name, model_version,"
        " model_digest, state, label, trigger, progress, stage, attempt, fencing_token,"
        " cancel_requested, results, measurements) VALUES (:id, :study, :series, '', '', '',"
        " 'SCHEDULED', 'queued', 'rule', 0, '', 0, 0, false, '{}', '[]')"
    )
    with archive.database.transaction() as connection:
        connection.execute(text(insert), {"id": job, "study": uids[0], "series": uids[1]})
    return {"job": job, "series": f"/dicom-web/studies/{uids[0]}/series/{uids[1]}", "uid": uids[0]}


@pytest.fixture
def port(archive: Archive, tmp_path: Path) -> Iterator[int]:
    """Our server, with a page of its own."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text(PAGE)
    with serving(archive, viewer=tmp_path) as port:
        yield port


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Somebody else's web server, on this very machine: the same site, another origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


class Relay:
    """Where a name leads to: passes every connection on, to one server and later to another."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=ends, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def stranger(launch: Callable[..., Browser]) -> Iterator[Page]:
    """A page of a browser in which a foreign name leads to this machine."""
    browser = launch(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1")
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    browser.close()


def answers_of(page: Page, port: int) -> list[int]:
    """The status of everything that our server answers to this page from now on."""
    found: list[int] = []

    def note(response: Response) -> None:
        if f":{port}/" in response.url:
            found.append(response.status)

    page.on("response", note)
    return found


def attack(page: Page, base: str, study: dict[str, str]) -> dict[str, str]:
    told: dict[str, str] = page.evaluate(ATTACK, {"base": base, **study})
    return told


def label_of(archive: Archive, job: str) -> str:
    with archive.database.transaction() as connection:
        found = connection.execute(text("SELECT label FROM job WHERE id = :id"), {"id": job})
        return str(found.scalar_one())


def gets_nothing(told: dict[str, str], study: dict[str, str]) -> bool:
    said = " ".join(told.values())
    return "Secret" not in said and study["uid"] not in said and "hello" not in said


def test_a_page_on_another_port_gets_nothing(
    archive: Archive, port: int, elsewhere: str, stranger: Page, study: dict[str, str]
) -> None:
    with capture_logs() as said:
        for base in (f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
            stranger.goto(elsewhere)
            told = attack(stranger, base, study)
            assert gets_nothing(told, study), told
            assert set(told.values()) == {"error"}
            stranger.evaluate(FORM, {"base": base, **study})
            stranger.wait_for_url(f"{base}/**")
            assert "another" in stranger.content()
    refused = [entry for entry in said if entry["event"] == "http.refused"]
    assert len(refused) >= 2 * (len(told) + 1), "it was this server that refused"
    assert {entry["kind"] for entry in refused} == {"http", "websocket"}
    assert label_of(archive, study["job"]) == "queued"


def test_a_page_under_a_rebound_name_gets_nothing(
    archive: Archive, port: int, elsewhere: str, stranger: Page, study: dict[str, str]
) -> None:
    their_port = int(elsewhere.strip("/").rsplit(":", 1)[1])
    with Relay(their_port) as relay:
        base = f"http://{REBOUND}:{relay.port}"
        stranger.goto(base)
        relay.target = port  # the stranger's name now leads to us
        statuses = answers_of(stranger, relay.port)
        told = attack(stranger, base, study)
        assert gets_nothing(told, study), told
        assert '"status":421' in told["qido"], "it was this server that refused, by the name alone"
        assert told["picture"] == told["script"] == told["socket"] == "error"
        stranger.goto(f"{base}/")
    assert len(statuses) > 6
    assert set(statuses) == {421}
    assert label_of(archive, study["job"]) == "queued"


def test_a_page_of_our_own_gets_everything(
    archive: Archive, port: int, stranger: Page, study: dict[str, str]
) -> None:
    base = f"http://127.0.0.1:{port}"
    stranger.goto(base)
    told = attack(stranger, base, study)
    assert "Secret" in told["qido"]
    assert "Secret" in told["list"]
    assert told["picture"] == "loaded"
    assert '"hello"' in told["socket"]
    assert label_of(archive, study["job"]) == "canceled"

"""The service in applications that are not ours: docs/plugin.md, whose examples run here."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from dicomweb_client import DICOMwebClient
from dicomweb_requests import STORE_HEADERS, multipart, running, url_of
from factories import ct_slice, encode, series
from fastapi import Depends, FastAPI, HTTPException
from pydantic import SecretStr

from hounsfield.archive.archive import Archive
from hounsfield.archive.events import listen
from hounsfield.conf.settings import DatabaseSettings, Settings
from hounsfield.dicomweb.plugin import create_plugin

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
# Serves until its input ends, without what an installation may lack, then names what it has read.
HOST = """
import sys, threading, uvicorn
absent = ("hounsfield.server", "hounsfield.inference", "hounsfield.dimse", "torch", "monai")
sys.modules.update(dict.fromkeys(absent))
sys.path.insert(0, sys.argv[1])
server = uvicorn.Server(uvicorn.Config(sys.argv[2], port=int(sys.argv[3]), log_level="warning"))
def end():
    sys.stdin.read()
    server.should_exit = True
threading.Thread(target=end, daemon=True).start()
server.run()
import hounsfield.dicomweb.rendering.worker
print(*(name for name, module in sys.modules.items() if module is not None))
"""


@contextmanager
def example(name: str, settings: Settings, **environment: str) -> Iterator[tuple[str, list[str]]]:
    """An example behind uvicorn in a process of its own; its URL, and at its end its modules."""
    assert settings.database.url is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment |= {
        "HOUNSFIELD_DATABASE__URL": settings.database.url.get_secret_value(),
        "HOUNSFIELD_DATA_DIR": str(settings.data_dir),
    }
    command = [sys.executable, "-c", HOST, str(EXAMPLES), f"{name}:app", str(port)]
    modules: list[str] = []
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=os.environ | environment, stdin=pipe, stdout=pipe, text=True
    ) as process:
        try:
            _await(port, process)
            yield f"http://127.0.0.1:{port}", modules
            modules += process.communicate(timeout=30)[0].split()
            assert process.returncode == 0
        finally:
            process.kill()


def _await(port: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the example did not start")


def test_the_example_serves_a_strange_client_without_our_server_and_without_models(
    tmp_path: Path, empty_database_url: str
) -> None:
    """On an empty database, whose tables it makes."""
    database = DatabaseSettings(url=SecretStr(empty_database_url))
    settings = Settings(data_dir=tmp_path / "data", database=database)
    with example("plugin", settings) as (url, modules):
        client = DICOMwebClient(f"{url}/pacs")
        datasets = series(3)
        client.store_instances(datasets)
        (found,) = client.search_for_studies(search_filters={"PatientID": "P-1"})
        assert found["0020000D"]["Value"] == [datasets[0].StudyInstanceUID]
        answer = client.retrieve_series(datasets[0].StudyInstanceUID, datasets[0].SeriesInstanceUID)
        # Those that share a commit are in the order of their UIDs.
        received = sorted(answer, key=lambda dataset: dataset.InstanceNumber)
        assert received == datasets
        names = (received[0].StudyInstanceUID, received[0].SeriesInstanceUID)
        names += (received[0].SOPInstanceUID,)
        assert client.retrieve_instance_rendered(*names)[:2] == b"\xff\xd8"
        uri = client.retrieve_instance_metadata(*names)["7FE00010"]["BulkDataURI"]
        assert uri.startswith(f"{url}/pacs/studies/")
        assert client.retrieve_bulkdata(uri) == [datasets[0].PixelData]
    assert "hounsfield.dicomweb.plugin" in modules
    rooms = {".".join(name.split(".")[:2]) for name in modules if name.startswith("hounsfield.")}
    assert rooms == {f"hounsfield.{room}" for room in ("conf", "db", "archive", "dicomweb")}
    assert not {"torch", "monai"} & set(modules)


async def test_the_example_that_stands_alone_numbers_events_and_keeps_strangers_out(
    settings: Settings, archive: Archive
) -> None:
    with example("plugin_alone", settings, PACS_PASSWORD="open sesame") as (url, _):
        async with httpx.AsyncClient(base_url=f"{url}/pacs", headers=STORE_HEADERS) as client:
            body, known = multipart([encode(ct_slice())]), ("anybody", "open sesame")
            for auth in (None, ("anybody", "open barley")):
                refused = await client.post("/studies", content=body, auth=auth)
                assert refused.status_code == 401
            elsewhere = await client.get("/studies", headers={"host": "x.example"}, auth=known)
            assert elsewhere.status_code == 400
            stored = await client.post("/studies", content=body, auth=known)
            assert stored.status_code == 200
            assert len((await client.get("/studies", auth=known)).json()) == 1
        async with asyncio.timeout(20):
            async for page in listen(archive, 0):
                assert page.events[0].sequence == 1
                break
    await archive.database.aclose()


def test_each_of_two_applications_names_its_own_prefix_in_every_url(settings: Settings) -> None:
    """On one database, each with an archive of its own; the second mounted in a third."""
    first, second = FastAPI(), FastAPI()
    first.include_router(create_plugin(Archive(settings)), prefix="/pacs")
    images = FastAPI()
    archive = Archive(settings)
    images.include_router(create_plugin(archive), prefix="/v2/dicom-web")
    second.mount("/hospital/images", images)
    dataset = ct_slice()
    with ExitStack() as stack:
        urls = [
            stack.enter_context(running(app)) + prefix
            for app, prefix in ((first, "/pacs"), (second, "/hospital/images/v2/dicom-web"))
        ]
        for url in urls:
            answer = httpx.post(
                f"{url}/studies", content=multipart([encode(dataset)]), headers=STORE_HEADERS
            )
            stored = answer.json()["00081199"]["Value"][0]
            assert stored["00081190"]["Value"] == [url + url_of(dataset)]
            (study,) = httpx.get(f"{url}/studies").json()
            assert study["00081190"]["Value"] == [f"{url}/studies/{dataset.StudyInstanceUID}"]
            assert httpx.get(study["00081190"]["Value"][0]).status_code == 200
            (metadata,) = httpx.get(f"{url}{url_of(dataset)}/metadata").json()
            uri = metadata["7FE00010"]["BulkDataURI"]
            assert uri.startswith(f"{url}/studies/")
            assert httpx.get(uri).content == dataset.PixelData
            described = httpx.options(f"{url}/").text
            assert f'<resources base="{url}/">' in described
    archive.close()


async def test_dependencies_of_the_host_hold_and_other_errors_stay_ours(archive: Archive) -> None:
    def refuse() -> None:
        raise HTTPException(403)

    guarded, included, free = FastAPI(dependencies=[Depends(refuse)]), FastAPI(), FastAPI()
    guarded.include_router(create_plugin(archive), prefix="/pacs")
    included.include_router(create_plugin(archive), prefix="/pacs", dependencies=[Depends(refuse)])
    free.include_router(create_plugin(archive))
    for app in (guarded, included):
        async with _client(app) as client:
            for method in ("GET", "POST", "DELETE", "OPTIONS"):
                answer = await client.request(method, "/pacs/studies/1.2")
                assert answer.status_code == 403
    async with free.router.lifespan_context(free), _client(free) as client:
        for method, url, status in (
            ("GET", "/studies/1.2", 404), ("PUT", "/studies", 405), ("POST", "/studies", 415),
        ):  # fmt: skip
            answer = await client.request(method, url)
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"


def test_the_document_shows_the_examples_as_they_are() -> None:
    document = (EXAMPLES.parent / "plugin.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"(examples/{path.name})" in document
    code = (EXAMPLES / "plugin.py").read_text().partition("\n\n")[2]
    assert f"```python\n{code}```" in document


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host.example")

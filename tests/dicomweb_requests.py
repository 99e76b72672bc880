"""What the tests of the service share: requests as clients write them, answers taken apart."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from factories import encode, series
from fastapi import FastAPI
from pydicom import Dataset

from hounsfield.archive.archive import Archive
from hounsfield.dicomweb.media_types import parse_media_type
from hounsfield.dicomweb.multipart import MultipartReader, boundary_of
from hounsfield.dicomweb.router import create_router

MOUNT = "/dicom-web"

BOUNDARY = "----=_Part_1.2"
STORE_HEADERS = {
    "content-type": f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
}
FRAME_ACCEPT = "multipart/related; type=application/octet-stream; transfer-syntax=*"

Members = dict[str, Any]


def application(archive: Archive) -> FastAPI:
    """The router alone, mounted as the server mounts it."""
    app = FastAPI()
    app.include_router(create_router(archive), prefix=MOUNT)
    return app


@contextmanager
def serve(archive: Archive) -> Iterator[str]:
    """The service behind a real uvicorn in a thread; its base URL."""
    with running(application(archive)) as url:
        yield url + MOUNT


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Any application behind a real uvicorn in a thread; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def multipart(parts: Iterable[bytes], kind: str = "application/dicom") -> bytes:
    """A body of parts."""
    head = f"\r\n--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n".encode()
    return b"".join(head + part for part in parts) + f"\r\n--{BOUNDARY}--\r\n".encode()


async def store(client: httpx.AsyncClient, *objects: bytes, study: str = "") -> httpx.Response:
    """STOW-RS of PS3.10 objects in one request."""
    url = f"/studies/{study}" if study else "/studies"
    return await client.post(url, content=multipart(objects), headers=STORE_HEADERS)


async def stored_series(
    client: httpx.AsyncClient, count: int = 3, **attributes: Any
) -> list[Dataset]:
    """A series that has been stored."""
    datasets = series(count, **attributes)
    response = await store(client, *(encode(dataset) for dataset in datasets))
    assert response.status_code == 200, response.text
    return datasets


def url_of(dataset: Dataset) -> str:
    """The resource of an instance."""
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def parts_of(response: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """Headers and bytes of each part of a multipart answer, which has to be whole."""
    kept: list[tuple[dict[str, str], bytearray]] = []
    whole = []

    class Sink:
        def begin(self, headers: dict[str, str]) -> None:
            kept.append((headers, bytearray()))

        def data(self, data: memoryview) -> None:
            kept[-1][1].extend(data)

        def end(self) -> None:
            whole.append(len(kept))

        def finish(self) -> None:
            pass

        def abort(self) -> None:
            raise AssertionError("the answer ends inside a part")

    reader = MultipartReader(
        boundary_of(parse_media_type(response.headers["content-type"])), Sink()
    )
    reader.feed(response.content)
    reader.finish()
    assert len(whole) == len(kept)
    return [(headers, bytes(data)) for headers, data in kept]


def values(members: Members, *path: str) -> Any:
    """The values at the end of a path of tags, through the first item of each sequence."""
    for tag in path[:-1]:
        members = members[tag]["Value"][0]
    return members[path[-1]].get("Value")

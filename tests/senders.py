"""Clients that keep, for every instance, what the server has said of it."""

import http.client
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from dicomweb_requests import BOUNDARY, MOUNT, STORE_HEADERS, multipart
from dimse_peer import CT, Peer, store_rq
from factories import ct_slice, encode
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

PATIENCE = 90.0
LOST = (OSError, EOFError, AssertionError, http.client.HTTPException)
"""What a client sees when the server is killed."""


@dataclass(frozen=True)
class Instance:
    """A slice made for a test: its names, its file, and the data set inside it."""

    study: str
    series: str
    sop: str
    file: bytes = field(repr=False)
    data_set: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """Its WADO-RS resource."""
        return f"{MOUNT}/studies/{self.study}/series/{self.series}/instances/{self.sop}"


def made(dataset: Dataset | None = None, **attributes: Any) -> Instance:
    """A CT slice as an instance."""
    dataset = dataset or ct_slice(**attributes)
    file = encode(dataset)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    data_set = bytes(buffer.getvalue())
    assert file.endswith(data_set)
    study, series = str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID)
    return Instance(study, series, str(dataset.SOPInstanceUID), file, data_set)


def c_store(
    port: int, instances: Iterable[Instance], answered: Callable[[Instance, int], None]
) -> None:
    """Send over one association; ``answered`` is told the status of each."""
    with Peer(port) as peer:
        peer.socket.settimeout(PATIENCE)
        peer.associate()
        for instance in instances:
            peer.command(3, store_rq(instance.sop, CT))
            peer.data(3, instance.data_set)
            answered(instance, peer.status())
        peer.release()


def c_store_one(port: int, instance: Instance) -> int:
    """The status of one C-STORE."""
    statuses: list[int] = []
    c_store(port, [instance], lambda _, status: statuses.append(status))
    return statuses[0]


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Its body, parsed."""
        return orjson.loads(self.body)


def request(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def stow(port: int, instances: Sequence[Instance]) -> Reply:
    """Store all in one request."""
    body = multipart([instance.file for instance in instances])
    assert BOUNDARY.encode() in body
    return request(port, "POST", f"{MOUNT}/studies", body, STORE_HEADERS)


def wado(port: int, instance: Instance) -> Reply:
    """The stored object."""
    return request(port, "GET", instance.path, headers={"accept": "application/dicom"})


def all_events(port: int, since: int = 0) -> list[dict[str, Any]]:
    """The change feed after a number, to its end."""
    events: list[dict[str, Any]] = []
    while True:
        page = request(port, "GET", f"/api/events?since={since}&limit=1000").json()
        assert not page["reset"], page
        events += page["events"]
        if not page["events"]:
            return events
        since = events[-1]["sequence"]


def in_thread(work: Callable[[], None]) -> threading.Thread:
    """Run ``work`` until the server is gone."""

    def run() -> None:
        with suppress(*LOST):
            work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread

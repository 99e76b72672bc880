"""STOW-RS (PS3.18 10.5, Annex I; conformance T1 to T5, T7, T8; reliability S-03, S-04)."""

import asyncio
import gzip
import socket
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psutil
import pytest
from dicomweb_requests import (
    BOUNDARY,
    STORE_HEADERS,
    application,
    multipart,
    serve,
    store,
    url_of,
    values,
)
from factories import ct_slice, encode, new_uid, series
from starlette.types import Message

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import OutOfResources
from hounsfield.conf.settings import HttpSettings, Settings

FAILED, REFERENCED, OTHER = "00081198", "00081199", "0008119A"
REASON, WARNING = "00081197", "00081196"


def comment(item: dict[str, Any]) -> str:
    return " ".join(values(part, "00000902")[0] for part in values(item, "00741048"))


async def test_instances_are_stored_and_named_in_the_answer(client: httpx.AsyncClient) -> None:
    datasets = series(3)
    response = await store(client, *(encode(dataset) for dataset in datasets))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+json"
    answer = response.json()
    base = "http://pacs.example/dicom-web"
    assert values(answer, "00081190") == [f"{base}/studies/{datasets[0].StudyInstanceUID}"]
    items = values(answer, REFERENCED)
    assert [values(item, "00081155")[0] for item in items] == [d.SOPInstanceUID for d in datasets]
    assert values(items[0], "00081190") == [base + url_of(datasets[0])]
    assert FAILED not in answer


async def test_a_body_that_is_one_instance_without_multipart_is_stored(
    client: httpx.AsyncClient,
) -> None:
    dataset = ct_slice()

    async def in_chunks() -> AsyncIterator[bytes]:
        data = encode(dataset)
        for start in range(0, len(data), 100):
            yield data[start : start + 100]

    headers = {"content-type": "application/dicom"}
    response = await client.post("/studies", content=in_chunks(), headers=headers)
    assert response.status_code == 200
    assert (await client.get(url_of(dataset))).status_code == 200


async def test_of_another_study_than_the_url_names_only_that_instance_fails(
    client: httpx.AsyncClient,
) -> None:
    right, wrong = ct_slice(), ct_slice()
    response = await store(client, encode(right), encode(wrong), study=right.StudyInstanceUID)
    assert response.status_code == 202
    answer = response.json()
    (failed,) = values(answer, FAILED)
    assert values(failed, "00081155") == [wrong.SOPInstanceUID]
    assert values(failed, "00081150") == [wrong.SOPClassUID]
    assert values(failed, REASON) == [0xA900]
    assert wrong.StudyInstanceUID in comment(failed).replace(" ", "")
    assert len(values(answer, REFERENCED)) == 1
    assert (await client.get(url_of(wrong))).status_code == 404


async def test_nothing_stored_is_a_conflict_with_the_reasons(client: httpx.AsyncClient) -> None:
    other = new_uid()
    response = await store(client, encode(ct_slice()), b"no DICOM at all", study=other)
    assert response.status_code == 409
    answer = response.json()
    assert values(answer, FAILED, REASON) == [0xA900]
    (nameless,) = values(answer, OTHER)
    assert values(nameless, REASON) == [0xC000]
    assert len(comment(nameless)) > 20
    assert REFERENCED not in answer


async def test_t3_each_kind_of_failure_has_its_reason(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    referenced = ct_slice()
    del referenced.PixelData
    referenced.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.94"  # JPIP: no pixels in it
    headless = ct_slice(SeriesInstanceUID=None)
    response = await store(client, encode(referenced), encode(headless))
    assert response.status_code == 409
    reasons = [values(item, REASON) for item in values(response.json(), FAILED)]
    assert reasons == [[0xC122], [0xC000]]

    def stumble(*_: Any) -> None:
        raise RuntimeError("Doe^Jane")

    monkeypatch.setattr("hounsfield.archive.ingest.make_row", stumble)
    response = await store(client, encode(ct_slice()))
    assert response.status_code == 409
    assert values(response.json(), FAILED, REASON) == [0x0110]
    assert "Doe" not in response.text


async def test_the_same_again_is_a_success_and_other_content_a_warning(
    client: httpx.AsyncClient,
) -> None:
    dataset = ct_slice()
    assert (await store(client, encode(dataset))).status_code == 200
    assert (await store(client, encode(dataset))).status_code == 200
    dataset.PatientID = "somebody else"
    response = await store(client, encode(dataset))
    assert response.status_code == 202
    assert values(response.json(), REFERENCED, WARNING) == [0xB000]
    kept = await client.get(url_of(dataset) + "/metadata")
    assert values(kept.json()[0], "00100020") == ["P-1"]


async def test_eight_senders_of_one_instance_make_one_instance(client: httpx.AsyncClient) -> None:
    dataset = ct_slice()
    answers = await asyncio.gather(*(store(client, encode(dataset)) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    found = await client.get(f"/instances?SOPInstanceUID={dataset.SOPInstanceUID}")
    assert len(found.json()) == 1


async def test_a_body_that_ends_inside_a_part_keeps_the_parts_before_it(
    client: httpx.AsyncClient,
) -> None:
    first, second = ct_slice(), ct_slice()
    body = multipart([encode(first), encode(second)])[:-200]
    response = await client.post("/studies", content=body, headers=STORE_HEADERS)
    assert response.status_code == 202
    assert len(values(response.json(), REFERENCED)) == 1
    assert (await client.get(url_of(second))).status_code == 404


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": 'multipart/related; type="application/dicom"'}, b"x", 400),
        (STORE_HEADERS, b"", 400),
        (STORE_HEADERS, multipart([]), 400),
        (STORE_HEADERS, b"--something else\r\n\r\nx", 400),
        (STORE_HEADERS, multipart([b"x"]).replace(b"Content-Type:", b"Content Type"), 400),
        ({}, b"x", 415),
        ({"content-type": "application/json"}, b"{}", 415),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x--", 415),
        ({"content-type": 'multipart/related; type="image/jpeg"; boundary=x'}, b"--x--", 415),
        (STORE_HEADERS | {"content-encoding": "gzip, gzip"}, gzip.compress(b"x", mtime=0), 415),
        (STORE_HEADERS | {"content-encoding": "br"}, b"x", 415),
        (STORE_HEADERS | {"content-encoding": "gzip"}, b"no gzip", 400),
        (STORE_HEADERS | {"accept": "text/html"}, multipart([b"x"]), 406),
        (STORE_HEADERS, multipart([b"x"], "image/jpeg"), 409),
        (STORE_HEADERS, multipart([b"x"], "multipart/mixed; boundary=y"), 409),
    ],
)
async def test_what_is_wrong_with_the_request_is_told_by_its_status(
    client: httpx.AsyncClient, headers: dict[str, str], body: bytes, status: int
) -> None:
    response = await client.post("/studies", content=body, headers=headers)
    assert response.status_code == status, response.text
    kinds = {409: "application/dicom+json"}
    assert response.headers["content-type"] == kinds.get(status, "application/problem+json")


async def test_a_part_in_base64_is_refused_and_its_neighbour_stored(
    client: httpx.AsyncClient,
) -> None:
    body = multipart([encode(ct_slice()), encode(ct_slice())])
    spoilt = body.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1)
    response = await client.post("/studies", content=spoilt, headers=STORE_HEADERS)
    assert response.status_code == 202
    assert len(values(response.json(), OTHER)) == 1


async def test_carriage_returns_and_delimiters_in_the_pixels_survive(
    client: httpx.AsyncClient,
) -> None:
    nasty = (b"\r\n--\r\n\r\n------=_Part_1.1\r\n" * 20)[:512]
    dataset = ct_slice(PixelData=nasty)
    assert (await store(client, encode(dataset))).status_code == 200
    response = await client.get(url_of(dataset), headers={"accept": "application/dicom"})
    assert response.content == encode(dataset)


async def test_t5_nothing_is_coerced_the_bytes_that_came_are_kept(
    client: httpx.AsyncClient,
) -> None:
    dataset = ct_slice(PatientID=" odd ", StudyDate="2024.02.29")
    response = await store(client, encode(dataset))
    assert response.status_code == 200, "no warning B000, for nothing was changed"
    found = await client.get(url_of(dataset), headers={"accept": "application/dicom"})
    assert found.content == encode(dataset)
    assert b"\x00\x04\x61\x05" not in found.content, "no Original Attributes Sequence"


@pytest.mark.parametrize("members", [1, 3])
async def test_s03_a_body_in_gzip_is_stored(client: httpx.AsyncClient, members: int) -> None:
    dataset = ct_slice(256, 256)
    body = multipart([encode(dataset)])
    step = -(-len(body) // members)
    packed = b"".join(gzip.compress(body[at : at + step]) for at in range(0, len(body), step))
    headers = STORE_HEADERS | {"content-encoding": "GZip"}
    response = await client.post("/studies", content=packed, headers=headers)
    assert response.status_code == 200, response.text
    found = await client.get(url_of(dataset), headers={"accept": "application/dicom"})
    assert found.content == encode(dataset)


async def test_s03_a_body_in_gzip_that_is_cut_short_is_malformed(
    client: httpx.AsyncClient,
) -> None:
    packed = gzip.compress(multipart([encode(ct_slice())]))[:-20]
    headers = STORE_HEADERS | {"content-encoding": "gzip"}
    assert (await client.post("/studies", content=packed, headers=headers)).status_code == 400


async def test_t8_a_client_that_waits_for_100_continue_is_told_to_go_on(archive: Archive) -> None:
    dataset = ct_slice()
    body = multipart([encode(dataset)])
    head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: {STORE_HEADERS['content-type']}\r\nExpect: 100-continue\r\n\r\n"

    def talk(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
            peer.sendall(head.encode())
            interim = peer.recv(4096)
            peer.sendall(body)
            return interim + peer.recv(4096)

    with serve(archive) as base:
        heard = await asyncio.to_thread(talk, httpx.URL(base).port or 0)
    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Small limits, so that the tests reach them."""
    http = HttpSettings(max_store_bytes=4 * 1024 * 1024, body_timeout_seconds=0.4)
    return settings.model_copy(update={"http": http})


async def test_a_body_that_announces_too_much_is_refused_before_it_is_read(
    client: httpx.AsyncClient,
) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = STORE_HEADERS | {"content-length": str(2**32)}
    response = await client.post("/studies", content=never(), headers=headers)
    assert response.status_code == 413
    assert response.headers["connection"] == "close"


async def test_an_endless_body_is_cut_off(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield multipart([b""])[:-20]
        while True:
            sent += 65536
            yield bytes(65536)

    response = await client.post("/studies", content=endless(), headers=STORE_HEADERS)
    assert response.status_code == 413
    assert sent < 8 * 1024 * 1024


async def test_s04_a_body_that_trickles_is_given_up_others_do_not_wait_and_nothing_of_it_stays(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    dataset = ct_slice(1024, 1024)
    data = multipart([encode(dataset)])

    async def trickle() -> AsyncIterator[bytes]:
        yield data[:1_500_000]
        for byte in data[1_500_000:]:
            await asyncio.sleep(0.05)
            yield bytes([byte])

    began = time.monotonic()
    slow = [
        asyncio.create_task(client.post("/studies", content=trickle(), headers=STORE_HEADERS))
        for _ in range(12)
    ]
    assert (await store(client, encode(ct_slice()))).status_code == 200
    assert {response.status_code for response in await asyncio.gather(*slow)} == {408}
    assert time.monotonic() - began < 10
    objects = archive.settings.data_dir / "objects"
    assert len([path for path in objects.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("kind", ["application/dicom", "application/dicom+json"])
async def test_s03_a_body_that_inflates_without_end_is_cut_off(
    client: httpx.AsyncClient, archive: Archive, kind: str
) -> None:
    """200 MB of zeros in 200 KB: 413, and hardly any memory."""
    bomb = zlib.compressobj(9, wbits=31)
    head = f"--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Location: x\r\n\r\n"
    packed = bomb.compress(head.encode())
    packed += b"".join(bomb.compress(bytes(10**6)) for _ in range(200)) + bomb.flush()
    process = psutil.Process()
    before = process.memory_info().rss
    headers = STORE_HEADERS | {"content-encoding": "gzip"}
    headers["content-type"] = headers["content-type"].replace("application/dicom", kind)
    response = await client.post("/studies", content=packed, headers=headers)
    assert response.status_code == 413, response.text
    assert process.memory_info().rss - before < 64 * 1024 * 1024
    assert not [path for path in archive.settings.data_dir.rglob("*") if path.is_file()]


async def test_a_client_that_leaves_takes_its_unfinished_instance_along(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    whole, half = ct_slice(), ct_slice(1024, 1024)
    body = multipart([encode(whole), encode(half)])
    messages: list[Message] = [
        {"type": "http.request", "body": body[:1_800_000], "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError("nobody is there to be answered")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/dicom-web/studies",
        "headers": [(k.encode(), v.encode()) for k, v in STORE_HEADERS.items()],
        "query_string": b"",
        "scheme": "http",
    }
    await application(archive)(scope, receive, send)
    assert (await client.get(url_of(half))).status_code == 404
    await asyncio.to_thread(archive.committer.close)  # what was handed over is committed
    assert (await client.get(url_of(whole))).status_code == 200
    objects = archive.settings.data_dir / "objects"
    assert len([path for path in objects.rglob("*") if path.is_file()]) == 1


async def test_a_full_disk_asks_to_come_again(
    client: httpx.AsyncClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OutOfResources("no space left for objects")

    monkeypatch.setattr(archive.objects, "check", full)
    response = await store(client, encode(ct_slice()))
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert values(response.json(), FAILED, REASON) == [0xA700]


async def test_a_thousand_instances_in_one_request_share_their_commits(
    client: httpx.AsyncClient,
) -> None:
    datasets = series(1000)
    response = await store(client, *(encode(dataset) for dataset in datasets))
    assert response.status_code == 200
    assert len(values(response.json(), REFERENCED)) == 1000
    found = await client.get(f"/studies?StudyInstanceUID={datasets[0].StudyInstanceUID}")
    assert values(found.json()[0], "00201208") == [1000]


async def test_a_request_of_too_many_parts_is_cut_off(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hounsfield.dicomweb.store_parts.MAX_PARTS", 3)
    body = multipart([b"x"] * 5)
    response = await client.post("/studies", content=body, headers=STORE_HEADERS)
    assert response.status_code == 413

"""WADO-RS instances (PS3.18 10.4.1.1.1; conformance N6 to N10, W1, W2, W9 to W11)."""

import asyncio
import io
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_requests import application, parts_of, store, stored_series, url_of
from factories import ct_slice, encode, new_uid
from pydicom import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from starlette.types import Message

from hounsfield.archive.archive import Archive

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
EXPLICIT = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
NEVER_ON_THE_WEB = {ImplicitVRLittleEndian, ExplicitVRBigEndian}


def read(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def same_values(sent: Dataset, received: Dataset) -> None:
    """Value for value; group lengths are retired and are not carried over."""
    for element in sent:
        if element.tag.element == 0 or element.tag == 0x7FE00010:
            continue
        assert received[element.tag].value == element.value, element.tag
    assert {e.tag for e in received} <= {e.tag for e in sent}


@pytest.mark.parametrize("level", [1, 2, 3])
async def test_a_resource_comes_as_a_multipart_of_what_was_sent(
    client: httpx.AsyncClient, level: int
) -> None:
    datasets = await stored_series(client, 3)
    url = "/".join(url_of(datasets[0]).split("/")[: 1 + 2 * level])
    response = await client.get(url, headers={"accept": AS_STORED})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(
        'multipart/related; type="application/dicom"; boundary='
    )
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["x-content-type-options"] == "nosniff"
    parts = parts_of(response)
    expected = datasets if level < 3 else datasets[:1]
    assert sorted(data for _, data in parts) == sorted(encode(dataset) for dataset in expected)
    kind = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert {headers["content-type"] for headers, _ in parts} == {kind}


async def test_every_transfer_syntax_of_the_web_comes_back_byte_for_byte_others_by_value(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    seen = set()
    for path in sorted((shared_data / "transfer_syntaxes").iterdir()):
        sent = pydicom.dcmread(path)
        if "StudyInstanceUID" not in sent:
            continue
        data = path.read_bytes()
        if path.name.startswith("CTImage"):
            # One slice in many syntaxes under one UID: each gets its own.
            sent.SOPInstanceUID = sent.file_meta.MediaStorageSOPInstanceUID = new_uid()
            data = encode(sent)
        response = await store(client, data)
        assert response.status_code == 200, path.name
        ((headers, received),) = parts_of(
            await client.get(url_of(sent), headers={"accept": AS_STORED})
        )
        syntax = sent.file_meta.TransferSyntaxUID
        seen.add(syntax)
        if syntax not in NEVER_ON_THE_WEB:
            assert received == data, path.name
            assert headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
            continue
        answer = read(received)
        assert answer.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        same_values(read(data), answer)
        assert np.array_equal(answer.pixel_array, sent.pixel_array)
    assert len(seen) >= 15
    assert seen > NEVER_ON_THE_WEB


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, False)])
async def test_words_and_what_follows_the_pixels_survive_the_change_of_encoding(
    client: httpx.AsyncClient, implicit: bool, little: bool
) -> None:
    sent = ct_slice()
    pixels = np.arange(256, dtype="<u2" if little else ">u2")
    lut = np.arange(512, dtype="<u2" if little else ">u2")
    sent.PixelData = pixels.tobytes()
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [512, 0, 16])
    item.add_new("LUTData", "OW", lut.tobytes())
    sent.VOILUTSequence = [item]
    sent.add_new(0xFFFCFFFC, "OB", b"\0" * 6)
    sent.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRBigEndian
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer, sent, implicit_vr=implicit, little_endian=little, enforce_file_format=True
    )
    assert (await store(client, buffer.getvalue())).status_code == 200
    response = await client.get(url_of(sent), headers={"accept": "application/dicom"})
    assert response.headers["content-type"] == EXPLICIT
    received = read(response.content)
    assert received.PixelData == pixels.astype("<u2").tobytes()
    assert received.VOILUTSequence[0].LUTData == lut.astype("<u2").tobytes()
    assert received[0xFFFCFFFC].value == b"\0" * 6
    assert received.PatientName == sent.PatientName


async def test_an_object_without_pixels_is_rewritten_whole(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    data = (shared_data / "seg_sr_rt" / "rt" / "rtss.dcm").read_bytes()
    sent = read(data)
    assert (await store(client, data)).status_code == 200
    response = await client.get(url_of(sent), headers={"accept": "application/dicom"})
    received = read(response.content)
    assert received.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    same_values(sent, received)


async def test_compressed_pixels_are_decoded_where_explicit_little_endian_is_asked_for(
    client: httpx.AsyncClient,
) -> None:
    plain = ct_slice()
    compressed = ct_slice(SOPInstanceUID=plain.SOPInstanceUID)
    compressed.compress(RLELossless, generate_instance_uid=False)
    compressed.add_new(0xFFFCFFFC, "OB", b"\1\2")
    assert (await store(client, encode(compressed))).status_code == 200
    for accept in (EXPLICIT, "application/dicom"):
        response = await client.get(url_of(compressed), headers={"accept": accept})
        assert response.headers["content-type"] == EXPLICIT
        received = read(response.content)
        assert received.PixelData == plain.PixelData
        assert received[0xFFFCFFFC].value == b"\1\2"
    for accept in ("*/*", "application/dicom; transfer-syntax=*"):
        response = await client.get(url_of(compressed), headers={"accept": accept})
        assert RLELossless in response.text


@pytest.mark.parametrize(
    "accept",
    [
        "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.57",
        "application/dicom; transfer-syntax=1.2.840.10008.1.2",
        'multipart/related; type="application/dicom+xml"',
        "image/jpeg",
        "junk",
    ],
)
async def test_what_we_cannot_make_is_not_acceptable(
    client: httpx.AsyncClient, accept: str
) -> None:
    (dataset,) = await stored_series(client, 1)
    response = await client.get(url_of(dataset), headers={"accept": accept})
    assert response.status_code == 406
    assert response.json()["status"] == 406


async def test_the_first_acceptable_entry_in_order_of_weight_is_sent(
    client: httpx.AsyncClient,
) -> None:
    (dataset,) = await stored_series(client, 1)
    accept = "image/jpeg, application/dicom; transfer-syntax=*;q=0.5, multipart/related;q=0.1"
    response = await client.get(url_of(dataset), headers={"accept": accept})
    assert response.headers["content-type"] == EXPLICIT
    assert response.content == encode(dataset)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/studies/1.2.3", 404),
        ("/studies/1.2.3/series/4.5/metadata", 404),
        ("/studies/..%2f..%2fetc", 404),
        ("/studies/1.2/series/%00/instances/1", 400),
        (f"/studies/{'1.2' * 30}/metadata", 400),
        ("/studies/x/metadata", 400),
    ],
)
async def test_what_is_not_there_is_not_found_and_what_is_no_uid_a_bad_request(
    client: httpx.AsyncClient, url: str, status: int
) -> None:
    response = await client.get(url)
    assert response.status_code == status
    if "%2f" not in url:
        assert response.headers["content-type"] == "application/problem+json"


async def test_an_instance_of_another_series_is_not_found(client: httpx.AsyncClient) -> None:
    (dataset,) = await stored_series(client, 1)
    url = url_of(dataset).replace(dataset.SeriesInstanceUID, new_uid())
    assert (await client.get(url)).status_code == 404


async def test_an_entity_tag_answers_304_until_the_resource_changes(
    client: httpx.AsyncClient,
) -> None:
    datasets = await stored_series(client, 2)
    study = f"/studies/{datasets[0].StudyInstanceUID}"
    for url in (study, f"{study}/metadata", url_of(datasets[0]), url_of(datasets[0]) + "/frames/1"):
        first = await client.get(url)
        etag = first.headers["etag"]
        assert first.headers["cache-control"] == "private, no-cache"
        again = await client.get(url, headers={"if-none-match": f'"x", {etag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert (await client.get(url)).content == first.content
    tag = (await client.get(study)).headers["etag"]
    more = ct_slice(StudyInstanceUID=datasets[0].StudyInstanceUID)
    await store(client, encode(more))
    assert (await client.get(study, headers={"if-none-match": tag})).status_code == 200


async def test_head_has_the_headers_of_get_and_options_names_the_methods(
    client: httpx.AsyncClient,
) -> None:
    (dataset,) = await stored_series(client, 1)
    for url in (url_of(dataset), url_of(dataset) + "/metadata", "/studies"):
        got, headed = await client.get(url), await client.head(url)
        assert headed.status_code == 200
        assert headed.content == b""
        assert headed.headers == got.headers
        options = await client.options(url)
        assert options.status_code == 204
        assert options.headers["allow"].startswith("GET")
    refused = await client.put(url_of(dataset))
    assert refused.status_code == 405
    assert "GET" in refused.headers["allow"]


async def test_a_client_that_leaves_stops_the_reading(
    client: httpx.AsyncClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = await stored_series(client, 8)
    opened = 0
    real = archive.objects.open

    def counted(key: str) -> object:
        nonlocal opened
        opened += 1
        return real(key)

    monkeypatch.setattr(archive.objects, "open", counted)
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        await asyncio.sleep(0)

    path = f"/dicom-web/studies/{datasets[0].StudyInstanceUID}"
    scope = {"type": "http", "method": "GET", "path": path, "scheme": "http"}
    scope |= {"headers": [], "query_string": b""}
    await application(archive)(scope, receive, send)
    assert opened < 8


async def test_an_object_that_has_gone_is_an_error_and_no_half_answer(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    (dataset,) = await stored_series(client, 1)
    for path in (archive.settings.data_dir / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    response = await client.get(url_of(dataset))
    assert response.status_code == 500
    assert "missing" in response.json()["detail"]


async def test_a_damaged_object_that_was_sent_again_is_served_at_once(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    (dataset,) = await stored_series(client, 1)
    assert (await client.get(url_of(dataset))).status_code == 200
    for path in (archive.settings.data_dir / "objects").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    assert (await store(client, encode(dataset))).status_code == 200
    response = await client.get(url_of(dataset), headers={"accept": "application/dicom"})
    assert response.content == encode(dataset)


async def test_what_was_sent_without_preamble_or_file_meta_comes_back_as_a_file(
    client: httpx.AsyncClient,
) -> None:
    for cut in ("preamble", "prefix", "file meta"):
        dataset = ct_slice()
        data = encode(dataset)
        bare = data[data.index(b"\x08\x00\x05\x00CS") :]
        sent = {"preamble": data[132:], "prefix": data[128:], "file meta": bare}[cut]
        assert (await store(client, sent)).status_code == 200, cut
        for accept in (AS_STORED, "multipart/related; type=application/dicom"):
            ((_, received),) = parts_of(
                await client.get(url_of(dataset), headers={"accept": accept})
            )
            assert read(received) == dataset, cut

"""What a client says beside the media type (PS3.18 8.3.3, 8.4.1; N4, N5, N7, N11, N12)."""

import gzip

import httpx
import imagecodecs
import pytest
from dicomweb_requests import (
    STORE_HEADERS,
    application,
    multipart,
    parts_of,
    stored_series,
    url_of,
)
from factories import ct_slice, encode

from hounsfield.archive.archive import Archive

DICOM_JSON = "application/dicom+json"


async def test_n4_a_strict_server_refuses_a_request_that_accepts_nothing(
    archive: Archive,
) -> None:
    http = archive.settings.http.model_copy(update={"strict_accept": True})
    archive.settings = archive.settings.model_copy(update={"http": http})
    app = application(archive)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        base = "http://pacs.example/dicom-web"
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            (dataset,) = await stored_series(client, 1)
            nothing = {"accept": ""}
            for url in ("/studies", url_of(dataset), url_of(dataset) + "/frames/1"):
                assert (await client.get(url, headers=nothing)).status_code == 406
                assert (await client.get(url, headers={"accept": "*/*"})).status_code == 200
                assert (await client.get(f"{url}?accept=*/*", headers=nothing)).status_code == 200
                assert (await client.options(url, headers=nothing)).status_code == 204
            names = f"studyUID={dataset.StudyInstanceUID}&seriesUID={dataset.SeriesInstanceUID}"
            uri = f"/wado?requestType=WADO&{names}&objectUID={dataset.SOPInstanceUID}"
            assert (await client.get(uri, headers=nothing)).status_code == 200
    await archive.database.aclose()


async def test_n4_otherwise_it_gets_the_default_of_the_resource(client: httpx.AsyncClient) -> None:
    await stored_series(client, 1)
    response = await client.get("/studies", headers={"accept": ""})
    assert response.headers["content-type"] == DICOM_JSON


async def test_n5_the_accept_parameter_wins_over_the_header(client: httpx.AsyncClient) -> None:
    (dataset,) = await stored_series(client, 1)
    frame = url_of(dataset) + "/frames/1"
    asked = {"accept": "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.80"}
    response = await client.get(frame, params=asked, headers={"accept": "image/png"})
    assert response.headers["content-type"].endswith("1.2.840.10008.1.2.4.80")
    xml = 'multipart/related; type="application/dicom+xml"'
    response = await client.get("/studies", params={"accept": xml}, headers={"accept": DICOM_JSON})
    assert response.headers["content-type"].startswith("multipart/related")


@pytest.mark.parametrize(
    ("parameter", "header", "status"),
    [
        (None, None, 200),
        ("utf-8", None, 200),
        ("UTF-8", "iso-8859-1", 200),
        ("iso-8859-1", "utf-8", 406),
        (None, "iso-8859-1", 406),
        (None, "iso-8859-1, utf-8;q=0.5", 200),
        (None, "iso-8859-1, utf-8;q=0", 406),
        (None, "iso-8859-1, *;q=0.1", 200),
    ],
)
async def test_n5_text_is_utf_8_and_a_client_that_wants_another_charset_is_told(
    client: httpx.AsyncClient, parameter: str | None, header: str | None, status: int
) -> None:
    (dataset,) = await stored_series(client, 1)
    query = f"?charset={parameter}" if parameter else ""
    headers = {"accept-charset": header} if header else {}
    for url in ("/studies", url_of(dataset) + "/metadata"):
        assert (await client.get(url + query, headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br", "br"), ("gzip;q=1, br;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"), ("*", "br"), ("gzip;q=0", None), ("identity", None),
        ("", None), ("zstd, *;q=0", None), ("xgzip", None),
    ],
)  # fmt: skip
async def test_n12_json_is_compressed_as_the_client_likes_it(
    client: httpx.AsyncClient, header: str, coding: str | None
) -> None:
    datasets = await stored_series(client, 20)
    url = f"/studies/{datasets[0].StudyInstanceUID}/metadata"
    plain = await client.get(url, headers={"accept-encoding": "identity"})
    async with client.stream("GET", url, headers={"accept-encoding": header}) as response:
        raw = b"".join([piece async for piece in response.aiter_raw()])
    assert response.headers.get("content-encoding") == coding
    decode = {"gzip": gzip.decompress, "br": imagecodecs.brotli_decode, None: bytes}[coding]
    assert bytes(decode(raw)) == plain.content
    if coding:
        assert len(raw) < len(plain.content) / 2
        assert response.headers["etag"] != plain.headers["etag"]


async def test_n11_the_file_meta_is_believed_where_a_part_names_another_transfer_syntax(
    client: httpx.AsyncClient,
) -> None:
    dataset = ct_slice()
    kind = "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90"
    body = multipart([encode(dataset)], kind)
    assert (await client.post("/studies", content=body, headers=STORE_HEADERS)).status_code == 200
    accept = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    ((headers, data),) = parts_of(await client.get(url_of(dataset), headers=accept))
    assert headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert data == encode(dataset)


async def test_n7_implicit_and_big_endian_are_never_sent(client: httpx.AsyncClient) -> None:
    (dataset,) = await stored_series(client, 1)
    for syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2"):
        instance, frame = url_of(dataset), url_of(dataset) + "/frames/1"
        for url, kind in ((instance, "dicom"), (frame, "octet-stream")):
            accept = {"accept": f"application/{kind}; transfer-syntax={syntax}"}
            assert (await client.get(url, headers=accept)).status_code == 406

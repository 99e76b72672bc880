"""WADO-URI (PS3.18 chapter 9; conformance W12)."""

import io
from typing import Any
from urllib.parse import urlencode

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_requests import store, stored_series, url_of
from factories import ct_slice, encode
from PIL import Image
from pydicom import Dataset

JPEG_LS = "1.2.840.10008.1.2.4.80"


def wado(dataset: Dataset, **parameters: Any) -> str:
    fields = {
        "requestType": "WADO",
        "studyUID": dataset.StudyInstanceUID,
        "seriesUID": dataset.SeriesInstanceUID,
        "objectUID": dataset.SOPInstanceUID,
    } | parameters
    return "/wado?" + urlencode({k: v for k, v in fields.items() if v is not None})


def picture(response: httpx.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


async def test_w12_the_object_comes_as_it_does_from_the_studies_service(
    client: httpx.AsyncClient,
) -> None:
    (dataset,) = await stored_series(client, 1)
    response = await client.get(wado(dataset, contentType="application/dicom"))
    assert response.content == encode(dataset)
    assert response.headers["content-type"].startswith("application/dicom")
    same = await client.get(url_of(dataset), headers={"accept": "application/dicom"})
    assert same.headers["etag"] == response.headers["etag"]
    encoded = await client.get(
        wado(dataset, contentType="application/dicom", transferSyntax=JPEG_LS)
    )
    received = pydicom.dcmread(io.BytesIO(encoded.content))
    assert received.file_meta.TransferSyntaxUID == JPEG_LS
    refused = await client.get(
        wado(dataset, contentType="application/dicom", transferSyntax="1.2.3")
    )
    assert refused.status_code == 406


async def test_w12_a_picture_is_that_of_the_rendered_resource(client: httpx.AsyncClient) -> None:
    """Window, size, region, quality and frame, each in the words of chapter 9."""
    pixels = np.arange(3 * 512, dtype="<u2").reshape(3, 16, 32)
    dataset = ct_slice(16, 32, NumberOfFrames=3, PixelData=pixels.tobytes())
    assert (await store(client, encode(dataset))).status_code == 200
    rendered = url_of(dataset)
    pairs = (
        ({}, "/rendered", "image/jpeg"),
        ({"contentType": "image/png"}, "/rendered", "image/png"),
        ({"frameNumber": 3, "contentType": "image/png"}, "/frames/3/rendered", "image/png"),
        ({"windowCenter": "300", "windowWidth": "100"}, "/rendered?window=300,100,linear", None),
        ({"imageQuality": 20}, "/rendered?quality=20", None),
        ({"rows": 8, "columns": 64}, "/rendered?viewport=64,8", None),
        ({"region": "0.5,0,1,0.5", "rows": 40, "columns": 80},
         "/rendered?viewport=80,40,16,0,16,8", None),
    )  # fmt: skip
    for parameters, resource, kind in pairs:
        ours = await client.get(wado(dataset, **parameters))
        theirs = await client.get(rendered + resource, headers={"accept": kind or "image/jpeg"})
        assert ours.status_code == theirs.status_code == 200, parameters
        assert ours.headers["content-type"] == (kind or "image/jpeg")
        assert ours.content == theirs.content, parameters
    assert picture(await client.get(wado(dataset, rows=8))).size == (16, 8)
    assert picture(await client.get(wado(dataset, region="0,0,0.5,0.5"))).size == (16, 8)


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"requestType": None}, 400),
        ({"requestType": "wado"}, 400),
        ({"studyUID": None}, 400),
        ({"objectUID": "x"}, 400),
        ({"objectUID": "1.2.3"}, 404),
        ({"frameNumber": 0}, 400),
        ({"frameNumber": 2}, 404),
        ({"windowCenter": 40}, 400),
        ({"windowCenter": 40, "windowWidth": "x"}, 400),
        ({"rows": 0}, 400),
        ({"region": "0.5,0,0.4,1"}, 400),
        ({"region": "0,0,2,1"}, 400),
        ({"imageQuality": 101}, 400),
        ({"contentType": "application/dicom", "rows": 10}, 400),
        ({"contentType": "image/png", "transferSyntax": "1.2.840.10008.1.2.1"}, 400),
        ({"contentType": "video/mpeg"}, 406),
        ({"contentType": "image/tiff"}, 406),
        ({"anonymize": "yes", "contentType": "application/dicom"}, 406),
    ],
)
async def test_w12_what_chapter_9_does_not_allow_is_refused(
    client: httpx.AsyncClient, parameters: dict[str, Any], status: int
) -> None:
    (dataset,) = await stored_series(client, 1)
    response = await client.get(wado(dataset, **parameters))
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_w12_without_a_content_type_an_image_is_a_jpeg_and_any_other_object_itself(
    client: httpx.AsyncClient,
) -> None:
    (image,) = await stored_series(client, 1)
    report = ct_slice(Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
    del report.PixelData
    assert (await store(client, encode(report))).status_code == 200
    for dataset, kind in ((image, "image/jpeg"), (report, "application/dicom")):
        response = await client.get(wado(dataset))
        assert response.headers["content-type"].startswith(kind)
        assert (await client.head(wado(dataset))).headers["content-type"].startswith(kind)
    twice = await client.get(wado(image) + "&objectUID=1.2.3")
    assert twice.status_code == 400
    liked = await client.get(wado(image), headers={"accept": "image/png, */*;q=0.1"})
    assert liked.headers["content-type"] == "image/png"

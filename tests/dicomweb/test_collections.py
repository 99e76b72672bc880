"""Collections of bulk data and pixel data (PS3.18 10.4.1.1.5; conformance W1, W3, W4)."""

from pathlib import Path

import httpx
import numpy as np
import pydicom
from dicomweb_requests import FRAME_ACCEPT, parts_of, store, stored_series, url_of
from factories import ct_slice, encode
from pydicom import Dataset
from pydicom.encaps import generate_frames

OCTETS = 'multipart/related; type="application/octet-stream"'
EXPLICIT = "1.2.840.10008.1.2.1"
LEVELS = (2, 4, 6)


def level_of(dataset: Dataset, parts: int) -> str:
    return "/".join(url_of(dataset).split("/")[: parts + 1])


async def test_w1_pixel_data_of_native_images_are_one_part_an_instance_at_each_level(
    client: httpx.AsyncClient,
) -> None:
    datasets = await stored_series(client, 3)
    for parts in LEVELS:
        expected = datasets if parts < 6 else datasets[:1]
        url = level_of(datasets[0], parts) + "/pixeldata"
        response = await client.get(url, headers={"accept": FRAME_ACCEPT})
        assert response.status_code == 200
        found = {headers["content-location"]: body for headers, body in parts_of(response)}
        base = "http://pacs.example/dicom-web"
        assert found == {
            f"{base}{url_of(dataset)}/bulkdata/7FE00010": dataset.PixelData for dataset in expected
        }
        again = await client.get(url, headers={"if-none-match": response.headers["etag"]} | {
            "accept": FRAME_ACCEPT})  # fmt: skip
        assert again.status_code == 304
        assert (await client.head(url)).status_code == 200
        assert (await client.options(url)).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_w1_compressed_pixel_data_are_a_part_a_frame_as_stored_decoded_or_encoded(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    path = shared_data / "enhanced" / "emri_small_jpeg_ls_lossless.dcm"
    dataset = pydicom.dcmread(path)
    await store(client, path.read_bytes())
    url = url_of(dataset) + "/pixeldata"
    frames = list(generate_frames(dataset.PixelData, number_of_frames=10))
    stored = parts_of(await client.get(url, headers={"accept": FRAME_ACCEPT}))
    assert [body for _, body in stored] == frames
    assert stored[4][0]["content-location"].endswith(f"{url_of(dataset)}/frames/5")
    decoded = parts_of(await client.get(url, headers={"accept": OCTETS}))
    assert b"".join(body for _, body in decoded) == dataset.pixel_array.astype("<u2").tobytes()
    rle = f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.5"
    encoded = parts_of(await client.get(url, headers={"accept": rle}))
    assert {headers["content-type"] for headers, _ in encoded} == {
        "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.5"
    }
    refused = await client.get(url, headers={"accept": f"{OCTETS}; transfer-syntax=1.2.3"})
    assert refused.status_code == 406


async def test_w3_w4_every_bulk_data_uri_is_a_part_of_the_collection_nested_and_private_ones_too(
    client: httpx.AsyncClient,
) -> None:
    curve = np.arange(2000, dtype="<u2").tobytes()
    item = Dataset()
    item.add_new("LUTData", "OW", curve)
    dataset = ct_slice(VOILUTSequence=[item])
    block = dataset.private_block(0x0029, "HOUNSFIELD TEST", create=True)
    block.add_new(0x10, "OB", bytes(range(256)) * 8)
    assert (await store(client, encode(dataset))).status_code == 200
    for parts in LEVELS:
        url = level_of(dataset, parts) + "/bulkdata"
        response = await client.get(url, headers={"accept": OCTETS})
        found = {headers["content-location"]: body for headers, body in parts_of(response)}
        base = f"http://pacs.example/dicom-web{url_of(dataset)}/bulkdata/"
        assert found == {
            base + "7FE00010": dataset.PixelData,
            base + "00283010/0/00283006": curve,
            base + "00291010": bytes(range(256)) * 8,
        }
        for location, body in found.items():
            assert (await client.get(location)).content == body
    assert (await client.get(url, headers={"accept": "image/png"})).status_code == 406


async def test_w1_a_collection_without_such_data_or_without_a_parent_is_not_found(
    client: httpx.AsyncClient,
) -> None:
    report = ct_slice(Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", PixelData=b"\0\0")
    del report.PixelData
    assert (await store(client, encode(report))).status_code == 200
    for url in (url_of(report), "/studies/1.2.3"):
        for name in ("pixeldata", "bulkdata"):
            response = await client.get(f"{url}/{name}", headers={"accept": OCTETS})
            assert response.status_code == 404

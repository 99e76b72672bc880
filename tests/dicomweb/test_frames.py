"""WADO-RS frames and bulk data (PS3.18 10.4.1.1.5, 10.4.1.1.6; conformance W3, W5)."""

from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_requests import FRAME_ACCEPT, parts_of, store, stored_series, url_of, values
from factories import ct_slice, encode
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRBigEndian, MultiFrameSingleBitSecondaryCaptureImageStorage

EXPLICIT = "1.2.840.10008.1.2.1"


def cine(frames: int = 5, **attributes: object) -> Dataset:
    pixels = np.arange(frames * 256, dtype="<u2").reshape(frames, 16, 16)
    return ct_slice(NumberOfFrames=frames, **{"PixelData": pixels.tobytes()} | attributes)


async def test_a_frame_names_its_transfer_syntax_in_the_spelling_that_ohif_reads(
    client: httpx.AsyncClient,
) -> None:
    (dataset,) = await stored_series(client, 1)
    response = await client.get(url_of(dataset) + "/frames/1", headers={"accept": FRAME_ACCEPT})
    assert response.status_code == 200
    assert (
        f"Content-Type: application/octet-stream; transfer-syntax={EXPLICIT}\r\n".encode()
        in response.content
    )
    ((headers, data),) = parts_of(response)
    assert data == dataset.PixelData
    assert headers["content-location"] == str(response.url)


async def test_frames_come_in_the_order_asked_for(client: httpx.AsyncClient) -> None:
    dataset = cine()
    await store(client, encode(dataset))
    response = await client.get(url_of(dataset) + "/frames/4,1,4", headers={"accept": FRAME_ACCEPT})
    frames = [dataset.PixelData[512 * n : 512 * (n + 1)] for n in range(5)]
    assert [data for _, data in parts_of(response)] == [frames[3], frames[0], frames[3]]
    encoded = await client.get(url_of(dataset) + "/frames/4%2C1", headers={"accept": FRAME_ACCEPT})
    assert len(parts_of(encoded)) == 2


@pytest.mark.parametrize(
    ("frames", "status"),
    [("0", 400), ("6", 404), ("1,6", 404), ("abc", 400), ("1,", 400), ("-1", 400), ("1;2", 400),
     ("99999999999999", 400), ("%D9%A1", 400)],
)  # fmt: skip
async def test_frames_that_are_not_there_are_refused_before_the_body_begins(
    client: httpx.AsyncClient, frames: str, status: int
) -> None:
    dataset = cine()
    await store(client, encode(dataset))
    response = await client.get(f"{url_of(dataset)}/frames/{frames}")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


async def test_one_frame_can_come_by_itself(client: httpx.AsyncClient) -> None:
    (dataset,) = await stored_series(client, 1)
    accept = {"accept": "application/octet-stream; transfer-syntax=*"}
    response = await client.get(url_of(dataset) + "/frames/1", headers=accept)
    assert response.headers["content-type"] == (
        f"application/octet-stream; transfer-syntax={EXPLICIT}"
    )
    assert response.content == dataset.PixelData
    several = cine()
    await store(client, encode(several))
    refused = await client.get(url_of(several) + "/frames/1,2", headers=accept)
    assert refused.status_code == 406


async def test_compressed_frames_pass_through_for_every_syntax_there_is(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    names = (
        "us/US-PAL-8-10x-echo",
        "xa_cine/jpeg_baseline_8bit.dcm",
        "transfer_syntaxes/will-jxl.dcm",
        "transfer_syntaxes/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm",
        "wsi/911f6cbd-a1ad-4e95-bdf5-4e4ea52d9977.dcm",
        "enhanced/emri_small_jpeg_ls_lossless.dcm",
    )
    for name in names:
        data = (shared_data / name).read_bytes()
        dataset = pydicom.dcmread(shared_data / name)
        assert (await store(client, data)).status_code == 200
        count = int(dataset.NumberOfFrames)
        expected = list(generate_frames(dataset.PixelData, number_of_frames=count))
        listed = ",".join(str(n + 1) for n in range(count))
        response = await client.get(
            f"{url_of(dataset)}/frames/{listed}", headers={"accept": FRAME_ACCEPT}
        )
        parts = parts_of(response)
        assert [frame for _, frame in parts] == expected, name
        syntax = dataset.file_meta.TransferSyntaxUID
        kinds = {headers["content-type"] for headers, _ in parts}
        assert kinds == {f"application/octet-stream; transfer-syntax={syntax}"}
        whole = await client.get(
            f"{url_of(dataset)}/bulkdata/7FE00010", headers={"accept": FRAME_ACCEPT}
        )
        assert [frame for _, frame in parts_of(whole)] == expected, name


async def test_a_compressed_frame_comes_as_its_image_type_or_decoded(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    path = shared_data / "enhanced" / "emri_small_jpeg_ls_lossless.dcm"
    dataset = pydicom.dcmread(path)
    await store(client, path.read_bytes())
    url = url_of(dataset) + "/frames/2"
    frames = list(generate_frames(dataset.PixelData, number_of_frames=10))
    image = await client.get(url, headers={"accept": 'multipart/related; type="image/jls"'})
    ((headers, data),) = parts_of(image)
    assert headers["content-type"] == "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80"
    assert data == frames[1]
    for accept in (
        f"application/octet-stream; transfer-syntax={EXPLICIT}",
        "application/octet-stream",
    ):
        decoded = await client.get(url, headers={"accept": accept})
        assert decoded.headers["content-type"].endswith(f"transfer-syntax={EXPLICIT}")
        assert decoded.content == dataset.pixel_array[1].astype("<u2").tobytes()
    other = await client.get(url, headers={"accept": "image/jxl, video/mp4"})
    assert other.status_code == 406


async def test_frames_of_single_bits_and_of_big_endian_words_are_put_right(
    client: httpx.AsyncClient,
) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (3, 5, 7), dtype=np.uint8)
    packed = np.packbits(bits, bitorder="little").tobytes()
    single = cine(
        3, Rows=5, Columns=7, BitsAllocated=1, BitsStored=1, HighBit=0,
        SOPClassUID=MultiFrameSingleBitSecondaryCaptureImageStorage,
        PixelData=packed + b"\0" * (len(packed) % 2),
    )  # fmt: skip
    assert (await store(client, encode(single))).status_code == 200
    response = await client.get(url_of(single) + "/frames/1,2,3", headers={"accept": FRAME_ACCEPT})
    for (_, frame), expected in zip(parts_of(response), bits, strict=True):
        found = np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")[:35]
        assert np.array_equal(found, expected.ravel())
    big = ct_slice(PixelData=np.arange(256, dtype=">u2").tobytes())
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    assert (await store(client, encode(big))).status_code == 200
    response = await client.get(url_of(big) + "/frames/1", headers={"accept": FRAME_ACCEPT})
    ((headers, frame),) = parts_of(response)
    assert frame == np.arange(256, dtype="<u2").tobytes()
    assert headers["content-type"].endswith(EXPLICIT)
    bulk = await client.get(url_of(big) + "/bulkdata/7FE00010")
    assert bulk.content == frame


@pytest.mark.parametrize(
    ("header", "expected", "content_range"),
    [
        ("bytes=0-9", (0, 10), "bytes 0-9/512"),
        ("bytes=500-", (500, 512), "bytes 500-511/512"),
        ("bytes=-12", (500, 512), "bytes 500-511/512"),
        ("bytes=500-9999", (500, 512), "bytes 500-511/512"),
        ("bytes=-9999", (0, 512), "bytes 0-511/512"),
        ("bytes=0-1,4-5", None, None),
        ("bytes=5-1", None, None),
        ("items=0-1", None, None),
    ],
)
async def test_a_range_of_bulk_data(
    client: httpx.AsyncClient,
    header: str,
    expected: tuple[int, int] | None,
    content_range: str | None,
) -> None:
    (dataset,) = await stored_series(client, 1)
    response = await client.get(url_of(dataset) + "/bulkdata/7FE00010", headers={"range": header})
    start, end = expected or (0, 512)
    assert response.status_code == (206 if expected else 200)
    assert response.content == dataset.PixelData[start:end]
    assert response.headers.get("content-range") == content_range
    assert response.headers["accept-ranges"] == "bytes"


async def test_a_range_in_a_multipart_is_one_of_the_value_and_stays_out_of_caches(
    client: httpx.AsyncClient,
) -> None:
    (dataset,) = await stored_series(client, 1)
    headers = {"accept": 'multipart/related; type="application/octet-stream"'}
    url = url_of(dataset) + "/bulkdata/7FE00010"
    whole = await client.get(url, headers=headers)
    part = await client.get(url, headers={**headers, "range": "bytes=2-5"})
    assert [data for _, data in parts_of(whole)] == [dataset.PixelData]
    assert [data for _, data in parts_of(part)] == [dataset.PixelData[2:6]]
    assert part.status_code == 206
    assert all("no-store" in answer.headers["cache-control"] for answer in (whole, part))


async def test_a_range_outside_the_value_cannot_be_satisfied(client: httpx.AsyncClient) -> None:
    (dataset,) = await stored_series(client, 1)
    url = url_of(dataset) + "/bulkdata/7FE00010"
    response = await client.get(url, headers={"range": "bytes=512-"})
    assert response.status_code == 416
    assert response.headers["content-range"] == "bytes */512"
    missing = await client.get(url_of(dataset) + "/bulkdata/00420011")
    assert missing.status_code == 404
    assert (await client.get(url_of(dataset) + "/bulkdata/x/../y")).status_code in {400, 404}


async def test_every_bulk_data_uri_of_the_metadata_resolves_to_the_value(
    client: httpx.AsyncClient,
) -> None:
    curve = np.arange(2000, dtype="<u2").tobytes()
    item = Dataset()
    item.add_new("LUTData", "OW", curve)
    dataset = ct_slice(VOILUTSequence=[item])
    block = dataset.private_block(0x0029, "HOUNSFIELD TEST", create=True)
    block.add_new(0x10, "OB", bytes(range(256)) * 8)
    assert (await store(client, encode(dataset))).status_code == 200
    (members,) = (await client.get(url_of(dataset) + "/metadata")).json()
    uris = {
        "pixels": members["7FE00010"]["BulkDataURI"],
        "lut": members["00283010"]["Value"][0]["00283006"]["BulkDataURI"],
        "private": members["00291010"]["BulkDataURI"],
    }
    assert all(uri.startswith("http://pacs.example/dicom-web/studies/") for uri in uris.values())
    found = {name: (await client.get(uri)).content for name, uri in uris.items()}
    assert found == {
        "pixels": dataset.PixelData,
        "lut": curve,
        "private": bytes(range(256)) * 8,
    }
    in_parts = await client.get(
        uris["lut"], headers={"accept": 'multipart/related; type="*/*"', "range": "bytes=2-5"}
    )
    assert in_parts.status_code == 206
    assert [data for _, data in parts_of(in_parts)] == [curve[2:6]]
    assert values(members, "00280010") == [16]

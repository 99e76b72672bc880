"""Retrieve in the transfer syntax that is asked for (PS3.18 8.7.3; conformance N8, W2, W11)."""

import asyncio
import io
import time
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_requests import application, parts_of, store, stored_series, url_of
from factories import ct_slice, encode, new_uid
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    RLELossless,
)
from starlette.types import Message

from hounsfield.archive.archive import Archive
from hounsfield.archive.transcoding import codecs
from hounsfield.dicomweb.transfer_syntaxes import ENCODABLE

codecs.install()

JPEG = "1.2.840.10008.1.2.4."
LS = JPEG + "80"
LOSSLESS = (str(RLELossless), *(JPEG + n for n in ("70", "80", "90", "201", "202")))
LOSSY = {
    JPEG + "50": "ISO_10918_1",
    JPEG + "81": "ISO_14495_1",
    JPEG + "91": "ISO_15444_1",
    JPEG + "203": "ISO_15444_15",
}
YBR = {"90": "YBR_RCT", "201": "YBR_RCT", "202": "YBR_RCT", "91": "YBR_ICT", "203": "YBR_ICT",
       "50": "YBR_FULL_422"}  # fmt: skip


def smooth(planes: int, low: int, high: int, kind: str) -> np.ndarray:
    """Planes as body parts are: no two neighbours far apart, and the whole range of values."""
    rows, columns = np.mgrid[0:40, 0:50]
    waves = [np.sin(rows / 9 + n) + np.cos(columns / 7) for n in range(planes)]
    spread = (np.stack(waves) - np.min(waves)) / np.ptp(waves)
    return np.rint(low + spread * (high - low)).astype(kind)


def grey(**attributes: object) -> Dataset:
    """Three frames of twelve signed bits, with something behind the pixels."""
    pixels = smooth(3, -2048, 2047, "<i2")
    return ct_slice(
        40, 50, **{"NumberOfFrames": 3, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1,
                   "PixelData": pixels.tobytes(), "DataSetTrailingPadding": b"\1\2"} | attributes
    )  # fmt: skip


def color(**attributes: object) -> Dataset:
    pixels = np.moveaxis(smooth(3, 0, 255, "u1"), 0, -1)
    return ct_slice(
        40, 50, **{"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "BitsAllocated": 8,
                   "PlanarConfiguration": 0, "BitsStored": 8, "HighBit": 7,
                   "PixelData": np.ascontiguousarray(pixels).tobytes()} | attributes
    )  # fmt: skip


def instance_of(syntax: str) -> dict[str, str]:
    return {"accept": f"application/dicom; transfer-syntax={syntax}"}


def frame_of(syntax: str) -> dict[str, str]:
    return {"accept": f"application/octet-stream; transfer-syntax={syntax}"}


@pytest.mark.parametrize("make", [grey, color])
async def test_n8_an_instance_and_its_frames_come_in_every_syntax_that_is_encoded(
    client: httpx.AsyncClient, make: type
) -> None:
    sent = make()
    assert (await store(client, encode(sent))).status_code == 200
    colored, tried = make is color, 0
    for syntax in (*LOSSLESS, *LOSSY):
        if syntax.endswith(".50") and not colored:
            continue
        response = await client.get(url_of(sent), headers=instance_of(syntax))
        assert response.status_code == 200, (syntax, response.text[:200])
        assert response.headers["content-type"] == instance_of(syntax)["accept"]
        received = pydicom.dcmread(io.BytesIO(response.content))
        assert received.file_meta.TransferSyntaxUID == syntax
        assert received.SOPInstanceUID == sent.SOPInstanceUID
        assert received.get("DataSetTrailingPadding") == sent.get("DataSetTrailingPadding")
        if colored:
            expected = YBR.get(syntax.rsplit(".", 1)[-1], "RGB")
            assert (received.PhotometricInterpretation, received.PlanarConfiguration) == (
                expected, 0,
            )  # fmt: skip
        found = pixel_array(received).astype(int)
        error = np.abs(found - sent.pixel_array).max()
        if syntax in LOSSY:
            assert error < (40 if colored else 60), syntax
            assert received.LossyImageCompression == "01"
            assert received.LossyImageCompressionMethod == LOSSY[syntax]
            assert float(received.LossyImageCompressionRatio) > 1
        else:
            assert error == 0, syntax
            assert "LossyImageCompression" not in received
        number = 1 if colored else 2
        frame = await client.get(f"{url_of(sent)}/frames/{number}", headers=frame_of(syntax))
        assert frame.headers["content-type"] == frame_of(syntax)["accept"]
        count = int(received.get("NumberOfFrames", 1))
        fragments = list(generate_frames(received.PixelData, number_of_frames=count))
        assert frame.content.rstrip(b"\0") == fragments[number - 1].rstrip(b"\0")
        tried += 1
    assert tried == len(ENCODABLE) - (not colored)


async def test_n8_every_way_in_which_a_frame_is_stored_leads_to_the_one_that_is_asked_for(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    """Native in each encoding, and each compressed syntax that is decoded (12 bits among them)."""
    sources = [
        *(shared_data / "transfer_syntaxes").glob("CTImage*"),
        shared_data / "transfer_syntaxes" / "HTJ2KLossless_08_RGB.dcm",
        shared_data / "transfer_syntaxes" / "TestPattern_JPEG-Baseline_YBR422.dcm",
        shared_data / "transfer_syntaxes" / "TestPattern_Palette.dcm",
    ]
    for path in sources:
        sent = pydicom.dcmread(path)
        sent.SOPInstanceUID = sent.file_meta.MediaStorageSOPInstanceUID = new_uid()
        sent.StudyInstanceUID = sent.get("StudyInstanceUID") or new_uid()
        sent.SeriesInstanceUID = sent.get("SeriesInstanceUID") or new_uid()
        assert (await store(client, encode(sent))).status_code == 200, path.name
        target = JPEG + ("90" if ".4.80" in path.name else "80")
        response = await client.get(url_of(sent), headers=instance_of(target))
        assert response.status_code == 200, (path.name, response.text[:200])
        received = pydicom.dcmread(io.BytesIO(response.content))
        assert received.file_meta.TransferSyntaxUID == target
        assert np.array_equal(pixel_array(received), pixel_array(sent)), path.name
    assert len(sources) >= 18


async def test_w2_every_file_of_the_transfer_syntaxes_is_decoded(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    """Twelve-bit and progressive JPEG, HTJ2K and JPEG XL among them."""
    seen = set()
    for path in sorted((shared_data / "transfer_syntaxes").iterdir()):
        sent = pydicom.dcmread(path)
        sent.SOPInstanceUID = sent.file_meta.MediaStorageSOPInstanceUID = new_uid()
        for name in ("StudyInstanceUID", "SeriesInstanceUID"):
            setattr(sent, name, sent.get(name) or new_uid())
        assert (await store(client, encode(sent))).status_code == 200, path.name
        frame = f"{url_of(sent)}/frames/1"
        response = await client.get(frame, headers=frame_of("1.2.840.10008.1.2.1"))
        assert response.status_code == 200, (path.name, response.text[:200])
        words = 1 if sent.BitsAllocated == 8 else 2
        assert len(response.content) == sent.Rows * sent.Columns * sent.SamplesPerPixel * words
        seen.add(sent.file_meta.TransferSyntaxUID)
    assert {JPEG + n for n in ("51", "53", "55", "111", "201", "203")} <= seen


async def test_n8_what_an_image_does_not_fit_is_406_before_the_body_begins(
    client: httpx.AsyncClient,
) -> None:
    overlay = grey(BitsAllocated=16, NumberOfFrames=3)
    overlay.add_new(0x60000102, "US", 12)
    single = ct_slice(
        8, 8, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=bytes(8),
        SOPClassUID=MultiFrameSingleBitSecondaryCaptureImageStorage,
    )  # fmt: skip
    palette = color(
        SamplesPerPixel=1, PhotometricInterpretation="PALETTE COLOR", PlanarConfiguration=None,
        PixelData=bytes(2000), RedPaletteColorLookupTableDescriptor=[256, 0, 8],
    )  # fmt: skip
    refused = [
        (grey(), JPEG + "50", 406),
        (grey(), JPEG + "57", 406),
        (grey(), JPEG + "110", 406),
        (grey(), "1.2.840.10008.1.2", 406),
        (grey(), "1.2.3", 406),
        (overlay, JPEG + "80", 406),
        (single, JPEG + "80", 406),
        (grey(HighBit=13), JPEG + "80", 406),
        (palette, JPEG + "50", 406),
        (palette, JPEG + "91", 406),
        (palette, JPEG + "90", 200),
    ]
    for dataset, syntax, status in refused:
        assert (await store(client, encode(dataset))).status_code == 200
        for suffix, accept in (("", instance_of(syntax)), ("/frames/1", frame_of(syntax))):
            response = await client.get(url_of(dataset) + suffix, headers=accept)
            assert response.status_code == status, (syntax, suffix)


async def test_n8_of_several_accepted_syntaxes_the_best_weight_that_fits_is_sent(
    client: httpx.AsyncClient,
) -> None:
    (dataset,) = await stored_series(client, 1)
    single = "application/octet-stream; transfer-syntax={}; q={}"
    for wishes, expected in (
        (((JPEG + "50", 1), (JPEG + "90", 0.4), (JPEG + "80", 0.8)), JPEG + "80"),
        (((JPEG + "50", 1), ("1.2.3", 0.9), ("1.2.840.10008.1.2.1", 0.1)), "1.2.840.10008.1.2.1"),
        (((RLELossless, 0.5), (JPEG + "80", 0.5)), RLELossless),
    ):
        accept = ", ".join(single.format(*wish) for wish in wishes)
        response = await client.get(url_of(dataset) + "/frames/1", headers={"accept": accept})
        assert response.headers["content-type"].endswith(f"transfer-syntax={expected}"), wishes


async def test_n6_an_image_type_without_a_syntax_means_its_lossless_default(
    client: httpx.AsyncClient,
) -> None:
    (dataset,) = await stored_series(client, 1)
    for kind, syntax in (
        ("image/jpeg", JPEG + "70"), ("image/jls", JPEG + "80"), ("image/jp2", JPEG + "90"),
        ("image/jphc", JPEG + "201"), ("image/dicom-rle", RLELossless),
    ):  # fmt: skip
        for accept in (kind, f'multipart/related; type="{kind}"'):
            response = await client.get(url_of(dataset) + "/frames/1", headers={"accept": accept})
            assert f"{kind}; transfer-syntax={syntax}".encode() in (
                response.headers["content-type"].encode() + response.content[:300]
            )


async def test_w2_what_cannot_be_sent_as_asked_is_left_out_and_the_answer_is_partial(
    client: httpx.AsyncClient,
) -> None:
    image = ct_slice()
    report = ct_slice(
        StudyInstanceUID=image.StudyInstanceUID, Modality="SR",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", PixelData=b"", Rows=None, Columns=None,
    )  # fmt: skip
    del report.PixelData
    assert (await store(client, encode(image), encode(report))).status_code == 200
    study = f"/studies/{image.StudyInstanceUID}"
    wish = f'multipart/related; type="application/dicom"; transfer-syntax={JPEG}80'
    partial = await client.get(study, headers={"accept": wish})
    assert partial.status_code == 206
    assert partial.headers["warning"].startswith("299 http://pacs.example/dicom-web: 1 instances")
    assert len(parts_of(partial)) == 1
    both = wish + ', multipart/related; type="application/dicom"; q=0.5'
    whole = await client.get(study, headers={"accept": both})
    assert whole.status_code == 200
    kinds = sorted(headers["content-type"].rpartition("=")[2] for headers, _ in parts_of(whole))
    assert kinds == ["1.2.840.10008.1.2.1", JPEG + "80"]
    assert (await client.get(url_of(report), headers=instance_of(JPEG + "80"))).status_code == 406


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
async def test_n8_what_stands_behind_the_pixels_survives_from_every_encoding(
    client: httpx.AsyncClient, syntax: str
) -> None:
    sent = grey()
    if syntax == ExplicitVRBigEndian:
        sent.PixelData = np.frombuffer(sent.PixelData, "<i2").astype(">i2").tobytes()
    sent.file_meta.TransferSyntaxUID = syntax
    assert (await store(client, encode(sent))).status_code == 200
    response = await client.get(url_of(sent), headers=instance_of(JPEG + "80"))
    assert response.status_code == 200, response.text[:200]
    received = pydicom.dcmread(io.BytesIO(response.content))
    assert received.DataSetTrailingPadding == b"\1\2"
    assert np.array_equal(pixel_array(received), smooth(3, -2048, 2047, "<i2"))


async def test_a_hostile_image_costs_a_4xx_and_nothing_else(client: httpx.AsyncClient) -> None:
    """W2: pixels that are none, and an image whose attributes promise what is not there."""
    plain = color()
    broken = color(SOPInstanceUID=new_uid())
    broken.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(range(256)) * 4])
    broken["PixelData"].is_undefined_length = True
    broken.file_meta.TransferSyntaxUID = JPEG2000Lossless
    huge = color(Rows=60000, Columns=60000)
    for dataset in (broken, huge, plain):
        assert (await store(client, encode(dataset))).status_code in {200, 202, 409}
    for dataset in (broken, huge):
        for suffix, accept in (
            ("", instance_of(JPEG + "80")),
            ("/frames/1", frame_of(JPEG + "80")),
        ):
            response = await client.get(url_of(dataset) + suffix, headers=accept)
            assert 400 <= response.status_code < 500, response.text
    after = await client.get(url_of(plain), headers=instance_of(JPEG + "80"))
    assert after.status_code == 200


async def test_w11_a_client_that_leaves_ends_the_worker_that_encodes_for_it(
    client: httpx.AsyncClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dataset,) = await stored_series(client, 1)
    app = application(archive)
    cancelled = asyncio.Event()

    async def for_ever(*_: object) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    monkeypatch.setattr("hounsfield.dicomweb.render_pool.RenderPool.run", for_ever)
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        raise AssertionError("nobody is there")

    for suffix, accept in (("", instance_of(JPEG + "80")), ("/frames/1", frame_of(JPEG + "80"))):
        asked = False
        cancelled.clear()
        headers = [(b"accept", accept["accept"].encode())]
        path = "/dicom-web" + url_of(dataset) + suffix
        scope = {"type": "http", "method": "GET", "path": path, "scheme": "http"}
        scope |= {"headers": headers, "query_string": b""}
        started = time.monotonic()
        await app(scope, receive, send)
        assert cancelled.is_set()
        assert time.monotonic() - started < 30

"""Rendered resources and thumbnails (PS3.18 10.4.1.1.3, .4; conformance W6 to W8; S-08)."""

import io
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_requests import store, stored_series, url_of
from factories import ct_slice, encode
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRBigEndian

from hounsfield.archive.errors import OutOfResources
from hounsfield.dicomweb.problems import CannotRender
from hounsfield.dicomweb.render_pool import RenderPool

RAMP = np.arange(256, dtype="<u2").reshape(16, 16)
PNG = {"accept": "image/png"}
FULL = {"WindowCenter": 128, "WindowWidth": 256}


async def picture(client: httpx.AsyncClient, url: str, **parameters: Any) -> NDArray[np.uint8]:
    response = await client.get(url, params=parameters, headers=PNG)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(response.content)))


async def rendered(
    client: httpx.AsyncClient, dataset: Dataset, **parameters: Any
) -> NDArray[np.uint8]:
    assert (await store(client, encode(dataset))).status_code == 200
    return await picture(client, url_of(dataset) + "/rendered", **parameters)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (FULL, RAMP),
        (FULL | {"PhotometricInterpretation": "MONOCHROME1"}, 255 - RAMP),
        (FULL | {"WindowCenter": 1156, "RescaleSlope": 1, "RescaleIntercept": 1028}, RAMP),
        ({"WindowCenter": 256, "WindowWidth": 512, "RescaleSlope": 2, "RescaleIntercept": 0}, RAMP),
        ({"WindowCenter": [128, 10], "WindowWidth": [256, 2]}, RAMP),
        ({"WindowCenter": 100, "WindowWidth": 1}, np.where(RAMP >= 100, 255, 0)),
        (FULL | {"PixelPaddingValue": 200}, np.where(RAMP == 200, 0, RAMP)),
        ({"WindowCenter": 0, "WindowWidth": 256, "PixelRepresentation": 1,
          "PixelData": (RAMP.astype("<i2") - 128).tobytes()}, RAMP),
    ],
)  # fmt: skip
async def test_grey_levels_follow_the_file(
    client: httpx.AsyncClient, attributes: dict[str, Any], expected: NDArray[Any]
) -> None:
    found = await rendered(client, ct_slice(**attributes))
    assert np.abs(found.astype(int) - expected).max() <= 1


async def test_the_window_asked_for_wins_over_the_file(client: httpx.AsyncClient) -> None:
    dataset = ct_slice(WindowCenter=128, WindowWidth=256)
    found = await rendered(client, dataset, window="64,128,linear-exact")
    assert np.abs(found.astype(int) - np.clip(RAMP * 255 / 128, 0, 255)).max() <= 1
    sigmoid = await picture(client, url_of(dataset) + "/rendered", window="128,64,sigmoid")
    assert sigmoid[8, 0] == pytest.approx(127.5, abs=1)


async def test_an_image_without_a_window_fills_the_range(client: httpx.AsyncClient) -> None:
    found = await rendered(client, ct_slice())
    assert (found.min(), found.max()) == (0, 255)
    flat = await rendered(client, ct_slice(PixelData=bytes(512)))
    assert flat.max() == flat.min()


async def test_a_voi_lut_is_looked_up(client: httpx.AsyncClient) -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 16])
    item.add_new("LUTData", "OW", (np.arange(256)[::-1] * 257).astype("<u2").tobytes())
    found = await rendered(client, ct_slice(VOILUTSequence=[item]))
    assert np.abs(found.astype(int) - (255 - RAMP)).max() <= 1


async def test_colour_comes_as_colour(client: httpx.AsyncClient) -> None:
    common = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    rgb = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    colour = ct_slice(
        **common, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
        PixelData=rgb.tobytes(),
    )  # fmt: skip
    assert np.array_equal(await rendered(client, colour), rgb)
    tables = {
        f"{name}PaletteColorLookupTable{part}": value
        for n, name in enumerate(("Red", "Green", "Blue"))
        for part, value in (
            ("Descriptor", [256, 0, 16]),
            ("Data", (np.roll(np.arange(256), n * 50) * 256).astype("<u2").tobytes()),
        )
    }
    indices = RAMP.astype(np.uint8)
    palette = ct_slice(
        **common, **tables, PhotometricInterpretation="PALETTE COLOR", PixelData=indices.tobytes()
    )
    expected = np.stack([np.roll(np.arange(256), n * 50)[indices] for n in range(3)], axis=2)
    assert np.array_equal(await rendered(client, palette), expected)


async def test_big_endian_pixels_are_read_as_what_they_are(client: httpx.AsyncClient) -> None:
    big = ct_slice(WindowCenter=128, WindowWidth=256, PixelData=RAMP.astype(">u2").tobytes())
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    assert np.abs((await rendered(client, big)).astype(int) - RAMP).max() <= 1


async def test_jpeg_is_the_default_and_the_viewport_of_ohif_is_understood(
    client: httpx.AsyncClient,
) -> None:
    datasets = await stored_series(client, 3, rows=32, columns=16)
    for url in (
        url_of(datasets[0]) + "/rendered",
        url_of(datasets[0]) + "/thumbnail",
        url_of(datasets[0]) + "/frames/1/rendered",
        url_of(datasets[0]) + "/frames/1/thumbnail",
        url_of(datasets[0]).split("/instances")[0] + "/thumbnail",
        url_of(datasets[0]).split("/series")[0] + "/thumbnail",
    ):
        for accept in ("*/*", "image/jpeg", "text/html, image/*;q=0.5"):
            response = await client.get(url + "?viewport=256%2C256", headers={"accept": accept})
            assert response.headers["content-type"] == "image/jpeg"
            shown = Image.open(io.BytesIO(response.content))
            assert (shown.format, shown.size) == ("JPEG", (128, 256))


async def test_a_viewport_crops_and_flips_the_source(client: httpx.AsyncClient) -> None:
    dataset = ct_slice(WindowCenter=128, WindowWidth=256)
    whole = await rendered(client, dataset)
    url = url_of(dataset) + "/rendered"
    cropped = await picture(client, url, viewport="8,8,4,2,8,8")
    assert np.array_equal(cropped, whole[2:10, 4:12])
    flipped = await picture(client, url, viewport="16,16,,,-16,16")
    assert np.array_equal(flipped, whole[:, ::-1])


@pytest.mark.parametrize(
    "query",
    [
        "viewport=0,0", "viewport=a,b", "viewport=1", "viewport=99999,1", "viewport=1,1,1",
        "viewport=8,8,-1,0,4,4", "viewport=8,8,0,0,0,4", "window=1", "window=1,2",
        "window=1,2,cubic",
        "window=nan,1,linear", "window=1,0,linear", "window=1,1e99,linear", "quality=0",
        "quality=101", "quality=x", "annotation=everything", "iccprofile=maybe",
    ],
)  # fmt: skip
async def test_bad_parameters_are_bad_requests(client: httpx.AsyncClient, query: str) -> None:
    (dataset,) = await stored_series(client, 1)
    response = await client.get(f"{url_of(dataset)}/rendered?{query}")
    assert response.status_code == 400


async def test_the_quality_of_a_jpeg_is_as_asked(client: httpx.AsyncClient) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64), dtype="<u2").tobytes()
    dataset = ct_slice(64, 64, PixelData=noise)
    await store(client, encode(dataset))
    sizes = [
        len((await client.get(f"{url_of(dataset)}/rendered?quality={quality}")).content)
        for quality in (10, 90)
    ]
    assert sizes[0] < sizes[1]


async def test_a_report_has_a_tile_with_its_modality_and_is_no_picture(
    client: httpx.AsyncClient,
) -> None:
    report = ct_slice(
        SOPClassUID=BasicTextSRStorage, Modality="SR", PixelData=b"", Rows=None, Columns=None
    )
    del report.PixelData
    assert (await store(client, encode(report))).status_code == 200
    tile = await client.get(url_of(report) + "/thumbnail?viewport=200,100", headers=PNG)
    assert Image.open(io.BytesIO(tile.content)).size == (200, 100)
    as_picture = await client.get(url_of(report) + "/rendered", headers=PNG)
    assert as_picture.status_code == 406
    assert "text/html" in as_picture.json()["detail"]
    assert (await client.get(url_of(report) + "/frames/1")).status_code == 404


async def test_an_instance_whose_pixels_lie_costs_a_4xx_and_has_a_tile(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    for name in ("TC0299_bits_bsstored_gt_ba.dcm", "TC0327_mono2_spp3.dcm"):
        path = shared_data / "broken" / "fuzz" / name
        dataset = pydicom.dcmread(path)
        assert (await store(client, path.read_bytes())).status_code == 200
        response = await client.get(url_of(dataset) + "/rendered")
        assert response.status_code == 422
        assert (await client.get(url_of(dataset) + "/thumbnail")).status_code == 200


async def test_every_readable_image_of_the_samples_has_a_picture(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    folders = ("enhanced", "mg", "nm", "pt", "us", "wsi", "xa_cine", "cr_chest")
    paths = [path for folder in folders for path in sorted((shared_data / folder).iterdir())]
    paths += sorted((shared_data / "transfer_syntaxes").glob("TestPattern*"))
    for path in paths:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        answer = await store(client, path.read_bytes())
        if answer.status_code != 200:
            continue
        response = await client.get(url_of(dataset) + "/rendered")
        assert response.status_code == 200, path.name
        shown = Image.open(io.BytesIO(response.content))
        assert shown.size == (dataset.Columns, dataset.Rows), path.name
        assert np.ptp(np.asarray(shown)) > 0, path.name


@pytest.mark.parametrize("hostile", ["too large", "hangs", "dies"])
async def test_a_worker_that_grows_hangs_or_dies_costs_one_request_and_no_other(
    tmp_path: Path, hostile: str
) -> None:
    pool = RenderPool(size=1, seconds=5)
    try:
        fine = tmp_path / "fine.dcm"
        fine.write_bytes(encode(ct_slice()))
        arguments = {"path": str(fine), "frame": 1, "format": "image/png", "quality": 90}
        assert (await pool.run("render", arguments)).payload.startswith(b"\x89PNG")
        (worker,) = pool._idle
        if hostile == "dies":
            worker._process.kill()
        elif hostile == "hangs":
            os.kill(worker._process.pid, signal.SIGSTOP)
        else:
            huge = ct_slice(Rows=65535, Columns=65535)
            fine.with_suffix(".huge").write_bytes(encode(huge))
            arguments |= {"path": str(fine.with_suffix(".huge"))}
        with pytest.raises(CannotRender):
            await pool.run("render", arguments, 1)
        arguments |= {"path": str(fine)}
        assert (await pool.run("render", arguments)).payload.startswith(b"\x89PNG")
    finally:
        await pool.close()


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="needs /proc")
async def test_workers_are_limited_in_memory_and_know_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOUNSFIELD_DATABASE__URL", "postgresql://secret")
    pool = RenderPool(size=1)
    try:
        await pool.run("placeholder", {"text": "SR", "format": "image/png", "viewport": None})
        process = Path(f"/proc/{pool._idle[0]._process.pid}")
        assert b"secret" not in (process / "environ").read_bytes()
        limits = (process / "limits").read_text()
        (line,) = [line for line in limits.splitlines() if line.startswith("Max address space")]
        assert 0 < int(line.split()[3]) <= 4 * 1024**3
    finally:
        await pool.close()


async def test_too_many_waiting_are_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hounsfield.dicomweb.render_pool.MAX_WAITING", 0)
    with pytest.raises(OutOfResources):
        await RenderPool().run("placeholder", {})

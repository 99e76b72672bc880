"""Images as a presentation state shows them (PS3.4 N.2; conformance W6), beside dcmp2pgm."""

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_requests import parts_of, store, url_of
from factories import ct_slice, encode, series
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

pytestmark = pytest.mark.skipif(not shutil.which("dcmpsmk"), reason="needs dcmtk's dcmpsmk")

PNG = {"accept": "image/png"}
PIXELS = np.random.default_rng(7).integers(0, 4096, (16, 24)).astype("<u2")
TWELVE = {
    "BitsStored": 12, "HighBit": 11, "PixelData": PIXELS.tobytes(),
    "WindowCenter": 2000, "WindowWidth": 3000,
}  # fmt: skip


def no_window(state: Dataset) -> None:
    del state.SoftcopyVOILUTSequence


def narrower(state: Dataset) -> None:
    state.SoftcopyVOILUTSequence[0].WindowCenter = 1000
    state.SoftcopyVOILUTSequence[0].WindowWidth = 500


def inverse(state: Dataset) -> None:
    state.PresentationLUTShape = "INVERSE"


def curve(state: Dataset) -> None:
    del state.PresentationLUTShape
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 12]
    table.add_new("LUTData", "OW", (np.arange(4096) ** 2 // 4095).astype("<u2").tobytes())
    state.PresentationLUTSequence = [table]


def turned(degrees: int, flip: str) -> Callable[[Dataset], None]:
    def change(state: Dataset) -> None:
        state.ImageRotation, state.ImageHorizontalFlip = degrees, flip

    return change


def shuttered(state: Dataset) -> None:
    state.ShutterShape = ["RECTANGULAR", "CIRCULAR"]
    state.ShutterLeftVerticalEdge, state.ShutterRightVerticalEdge = 3, 22
    state.ShutterUpperHorizontalEdge, state.ShutterLowerHorizontalEdge = 2, 15
    state.CenterOfCircularShutter, state.RadiusOfCircularShutter = [8, 12], 6
    state.ShutterPresentationValue = 0x4000


def state_for(folder: Path, *images: Dataset, change: Callable[[Dataset], None]) -> Dataset:
    """A presentation state of the images, made by dcmpsmk and then changed."""
    paths = []
    for number, image in enumerate(images):
        paths.append(folder / f"{number}.dcm")
        paths[-1].write_bytes(encode(image))
    path = folder / "state.dcm"
    subprocess.run(["dcmpsmk", *paths, path], check=True, timeout=60)
    state = pydicom.dcmread(path)
    change(state)
    path.write_bytes(encode(state))
    return state


def dcmp2pgm(folder: Path) -> NDArray[np.uint8]:
    picture = folder / "picture.pgm"
    command = ["dcmp2pgm", "-p", folder / "state.dcm", folder / "0.dcm", picture]
    subprocess.run(command, check=True, timeout=60)
    return np.asarray(Image.open(picture))


def shown(response: httpx.Response) -> NDArray[np.uint8]:
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)))


CHANGES: dict[str, tuple[dict[str, Any], Callable[[Dataset], None]]] = {
    "rescaled": ({"RescaleSlope": 2, "RescaleIntercept": -1000}, lambda state: None),
    "inverse image": ({"PhotometricInterpretation": "MONOCHROME1"}, lambda state: None),
    "window": ({}, narrower),
    "no window": ({}, no_window),
    "inverse": ({}, inverse),
    "presentation LUT": ({}, curve),
    **{f"turned {a}{f}": ({}, turned(a, f)) for a in (90, 180, 270) for f in "NY"},
}


async def test_a_presentation_state_shows_its_image_as_dcmp2pgm_does(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Modality, VOI and presentation transformation of the state, and its turn and flip."""
    wrong = {}
    for name, (attributes, change) in CHANGES.items():
        image = ct_slice(16, 24, **(TWELVE | attributes))
        state = state_for(tmp_path, image, change=change)
        await store(client, encode(image), encode(state))
        ours = shown(await client.get(url_of(state) + "/rendered", headers=PNG))
        theirs = dcmp2pgm(tmp_path)
        if ours.shape != theirs.shape or np.abs(ours.astype(int) - theirs).max() > 1:
            wrong[name] = ours
    assert not wrong
    window = await client.get(url_of(state) + "/rendered?window=1,2,linear")
    assert window.status_code == 400


async def test_shutters_hide_and_the_displayed_area_crops(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """PS3.3 C.7.6.11, C.10.4; dcmp2pgm does neither."""
    image = ct_slice(16, 24, **TWELVE)
    state = state_for(tmp_path, image, change=shuttered)
    area = state.DisplayedAreaSelectionSequence[0]
    await store(client, encode(image), encode(state))
    whole = shown(await client.get(url_of(image) + "/rendered", headers=PNG))
    hidden = shown(await client.get(url_of(state) + "/rendered", headers=PNG))
    rows, columns = np.ogrid[1:17, 1:25]
    inside = (rows - 8) ** 2 + (columns - 12) ** 2 <= 36
    assert np.array_equal(hidden[inside], whole[inside])
    assert (hidden[~inside] == 0x40).all()
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [5, 3], [20, 14]
    state.SOPInstanceUID = state.file_meta.MediaStorageSOPInstanceUID = state.SOPInstanceUID + ".1"
    await store(client, encode(state))
    cropped = shown(await client.get(url_of(state) + "/rendered", headers=PNG))
    assert np.array_equal(cropped, hidden[2:14, 4:20])


async def test_a_state_of_several_images_shows_each(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """10.4.1.1.3: a part for each, a thumbnail of the first; without its images: 422."""
    images = series(3, rows=16, columns=24, **TWELVE)
    state = state_for(tmp_path, *images, change=inverse)
    await store(client, encode(state))
    assert (await client.get(url_of(state) + "/rendered")).status_code == 422
    await store(client, *map(encode, images))
    parts = parts_of(await client.get(url_of(state) + "/rendered", headers=PNG))
    assert len(parts) == 3
    assert all(h["content-location"].endswith(url_of(state) + "/rendered") for h, _ in parts)
    whole = shown(await client.get(url_of(images[0]) + "/rendered", headers=PNG)).astype(int)
    first = np.asarray(Image.open(io.BytesIO(parts[0][1])))
    assert np.abs(255 - whole - first).max() <= 1
    assert (await client.get(url_of(state) + "/thumbnail", headers=PNG)).status_code == 200


def marked(kind: str, units: str, data: list[float], text: str = "") -> Dataset:
    """A graphic annotation of one object, and of a text where there is one."""
    item, graphic, label = Dataset(), Dataset(), Dataset()
    item.GraphicLayer = "LAYER"
    graphic.GraphicAnnotationUnits, graphic.GraphicType = units, kind
    graphic.GraphicDimensions, graphic.NumberOfGraphicPoints = 2, len(data) // 2
    graphic.GraphicData, graphic.GraphicFilled = data, "N"
    item.GraphicObjectSequence = [graphic]
    if text:
        label.AnchorPointAnnotationUnits, label.AnchorPoint = "DISPLAY", [0.5, 0.5]
        label.AnchorPointVisibility, label.UnformattedTextValue = "N", text
        item.TextObjectSequence = [label]
    return item


async def test_graphics_and_texts_are_drawn_where_they_belong(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """PS3.3 C.10.5: in pixels of the image, which turn with it, or in parts of the picture."""
    black = {"PixelData": bytes(64 * 64 * 2), "WindowCenter": 2000, "WindowWidth": 3000}
    line = [4.5, 6.5, 12.5, 6.5]
    circle, ellipse = [20.5, 40.5, 25.5, 40.5], [2.5, 20.5, 12.5, 20.5, 7.5, 17.5, 7.5, 23.5]
    for turn, flip in ((0, "N"), (90, "Y")):

        def change(state: Dataset, turn: int = turn, flip: str = flip) -> None:
            state.ImageRotation, state.ImageHorizontalFlip = turn, flip
            state.GraphicAnnotationSequence = [
                marked("POLYLINE", "PIXEL", line, "<here>"),
                marked("CIRCLE", "PIXEL", circle),
                marked("ELLIPSE", "PIXEL", ellipse),
                marked("POINT", "DISPLAY", [0.9, 0.1]),
            ]

        image = ct_slice(64, 64, **black)
        state = state_for(tmp_path, image, change=change)
        await store(client, encode(image), encode(state))
        picture = shown(await client.get(url_of(state) + "/rendered", headers=PNG))
        upright = picture if not turn else picture.T
        assert (upright[6, 4:13] == 255).all()
        assert not upright[6, 14:20].any()
        assert [upright[40, 25], upright[45, 20], upright[40, 20]] == [255, 255, 0]
        assert [upright[20, 2], upright[20, 12], upright[17, 7]] == [255, 255, 255]
        assert picture[6, 57] == 255
        assert picture[32:44, 32:].max() > 200
        assert not picture[56:, :].any()


async def test_marks_that_cannot_be_shown_are_not_left_out_in_silence(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    image = ct_slice(16, 24, **TWELVE)

    def subtracted(state: Dataset) -> None:
        state.MaskSubtractionSequence = [Dataset()]
        state.MaskSubtractionSequence[0].MaskOperation = "AVG_SUB"

    state = state_for(tmp_path, image, change=subtracted)
    await store(client, encode(image), encode(state))
    response = await client.get(url_of(state) + "/rendered")
    assert response.status_code == 422
    assert "mask subtraction" in response.json()["detail"]

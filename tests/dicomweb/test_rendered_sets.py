"""Several renditions in one answer, and how a picture is finished (conformance W6, W7, W8)."""

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import httpx
import imagecodecs
import numpy as np
import pytest
from dicomweb_requests import MOUNT, application, parts_of, store, stored_series, url_of
from factories import ct_slice, encode, series
from numpy.typing import NDArray
from PIL import Image, ImageCms
from pydicom import Dataset
from pydicom.uid import RawDataStorage
from starlette.types import Message

from hounsfield.archive.archive import Archive
from hounsfield.dicomweb.render_pool import RenderPool

PNG = {"accept": "image/png"}
FULL = {"WindowCenter": 128, "WindowWidth": 256}


def shown(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


def multiframe(count: int, **attributes: Any) -> Dataset:
    """Frame n is all of level 40 n."""
    frames = [np.full((16, 16), 40 * n, "<u2") for n in range(1, count + 1)]
    pixels = b"".join(frame.tobytes() for frame in frames)
    return ct_slice(**(FULL | attributes), NumberOfFrames=count, PixelData=pixels)


def levels(content: bytes) -> list[int]:
    """The level of each frame of an animation."""
    return [int(np.asarray(frame.convert("L"))[8, 8]) for frame in _frames(content)]


def _frames(content: bytes) -> Iterator[Image.Image]:
    animation = Image.open(io.BytesIO(content))
    for number in range(getattr(animation, "n_frames", 1)):
        animation.seek(number)
        yield animation


async def test_a_study_and_a_series_are_the_renditions_of_their_instances_in_order(
    client: httpx.AsyncClient,
) -> None:
    """W6 at every level: each part is what its own resource gives, named by Content-Location."""
    datasets = series(3, **FULL)
    for dataset, level in zip(datasets, (50, 100, 150), strict=True):
        dataset.PixelData = np.full((16, 16), level, "<u2").tobytes()
    assert (await store(client, *(encode(one) for one in reversed(datasets)))).status_code == 200
    url = url_of(datasets[0])
    for resource in (url.split("/instances")[0], url.split("/series")[0]):
        response = await client.get(resource + "/rendered", headers=PNG)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith('multipart/related; type="image/png"')
        parts = parts_of(response)
        assert [int(shown(body)[0, 0]) for _, body in parts] == [50, 100, 150]
        for (headers, body), dataset in zip(parts, datasets, strict=True):
            assert headers["content-type"] == "image/png"
            assert headers["content-location"].endswith(url_of(dataset) + "/rendered")
            alone = await client.get(url_of(dataset) + "/rendered", headers=PNG)
            assert alone.content == body
        head = await client.head(resource + "/rendered", headers=PNG)
        assert (head.status_code, head.content) == (200, b"")
        held = {"if-none-match": response.headers["etag"]} | PNG
        assert (await client.get(resource + "/rendered", headers=held)).status_code == 304


async def test_a_part_is_made_when_it_is_sent_and_none_for_a_client_that_has_left(
    client: httpx.AsyncClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W6, W11: one picture at a time, whatever the length of the series."""
    (first, *_) = await stored_series(client, 6, **FULL)
    made: list[str] = []
    sent: list[int] = []
    run, leaves = RenderPool.run, asyncio.Event()

    async def counted(pool: RenderPool, task: str, *arguments: Any) -> Any:
        made.append(task)
        return await run(pool, task, *arguments)

    async def receive() -> Message:
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(len(made))
        if len(sent) == 4:
            leaves.set()
        await asyncio.sleep(0.01)

    monkeypatch.setattr(RenderPool, "run", counted)
    path = f"{MOUNT}{url_of(first).split('/instances')[0]}/rendered"
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"",
             "scheme": "http", "server": ("pacs.example", 80)}  # fmt: skip
    app = application(archive)
    async with app.router.lifespan_context(app):
        await app(scope, receive, send)
    assert sent[0] == 0
    assert sent[1] == 1
    assert len(made) <= 3


async def test_what_cannot_be_rendered_leaves_a_206_and_what_is_broken_says_so_in_its_place(
    client: httpx.AsyncClient,
) -> None:
    """10.4.3: some but not all; a part that fails does not cost the others."""
    good, broken, other = series(3, **FULL)
    broken.BitsStored = 17
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = RawDataStorage
    del other.PixelData
    await store(client, *(encode(one) for one in (good, broken, other)))
    response = await client.get(url_of(good).split("/series")[0] + "/rendered")
    assert response.status_code == 206
    kinds = [headers["content-type"] for headers, _ in parts_of(response)]
    assert kinds == ["image/jpeg", "application/problem+json"]


async def test_a_list_of_frames_comes_in_the_order_asked_and_a_gif_moves(
    client: httpx.AsyncClient,
) -> None:
    """W7: one part a frame, or one animation; the time of a frame is that of the file."""
    dataset = multiframe(4, FrameTime=80)
    await store(client, encode(dataset))
    frames = url_of(dataset) + "/frames/3,1,4/rendered"
    parts = parts_of(await client.get(frames, headers=PNG))
    assert [int(shown(body)[0, 0]) for _, body in parts] == [120, 40, 160]
    assert [headers["content-location"][-18:] for headers, _ in parts] == [
        "/frames/3/rendered", "/frames/1/rendered", "/frames/4/rendered",
    ]  # fmt: skip
    gif = {"accept": "image/gif"}
    some = await client.get(frames, headers=gif)
    assert some.headers["content-type"] == "image/gif"
    assert levels(some.content) == [120, 40, 160]
    whole = await client.get(url_of(dataset) + "/rendered", headers=gif)
    assert levels(whole.content) == [40, 80, 120, 160]
    assert Image.open(io.BytesIO(whole.content)).info["duration"] == 80
    still = await client.get(url_of(dataset) + "/rendered", headers=PNG)
    assert int(shown(still.content)[0, 0]) == 80
    as_part = {"accept": 'multipart/related; type="image/gif"'}
    ((headers, body),) = parts_of(await client.get(url_of(dataset) + "/rendered", headers=as_part))
    assert (headers["content-type"], body) == ("image/gif", whole.content)
    for wrong in ("1,9", "0", "a"):
        response = await client.get(url_of(dataset) + f"/frames/{wrong}/rendered", headers=gif)
        assert response.status_code in {400, 404}


async def test_a_gif_of_colour_frames_keeps_the_colours_of_each(client: httpx.AsyncClient) -> None:
    """W7."""
    colors = np.zeros((2, 16, 16, 3), np.uint8)
    colors[0, ..., 0], colors[1, ..., 1] = 250, 240
    dataset = ct_slice(
        BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3, PlanarConfiguration=0,
        PhotometricInterpretation="RGB", NumberOfFrames=2, PixelData=colors.tobytes(),
    )  # fmt: skip
    await store(client, encode(dataset))
    response = await client.get(url_of(dataset) + "/rendered", headers={"accept": "image/gif"})
    found = [np.asarray(frame.convert("RGB"))[3, 3].tolist() for frame in _frames(response.content)]
    assert found == [[250, 0, 0], [0, 240, 0]]


async def test_jpeg_2000_is_offered_and_lossless_at_full_quality(
    client: httpx.AsyncClient,
) -> None:
    """W7: image/jp2."""
    dataset = ct_slice(**FULL)
    await store(client, encode(dataset))
    url = url_of(dataset) + "/rendered?accept=image/jp2"
    response = await client.get(url + "&quality=100")
    assert response.headers["content-type"] == "image/jp2"
    assert response.content[4:8] == b"jP  "
    png = shown((await client.get(url_of(dataset) + "/rendered", headers=PNG)).content)
    assert np.array_equal(imagecodecs.jpeg2k_decode(response.content), png)
    assert (await client.get(url + "&iccprofile=srgb")).status_code == 406


async def test_annotations_are_burned_in_above_and_below(client: httpx.AsyncClient) -> None:
    """W6: the patient above, the technique below, in white with a dark edge; else untouched."""
    flat = np.full((256, 256), 100, "<u2").tobytes()
    dataset = ct_slice(256, 256, PixelData=flat, KVP=120, **FULL)
    dataset.PatientName = "<script>^\u65e5\u001b[31m"
    await store(client, encode(dataset))
    url = url_of(dataset) + "/rendered"
    plain, patient, technique, both = [
        shown((await client.get(url + query, headers=PNG)).content)
        for query in (
            "", "?annotation=patient", "?annotation=technique", "?annotation=technique,patient",
        )
    ]  # fmt: skip
    assert np.ptp(plain) == 0
    assert np.ptp(patient[:64]) > 150
    assert np.ptp(patient[-64:]) == 0
    assert np.ptp(technique[-64:]) > 150
    assert np.ptp(technique[:64]) == 0
    assert np.array_equal(both[:64], patient[:64])
    assert np.array_equal(both[-64:], technique[-64:])
    dataset.PatientName = "Somebody^Else"
    dataset.SOPInstanceUID += ".1"
    await store(client, encode(dataset))
    other = await client.get(url_of(dataset) + "/rendered?annotation=patient", headers=PNG)
    assert not np.array_equal(shown(other.content), patient)


@pytest.mark.parametrize(
    ("asked", "expected", "description"),
    [
        ("no", (200, 100, 50), None),
        ("yes", (200, 100, 50), "own"),
        ("srgb", (227, 100, 42), "sRGB"),
        ("adobergb", (200, 100, 50), "RGB"),
        ("rommrgb", (164, 101, 47), "RGB"),
    ],
)
async def test_pixels_are_turned_into_the_colour_space_asked_for(
    client: httpx.AsyncClient, asked: str, expected: tuple[int, ...], description: str | None
) -> None:
    """W6: from the image's own ICC profile, here Adobe RGB; the new one goes along.

    The levels are those of the matrices of both spaces, worked out by hand.
    """
    own = imagecodecs.cms_profile("adobergb")
    color = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    dataset = ct_slice(
        BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3, PlanarConfiguration=0,
        PhotometricInterpretation="RGB", PixelData=color.tobytes(), ICCProfile=own,
    )  # fmt: skip
    await store(client, encode(dataset))
    url = url_of(dataset) + f"/rendered?iccprofile={asked}"
    response = await client.get(url, headers=PNG)
    picture = Image.open(io.BytesIO(response.content))
    assert np.abs(np.asarray(picture)[5, 5].astype(int) - expected).max() <= 1
    profile = picture.info.get("icc_profile")
    if description is None:
        assert profile is None
    elif description == "own":
        assert profile == own
    else:
        parsed = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        assert description in ImageCms.getProfileDescription(parsed)
    jpeg = Image.open(io.BytesIO((await client.get(url)).content))
    assert jpeg.info.get("icc_profile") == profile


async def test_a_grey_picture_is_srgb_and_a_broken_profile_is_refused(
    client: httpx.AsyncClient,
) -> None:
    """W6, S-08."""
    (dataset,) = await stored_series(client, 1, **FULL)
    url = url_of(dataset) + "/rendered"
    picture = Image.open(
        io.BytesIO((await client.get(url + "?iccprofile=yes", headers=PNG)).content)
    )
    assert picture.mode == "RGB"
    assert "sRGB" in ImageCms.getProfileDescription(
        ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
    )
    color = ct_slice(
        BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3, PlanarConfiguration=0,
        PhotometricInterpretation="RGB", PixelData=bytes(768),
        ICCProfile=bytes(16) + b"RGB " + bytes(16) + b"acsp" + b"\xff" * 300,
    )  # fmt: skip
    await store(client, encode(color))
    url = url_of(color) + "/rendered"
    assert (await client.get(url)).status_code == 200
    assert (await client.get(url + "?iccprofile=srgb")).status_code == 422

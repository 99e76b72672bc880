"""Segmentations painted over their images (PS3.3 C.8.20; PS3.18 10.4.1.1.3; conformance W6, W8)."""

import io
from copy import deepcopy
from typing import Any

import highdicom as hd
import httpx
import numpy as np
import pytest
from dicomweb_requests import store, url_of
from factories import encode, series
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.sr.codedict import codes

PNG = {"accept": "image/png"}
WIDE = {"WindowCenter": 512, "WindowWidth": 1024, "FrameOfReferenceUID": "1.2.3"}
Kinds = hd.seg.SegmentationTypeValues
RED, BLUE = (255, 0, 0), (40, 90, 250)


async def picture(client: httpx.AsyncClient, url: str, **query: Any) -> NDArray[np.uint8]:
    response = await client.get(url, params=query, headers=PNG)
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)))


def segmentation(
    images: list[Dataset],
    mask: NDArray[Any],
    kind: Kinds = Kinds.BINARY,
    colors: tuple[tuple[int, int, int], ...] = (RED,),
) -> Dataset:
    """A segmentation of one segment a colour on ``images``, made by highdicom."""
    for image in images:
        image.FrameOfReferenceUID = images[0].StudyInstanceUID + ".1"
        image.PatientID, image.StudyID = "P-1", "S1"
    algorithm = hd.AlgorithmIdentificationSequence(
        name="threshold", version="1", family=codes.DCM.ArtificialIntelligence
    )
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"Part {number}",
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Brain,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            display_color=hd.color.CIELabColor.from_rgb(*color),
        )
        for number, color in enumerate(colors, start=1)
    ]
    return hd.seg.Segmentation(
        images, mask, kind, segments,
        series_instance_uid=hd.UID(), series_number=9, sop_instance_uid=hd.UID(),
        instance_number=1, manufacturer="Hounsfield", manufacturer_model_name="test",
        software_versions="1", device_serial_number="1", omit_empty_frames=False,
    )  # fmt: skip


def levels_apart() -> list[Dataset]:
    """Three images that are told apart by their one level."""
    images = series(3, rows=32, columns=32, **WIDE)
    for number, image in enumerate(images):
        image.PixelData = np.full((32, 32), 200 * (number + 1), "<u2").tobytes()
    return images


async def assert_each_on_its_image(
    client: httpx.AsyncClient, drawn: Dataset, images: list[Dataset]
) -> None:
    """Every frame lies on the image of its own place."""
    below = {float(image.ImagePositionPatient[2]): image for image in images}
    for number, group in enumerate(drawn.PerFrameFunctionalGroupsSequence, start=1):
        image = below[float(group.PlanePositionSequence[0].ImagePositionPatient[2])]
        painted = await picture(client, url_of(drawn) + f"/frames/{number}/rendered")
        grey = await picture(client, url_of(image) + "/rendered")
        assert np.array_equal(painted[20:, 20:, 0], grey[20:, 20:])


@pytest.mark.parametrize("kind", [Kinds.BINARY, Kinds.FRACTIONAL, Kinds.LABELMAP])
async def test_all_segments_of_a_plane_are_painted_in_their_recommended_colours(
    client: httpx.AsyncClient, kind: Kinds
) -> None:
    """W6: Recommended Display CIELab Value (0062,000D), for each way to store a segment.

    The instance shows all segments of its fullest plane; a frame shows what is in the frame.
    """
    images = series(3, rows=32, columns=32, **WIDE)
    mask = np.zeros((3, 32, 32), np.uint8)
    mask[1, 2:12, 2:12], mask[1, 16:30, 16:30] = 1, 2
    drawn = segmentation(images, mask, kind, (RED, BLUE))
    assert (await store(client, *map(encode, images), encode(drawn))).status_code == 200
    together = (await picture(client, url_of(drawn) + "/rendered")).astype(int)
    assert np.abs(together[2, 5] - RED).max() <= 3
    assert np.abs(together[16, 20] - BLUE).max() <= 3
    grey = await picture(client, url_of(images[1]) + "/rendered")
    assert np.array_equal(together[mask[1] == 0][:, 0], grey[mask[1] == 0])
    inside = together[20:26, 20:26]
    assert (inside[..., 2] - inside[..., 0] > 60).all()
    if kind == Kinds.LABELMAP:
        return
    numbers = [
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for group in drawn.PerFrameFunctionalGroupsSequence
    ]
    one = numbers.index(2) + 2
    alone = await picture(client, url_of(drawn) + f"/frames/{one}/rendered")
    assert np.array_equal(alone[2, 5], np.repeat(grey[2, 5], 3))
    assert np.abs(alone[16, 20].astype(int) - BLUE).max() <= 3


async def test_of_many_images_that_a_frame_names_the_one_in_its_plane_is_shown(
    client: httpx.AsyncClient,
) -> None:
    """W6: by geometry, also where an image across lies nearer to its first pixel."""
    images = levels_apart()
    mask = np.zeros((3, 32, 32), np.uint8)
    mask[:, 4:8, 4:8] = 1
    drawn = segmentation(images, mask)
    groups = drawn.PerFrameFunctionalGroupsSequence
    every = [deepcopy(group.DerivationImageSequence[0].SourceImageSequence[0]) for group in groups]
    for group in groups:
        group.DerivationImageSequence[0].SourceImageSequence = deepcopy(every)
    across = deepcopy(images[0])
    across.SOPInstanceUID = across.file_meta.MediaStorageSOPInstanceUID = hd.UID()
    across.ImageOrientationPatient, across.ImagePositionPatient = [0, 1, 0, 0, 0, 1], [0, 0, 2]
    await store(client, encode(across), *map(encode, images), encode(drawn))
    await assert_each_on_its_image(client, drawn, images)


async def test_a_picture_on_black_is_painted_anew_when_its_image_arrives(
    client: httpx.AsyncClient,
) -> None:
    """W10: the entity tag of a segment's picture depends on the image below it."""
    images = series(1, rows=32, columns=32, **WIDE)
    mask = np.zeros((1, 32, 32), np.uint8)
    mask[0, 8:24, 8:24] = 1
    drawn = segmentation(images, mask)
    await store(client, encode(drawn))
    url = url_of(drawn) + "/rendered"
    black = await client.get(url, headers=PNG)
    held = PNG | {"if-none-match": black.headers["etag"]}
    assert (await client.get(url, headers=held)).status_code == 304
    await store(client, encode(images[0]))
    assert (await client.get(url, headers=held)).status_code == 200


async def test_a_segment_is_painted_over_the_image_it_was_drawn_on(
    client: httpx.AsyncClient,
) -> None:
    images = series(3, rows=32, columns=32, **WIDE)
    mask = np.zeros((3, 32, 32), np.uint8)
    mask[1, 8:24, 8:24] = 1
    drawn = segmentation(images, mask)
    assert (
        await store(client, *(encode(image) for image in images), encode(drawn))
    ).status_code == 200
    grey = await picture(client, url_of(images[1]) + "/rendered")
    painted = (await picture(client, url_of(drawn) + "/frames/2/rendered")).astype(int)
    assert painted.shape == (32, 32, 3)
    outside = mask[1] == 0
    assert np.array_equal(painted[outside], np.repeat(grey[:, :, None], 3, 2)[outside])
    assert painted[8, 12, 0] > 240
    assert painted[8, 12, 1] < 20
    inside = painted[12:20, 12:20]
    assert (inside[..., 0] - inside[..., 1] > 60).all()
    assert inside[..., 1].std() > 1
    thumbnail = await picture(client, url_of(drawn).split("/instances")[0] + "/thumbnail")
    assert thumbnail.shape == (256, 256, 3)
    assert (thumbnail[128, 128, 0].astype(int) - thumbnail[128, 128, 1]) > 60


async def test_a_segmentation_finds_its_image_by_place_where_it_names_none(
    client: httpx.AsyncClient,
) -> None:
    images = levels_apart()
    mask = np.zeros((3, 32, 32), np.uint8)
    mask[:, 4:8, 4:8] = 1
    drawn = segmentation(images, mask)
    for group in drawn.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    await store(client, *(encode(image) for image in images), encode(drawn))
    await assert_each_on_its_image(client, drawn, images)


async def test_a_segmentation_without_its_image_is_painted_on_black(
    client: httpx.AsyncClient,
) -> None:
    images = series(1, rows=32, columns=32, FrameOfReferenceUID="1.2.3")
    mask = np.zeros((1, 32, 32), np.uint8)
    mask[0, 8:24, 8:24] = 1
    drawn = segmentation(images, mask)
    await store(client, encode(drawn))
    painted = await picture(client, url_of(drawn) + "/frames/1/rendered")
    assert painted[0, 0].max() == 0
    assert painted[8, 8].max() > 100

"""A segment painted over the image that it was drawn on (PS3.3 C.8.20): fill and outline."""

from itertools import islice

import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import iter_pixels

from hounsfield.archive.transcoding.decode import check_size, decode, read_attributes
from hounsfield.archive.transcoding.protocol import Arguments, Reply
from hounsfield.dicomweb.rendering.geometry import Plane, plane_of, sample
from hounsfield.dicomweb.rendering.grey import (
    Levels,
    from_groups,
    functional_groups,
)
from hounsfield.dicomweb.rendering.picture import finished, frame_levels, window_of

FILL = 0.35
LOOKED_AT = MOST_TOGETHER = 64
COLORS = ((239, 83, 80), (66, 165, 245), (102, 187, 106), (255, 202, 40), (171, 71, 188))

Labels = NDArray[np.integer]


def render_segment(arguments: Arguments) -> Reply:
    """Task: a frame of a segmentation over its source image, or on black without one.

    With ``together`` all segments that lie in the plane of the frame.
    """
    path, frame, source = arguments["path"], arguments["frame"], arguments.get("source")
    dataset, below = read_attributes(path), None
    if source is None:
        painted = np.zeros((int(dataset.Rows), int(dataset.Columns), 3), np.uint8)
    else:
        painted, below = _background(source, arguments)
    for number in _in_plane(dataset, frame) if arguments.get("together") else (frame,):
        labels = _labels(dataset, path, number)
        if source is not None:
            plane = plane_of(dataset, functional_groups(dataset, number), labels.shape)
            labels = sample(labels, plane, below, painted.shape[:2])
        painted = paint(painted, labels, _colors(dataset))
    return finished(dataset, frame, painted, arguments)


def busiest_frame(arguments: Arguments) -> Reply:
    """Task: the frame with the most segmented pixels, of those that are looked at."""
    path, count = arguments["path"], arguments["frames"]
    check_size(read_attributes(path))
    step = max(1, -(-count // LOOKED_AT))
    indices = list(range(0, count, step))
    sizes = [int(np.count_nonzero(pixels)) for pixels in iter_pixels(path, indices=indices)]
    return Reply({"frame": indices[int(np.argmax(sizes))] + 1})


def paint(canvas: Levels, labels: Labels, colors: dict[int, tuple[int, int, int]]) -> Levels:
    """Each label in its colour: translucent inside, opaque on its edge."""
    painted = canvas.astype(np.float32)
    for value in np.unique(labels[labels > 0]):
        mask = labels == value
        color = np.array(colors.get(int(value), COLORS[int(value) % len(COLORS)]), np.float32)
        painted[mask] += FILL * (color - painted[mask])
        painted[_edge(mask)] = color
    return np.rint(painted).astype(np.uint8)


def _labels(dataset: Dataset, path: str, frame: int) -> Labels:
    """Segment numbers of the frame's pixels; 0 is background."""
    pixels = decode(dataset, path, frame)
    kind = str(dataset.get("SegmentationType", "BINARY"))
    if kind == "LABELMAP":
        labels: Labels = pixels.astype(np.int32)
        return labels
    if kind == "FRACTIONAL":
        pixels = pixels > int(dataset.get("MaximumFractionalValue", 255)) // 2
    groups = functional_groups(dataset, frame)
    named = from_groups(groups, "SegmentIdentificationSequence").get("ReferencedSegmentNumber", 1)
    segment: Labels = (pixels != 0).astype(np.int32) * int(named)
    return segment


def _in_plane(dataset: Dataset, frame: int) -> list[int]:
    """The frames at the place of this one, each of which shows another segment."""
    place = _position(dataset, frame)
    if not place:
        return [frame]
    count = len(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    same = (number for number in range(1, count + 1) if _position(dataset, number) == place)
    return list(islice(same, MOST_TOGETHER))


def _position(dataset: Dataset, frame: int) -> list[float]:
    """Rounded to a hundredth of a millimetre."""
    plane = from_groups(functional_groups(dataset, frame), "PlanePositionSequence")
    return [round(float(part), 2) for part in plane.get("ImagePositionPatient") or []]


def _background(source: Arguments, arguments: Arguments) -> tuple[Levels, Plane | None]:
    path, frame = source["path"], source["frame"]
    image = read_attributes(path)
    levels = frame_levels(image, path, frame, window_of(arguments))
    if levels.ndim == 2:
        levels = np.repeat(levels[:, :, np.newaxis], 3, axis=2)
    return levels, plane_of(image, functional_groups(image, frame), levels.shape[:2])


def _colors(dataset: Dataset) -> dict[int, tuple[int, int, int]]:
    found = {}
    for segment in dataset.get("SegmentSequence") or []:
        value = segment.get("RecommendedDisplayCIELabValue")
        if value is not None and len(value) == 3:
            color = CIELabColor.from_dicom_value([int(part) for part in value])
            found[int(segment.SegmentNumber)] = color.to_rgb(clip=True)
    return found


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of the mask with a neighbour outside it."""
    inside = mask.copy()
    padded = np.pad(mask, 1)
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        inside &= padded[rows : rows + mask.shape[0], columns : columns + mask.shape[1]]
    return mask & ~inside

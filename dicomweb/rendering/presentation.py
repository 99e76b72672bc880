"""An image as a Grayscale Softcopy Presentation State shows it (PS3.4 N.2; PS3.3 C.11.7).

A state that asks for more than is done here is refused: a picture without the marks that somebody
put on it would mislead.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom import Dataset

from hounsfield.archive.transcoding.decode import Pixels, read_attributes
from hounsfield.archive.transcoding.protocol import Arguments, Refused, Reply
from hounsfield.dicomweb.rendering.graphics import Place, Point, draw_annotations
from hounsfield.dicomweb.rendering.grey import (
    Window,
    modality_values,
    number,
    table_of,
    window_shades,
)
from hounsfield.dicomweb.rendering.lookup import Values
from hounsfield.dicomweb.rendering.picture import finished, stored_pixels

Mask = NDArray[np.bool_]

NOT_DONE = {
    "MaskSubtractionSequence": "mask subtraction",
}
LARGEST_EDGE = 8192
TURNS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def render_presented(arguments: Arguments) -> Reply:
    """Task: a frame of an image with a presentation state."""
    path, frame = arguments["path"], arguments["frame"]
    image, state = read_attributes(path), read_attributes(arguments["state"])
    for keyword, words in NOT_DONE.items():
        if state.get(keyword):
            raise Refused(f"this presentation state has {words}, which are not shown here")
    pixels = stored_pixels(image, path, frame)
    if pixels.ndim != 2:
        raise Refused("a grayscale presentation state is for grey images")
    levels = np.rint(_presented(state, image, frame, pixels)).astype(np.uint8)
    levels[_shuttered(state, pixels.shape)] = _level(state.get("ShutterPresentationValue"))
    picture, place = _turned(Image.fromarray(levels), state, image, frame)
    marks = list(_items_for("GraphicAnnotationSequence", state, image, frame))
    draw_annotations(picture, marks, place)
    return finished(image, frame, np.asarray(picture), arguments)


def _presented(state: Dataset, image: Dataset, frame: int, pixels: Pixels) -> Values:
    """Modality, VOI and presentation transformation, the state's alone (N.2.1)."""
    values = modality_values(state, [], pixels)
    voi = _item_for("SoftcopyVOILUTSequence", state, image, frame)
    if tables := voi.get("VOILUTSequence"):
        table = table_of(state, tables[0], values)
        shades: Values = table.look_up(values) * (255 / (2**table.bits - 1))
    elif number(voi.get("WindowWidth"), 0.0) > 0:
        function = str(voi.get("VOILUTFunction") or "LINEAR")
        window = Window(number(voi.WindowCenter, 0.0), number(voi.WindowWidth, 1.0), function)
        shades = window_shades(values, window)
    else:
        shades = window_shades(values, _whole_range(state, image))
    shades = np.clip(shades, 0, 255)
    if tables := state.get("PresentationLUTSequence"):
        table = table_of(state, tables[0], shades)
        inputs = shades / 255 * (len(table.entries) - 1) + table.first
        shades = np.clip(table.look_up(inputs) * (255 / (2**table.bits - 1)), 0, 255)
    elif state.get("PresentationLUTShape") == "INVERSE":
        shades = 255 - shades
    return shades


def _whole_range(state: Dataset, image: Dataset) -> Window:
    """All values that the pixels can have."""
    bits = int(image.get("BitsStored") or 16)
    low = -(2 ** (bits - 1)) if image.get("PixelRepresentation") else 0
    ends = modality_values(state, [], np.array([low, low + 2**bits - 1], np.int32))
    bottom, top = float(ends.min()), float(ends.max())
    return Window((bottom + top) / 2, max(top - bottom, 1.0), "LINEAR_EXACT")


def _item_for(sequence: str, state: Dataset, image: Dataset, frame: int) -> Dataset:
    """The first item that is for this image, or for all; empty where there is none."""
    return next(_items_for(sequence, state, image, frame), Dataset())


def _items_for(sequence: str, state: Dataset, image: Dataset, frame: int) -> Iterator[Dataset]:
    for item in state.get(sequence) or []:
        named = item.get("ReferencedImageSequence") or []
        if not named or any(_names(each, image, frame) for each in named):
            yield item


def _names(reference: Dataset, image: Dataset, frame: int) -> bool:
    if reference.get("ReferencedSOPInstanceUID") != image.get("SOPInstanceUID"):
        return False
    frames = reference.get("ReferencedFrameNumber")
    return frames in (None, "", frame) or (not isinstance(frames, int) and frame in frames)


def _shuttered(state: Dataset, shape: tuple[int, ...]) -> Mask:
    """What the display shutters hide (C.7.6.11): all that lies outside any of them."""
    hidden = np.zeros(shape, np.bool_)
    for mask in _openings(state, shape):
        hidden |= ~mask
    return hidden


def _openings(state: Dataset, shape: tuple[int, ...]) -> Iterator[Mask]:
    kinds: Any = state.get("ShutterShape") or []
    rows, columns = np.ogrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind == "RECTANGULAR":
            left, right = state.ShutterLeftVerticalEdge, state.ShutterRightVerticalEdge
            top, bottom = state.ShutterUpperHorizontalEdge, state.ShutterLowerHorizontalEdge
            yield (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
        elif kind == "CIRCULAR":
            (row, column), radius = state.CenterOfCircularShutter, state.RadiusOfCircularShutter
            yield (rows - int(row)) ** 2 + (columns - int(column)) ** 2 <= int(radius) ** 2
        elif kind == "POLYGONAL":
            corners = [int(part) - 1 for part in state.VerticesOfThePolygonalShutter]
            mask = Image.new("1", (shape[1], shape[0]))
            points = list(zip(corners[1::2], corners[::2], strict=False))
            ImageDraw.Draw(mask).polygon(points, fill=1)
            yield np.asarray(mask)
        else:
            raise Refused("this presentation state has a shutter that is not shown here")


def _level(value: Any) -> int:
    """A P-value of sixteen bits as a grey level."""
    return (value >> 8) & 255 if isinstance(value, int) else 0


def _turned(
    picture: Image.Image, state: Dataset, image: Dataset, frame: int
) -> tuple[Image.Image, Place]:
    """The displayed area, turned clockwise, then flipped (C.10.4, C.10.6); where points go."""
    area = _item_for("DisplayedAreaSelectionSequence", state, image, frame)
    corners = (
        area.get("DisplayedAreaTopLeftHandCorner"),
        area.get("DisplayedAreaBottomRightHandCorner"),
    )
    box = (0, 0, picture.width, picture.height)
    if all(corners):
        (x1, y1), (x2, y2) = ([int(part) for part in corner] for corner in corners)
        box = (min(x1, x2) - 1, min(y1, y2) - 1, max(x1, x2), max(y1, y2))
        if max(box[2] - box[0], box[3] - box[1]) > LARGEST_EDGE:
            raise Refused("the displayed area of this presentation state is too large")
    turn, flip = int(state.get("ImageRotation") or 0) % 360, state.get("ImageHorizontalFlip") == "Y"
    picture = picture.crop(box)
    width, height = picture.size
    if turn:
        picture = picture.transpose(TURNS[turn])
    if flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    size = picture.size

    def place(point: Point, units: str) -> Point:
        if units == "DISPLAY":
            return point[0] * size[0], point[1] * size[1]
        if units != "PIXEL":
            raise Refused("this presentation state has graphics in units that are not known here")
        x, y = point[0] - box[0], point[1] - box[1]
        turns = {0: (x, y), 90: (height - y, x), 180: (width - x, height - y), 270: (y, width - x)}
        x, y = turns[turn]
        return (size[0] - x if flip else x) - 0.5, y - 0.5

    return picture, place

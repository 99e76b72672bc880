"""Graphic annotations of a presentation state (PS3.3 C.10.5), drawn white with a dark edge."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from pydicom import Dataset

from hounsfield.archive.transcoding.protocol import Refused
from hounsfield.dicomweb.rendering.annotation import write

Point = tuple[float, float]
Place = Callable[[Point, str], Point]
"""Where a point is on the picture: from the image's pixels, or from the displayed area."""

AROUND = np.linspace(0, 2 * np.pi, 65)
CROSS = 4
MOST_POINTS = 20_000
WHITE, DARK = 255, 0


def draw_annotations(picture: Image.Image, items: list[Dataset], place: Place) -> None:
    """All graphic and text objects of the items. Raises Refused for a kind that is not known."""
    draw = ImageDraw.Draw(picture)
    for item in items:
        if item.get("CompoundGraphicSequence"):
            raise Refused("this presentation state has compound graphics, which are not shown here")
        for graphic in item.get("GraphicObjectSequence") or []:
            units = str(graphic.get("GraphicAnnotationUnits"))
            points = [place(point, units) for point in _line(graphic)]
            for line in _cross(points) if len(points) == 1 else [points]:
                _draw_line(draw, line, graphic)
        for text in item.get("TextObjectSequence") or []:
            write(picture, _anchor(text, place), str(text.get("UnformattedTextValue") or ""))


def _draw_line(draw: ImageDraw.ImageDraw, points: list[Point], graphic: Dataset) -> None:
    if graphic.get("GraphicFilled") == "Y" and len(points) > 2:
        draw.polygon(points, fill=WHITE)
    draw.line(points, fill=DARK, width=3)
    draw.line(points, fill=WHITE, width=1)


def _line(graphic: Dataset) -> list[Point]:
    """The object as one line; a curve is made of short ones (C.10.5.1.2)."""
    numbers = [float(part) for part in graphic.get("GraphicData") or []][: 2 * MOST_POINTS]
    points = list(zip(numbers[::2], numbers[1::2], strict=False))
    kind = graphic.get("GraphicType")
    if kind in {"POLYLINE", "INTERPOLATED"} and len(points) > 1:
        return points
    if kind == "POINT" and points:
        return points[:1]
    if kind == "CIRCLE" and len(points) == 2:
        center, rim = np.array(points)
        radius = float(np.hypot(*(rim - center)))
        return _ellipse(center, np.array([radius, 0.0]), np.array([0.0, radius]))
    if kind == "ELLIPSE" and len(points) == 4:
        ends = np.array(points)
        return _ellipse(ends.mean(0), (ends[1] - ends[0]) / 2, (ends[3] - ends[2]) / 2)
    raise Refused("this presentation state has a graphic that is not shown here")


def _cross(points: list[Point]) -> list[list[Point]]:
    ((x, y),) = points
    return [[(x - CROSS, y), (x + CROSS, y)], [(x, y - CROSS), (x, y + CROSS)]]


def _ellipse(center: Any, major: Any, minor: Any) -> list[Point]:
    curve = center + np.outer(np.cos(AROUND), major) + np.outer(np.sin(AROUND), minor)
    return [(float(x), float(y)) for x, y in curve]


def _anchor(text: Dataset, place: Place) -> Point:
    """The upper left corner of the text's box on the picture, else its anchor."""
    corners = (
        text.get("BoundingBoxTopLeftHandCorner"),
        text.get("BoundingBoxBottomRightHandCorner"),
    )
    if all(corners):
        units = str(text.get("BoundingBoxAnnotationUnits"))
        placed = [place((float(corner[0]), float(corner[1])), units) for corner in corners]
        return min(x for x, _ in placed), min(y for _, y in placed)
    if not (anchor := text.get("AnchorPoint")):
        raise Refused("this presentation state has a text without a place")
    return place((float(anchor[0]), float(anchor[1])), str(text.get("AnchorPointAnnotationUnits")))

"""Frames of an animated GIF, one after the other: no more than one is held at a time."""

from PIL import Image
from PIL.GifImagePlugin import getdata, getheader
from pydicom import Dataset

from hounsfield.dicomweb.rendering.grey import number

USUAL_MS, SHORTEST_MS, LONGEST_MS = 100, 20, 10_000


def gif_frame(picture: Image.Image, milliseconds: int, *, first: bool) -> bytes:
    """The frame as it stands in the stream, behind the header where it is the first.

    Each colour frame brings its own colours; the end of the stream is ``;``.
    """
    colored = picture.mode != "L"
    if colored:
        picture = picture.quantize(256)
    pieces: list[bytes] = []
    if first:
        pieces += getheader(picture.copy(), info={"loop": 0, "duration": milliseconds})[0]
    pieces += getdata(picture, duration=milliseconds, include_color_table=colored)
    return b"".join(pieces)


def frame_milliseconds(dataset: Dataset) -> int:
    """How long a frame is shown (PS3.3 C.7.6.5)."""
    duration = number(dataset.get("FrameTime"), 0.0)
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        if (rate := number(dataset.get(keyword), 0.0)) > 0:
            duration = 1000 / rate
            break
    return round(min(max(duration, SHORTEST_MS), LONGEST_MS)) if duration > 0 else USUAL_MS

"""Words about the patient and the technique, burned into a picture (PS3.18 8.3.5.1.1)."""

import unicodedata
from contextlib import suppress
from functools import lru_cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.multival import MultiValue

from hounsfield.dicomweb.rendering.grey import from_groups, functional_groups

LONGEST_LINE, LINES_ACROSS, SMALLEST, LARGEST = 64, 32, 9, 40
EDGE, LONGEST_TEXT = 4, 1024
NO_LETTER = "\uffff"
FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "arial.ttf")
PATIENT = (
    ("", "PatientName"),
    ("ID", "PatientID"),
    ("born", "PatientBirthDate"),
    ("", "PatientSex"),
    ("", "PatientAge"),
)
TECHNIQUE = (
    ("", "Modality"),
    ("", "StudyDate"),
    ("", "StudyDescription"),
    ("", "SeriesDescription"),
    ("series", "SeriesNumber"),
    ("image", "InstanceNumber"),
    ("position", "ImagePositionPatient"),
    ("thickness", "SliceThickness"),
    ("kV", "KVP"),
    ("mAs", "Exposure"),
    ("TR", "RepetitionTime"),
    ("TE", "EchoTime"),
)


def annotate(picture: Image.Image, dataset: Dataset, frame: int, asked: list[str]) -> None:
    """Write what was asked for: the patient above, the technique below."""
    if "patient" in asked:
        _write(picture, _lines(dataset, PATIENT), below=False)
    if "technique" in asked:
        lines = _lines(_of_frame(dataset, frame), TECHNIQUE)
        count = dataset.get("NumberOfFrames")
        if isinstance(count, int) and count > 1:
            lines.append(f"frame {frame} of {count}")
        _write(picture, lines, below=True)


def _of_frame(dataset: Dataset, frame: int) -> Dataset:
    """The attributes with the place of the frame where its functional groups tell it."""
    groups = functional_groups(dataset, frame)
    place = from_groups(groups, "PlanePositionSequence")
    if "ImagePositionPatient" not in place:
        return dataset
    found = Dataset()
    for _, keyword in TECHNIQUE:
        if keyword in dataset:
            setattr(found, keyword, dataset.get(keyword))
    found.ImagePositionPatient = place.ImagePositionPatient
    return found


def _lines(dataset: Dataset, attributes: tuple[tuple[str, str], ...]) -> list[str]:
    said = ((label, _text(dataset.get(keyword))) for label, keyword in attributes)
    return [f"{label} {text}".strip() for label, text in said if text]


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, MultiValue) else str(value)
    text = text.partition("=")[0].replace("^", " ").strip()[:LONGEST_LINE]
    return "".join(_drawn(letter) for letter in text)


def _write(picture: Image.Image, lines: list[str], *, below: bool) -> None:
    place = (EDGE, picture.height - EDGE) if below else (EDGE, EDGE)
    _draw_text(picture, place, "\n".join(lines), "ld" if below else "la")


def write(picture: Image.Image, place: tuple[float, float], text: str) -> None:
    """A few lines of text, from ``place`` on to the right and down."""
    lines = text[:LONGEST_TEXT].splitlines()
    drawn = "\n".join("".join(_drawn(letter) for letter in line) for line in lines)
    _draw_text(picture, place, drawn, "la")


def _draw_text(picture: Image.Image, place: tuple[float, float], text: str, anchor: str) -> None:
    size = max(SMALLEST, min(LARGEST, min(picture.size) // LINES_ACROSS))
    grey = picture.mode == "L"
    ImageDraw.Draw(picture).multiline_text(
        place,
        text,
        fill=255 if grey else (255, 255, 255),
        stroke_fill=0 if grey else (0, 0, 0),
        stroke_width=max(1, size // 8),
        font=_font(size),
        anchor=anchor,
    )


@lru_cache(4096)
def _drawn(letter: str) -> str:
    """The letter where the font has a shape for it; without its accent, or "?", where not."""
    plain = unicodedata.normalize("NFKD", letter)[:1]
    found = (each for each in (letter, plain) if each == " " or _has_shape(each))
    return next(found, "?")


def _has_shape(letter: str) -> bool:
    shape = _font(20).getmask
    return letter.isprintable() and bytes(shape(letter)) != bytes(shape(NO_LETTER))


@lru_cache(LARGEST)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font of the system with many scripts; else Pillow's own, which has Latin letters."""
    for name in FONTS:
        with suppress(OSError):
            return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)

"""A structured report that can be read: its numbers, and every content item as a line.

It reads the DICOM JSON that is kept with the instance, so that nothing is parsed a second time.
Groups of measurements are those of PS3.16 TID 1410, 1411 and 1501.
"""

from dataclasses import dataclass, field

import orjson

from hounsfield.archive.content_items import (
    Item,
    children,
    concept,
    concept_code,
    number,
    text,
    value,
    value_type,
)
from hounsfield.archive.errors import CannotUnderstand, TooLarge
from hounsfield.archive.metadata import BASE_URL

MOST_LINES = 20_000
DEEPEST = 64

COMPLETION_FLAG = "0040A491"
VERIFICATION_FLAG = "0040A493"
CONTENT_DATE = "00080023"
CONTENT_TIME = "00080033"
MANUFACTURER = "00080070"
MODEL_NAME = "00081090"

MEASUREMENT_METHODS = {"370129005", "G-C036"}
DEVICE_NAME = "121013"
TRACKING_IDENTIFIER = "112039"
FINDING = "121071"
MEASUREMENT_GROUP = "125007"
IMAGE_LIBRARY = "111028"
DERIVATION = "121401"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A numeric value with what it is of."""

    group: str
    name: str
    value: float | None
    unit: str
    method: str
    tracking_identifier: str


@dataclass(frozen=True, slots=True)
class Line:
    """One content item."""

    depth: int
    concept: str
    value: str


@dataclass
class StructuredReport:
    """A report to be read."""

    title: str
    completion_flag: str
    verification_flag: str
    content_date: str
    content_time: str
    device: str = ""
    measurements: list[Measurement] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Group:
    """What the measurements below a container are of."""

    name: str = ""
    tracking_identifier: str = ""
    of_images: bool = False
    """Numbers of the image library describe the images, not the patient (TID 1600)."""


def read_report(metadata: bytes) -> StructuredReport:
    """The report in an instance's DICOM JSON, as it is kept or as it is sent.

    Raises CannotUnderstand where there is none, and TooLarge for one that nobody could read.
    """
    try:
        root: Item = orjson.loads(metadata.replace(BASE_URL, b""))
    except orjson.JSONDecodeError as error:
        raise CannotUnderstand("the report is nested too deeply to be read") from error
    if not value_type(root):
        raise CannotUnderstand("this instance holds no report")
    report = StructuredReport(
        title=concept(root),
        completion_flag=text(root, COMPLETION_FLAG),
        verification_flag=text(root, VERIFICATION_FLAG),
        content_date=text(root, CONTENT_DATE),
        content_time=text(root, CONTENT_TIME),
    )
    _add(report, root, 0, _Group())
    if not report.device:
        report.device = f"{text(root, MANUFACTURER)} {text(root, MODEL_NAME)}".strip()
    return report


def _add(report: StructuredReport, item: Item, depth: int, group: _Group) -> None:
    """This item's line, and those of all that is below it."""
    if depth > DEEPEST or len(report.lines) >= MOST_LINES:
        raise TooLarge("the report has too many lines, or they are nested too deeply")
    kind = value_type(item)
    report.lines.append(Line(depth, concept(item), value(item)))
    if kind == "CONTAINER":
        group = _group(item, group)
    elif kind == "NUM" and not group.of_images:
        report.measurements.append(_measurement(item, group))
    elif concept_code(item) == DEVICE_NAME:
        report.device = report.device or value(item)
    for child in children(item):
        _add(report, child, depth + 1, group)


def _group(container: Item, around: _Group) -> _Group:
    """A group is called after its finding, or as it is tracked; what lies in it takes its name."""
    tracking = _said(container, {TRACKING_IDENTIFIER})
    name = _said(container, {FINDING}) or tracking
    if not name and concept_code(container) == MEASUREMENT_GROUP:
        name = concept(container)
    return _Group(
        name or around.name,
        tracking or around.tracking_identifier,
        around.of_images or concept_code(container) == IMAGE_LIBRARY,
    )


def _measurement(item: Item, group: _Group) -> Measurement:
    found, unit = number(item)
    derivation = _said(item, {DERIVATION})
    return Measurement(
        group=group.name,
        name=f"{concept(item)} ({derivation})" if derivation else concept(item),
        value=found,
        unit=unit,
        method=_said(item, MEASUREMENT_METHODS),
        tracking_identifier=group.tracking_identifier,
    )


def _said(item: Item, codes: set[str]) -> str:
    """What the first item right below this one with such a name says."""
    found = (value(child) for child in children(item) if concept_code(child) in codes)
    return next(found, "")

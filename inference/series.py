"""What the kept metadata (PS3.18 Annex F) say of a series: attributes for rules, and geometry.

Read while a decision is made, so without opening a single object: the DICOM JSON made at ingest
holds all that is asked here.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from pydicom.datadict import tag_for_keyword

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.archive.metadata import BASE_URL, expand
from hounsfield.inference.geometry import Plane, as_stack

Members = dict[str, Any]

KEYWORDS = (
    "AcquisitionContrast",
    "BodyPartExamined",
    "EchoTime",
    "ImageType",
    "InversionTime",
    "Modality",
    "ProtocolName",
    "RepetitionTime",
    "RequestedProcedureDescription",
    "ScanningSequence",
    "SequenceName",
    "SeriesDescription",
    "StudyDescription",
)


def _tag(keyword: str) -> str:
    return f"{tag_for_keyword(keyword):08X}"


_TAGS = {keyword: _tag(keyword) for keyword in KEYWORDS}
_POSITION, _ORIENTATION = _tag("ImagePositionPatient"), _tag("ImageOrientationPatient")
_SPACING, _ROWS, _COLUMNS = _tag("PixelSpacing"), _tag("Rows"), _tag("Columns")
_FRAMES = _tag("PerFrameFunctionalGroupsSequence")


def parse(kept: bytes) -> Members:
    """One instance's metadata."""
    members: Members = orjson.loads(expand(kept).replace(BASE_URL, b""))
    return members


def attributes_of(members: Members) -> dict[str, tuple[str, ...]]:
    """Values by keyword, as text, of what rules ask for; empty ones are left out."""
    found = {}
    for keyword, tag in _TAGS.items():
        values = members.get(tag, {}).get("Value", ())
        if texts := tuple(str(value) for value in values if value not in (None, "")):
            found[keyword] = texts
    return found


def check_geometry(instances: Sequence[Members], minimum_slices: int) -> None:
    """Raise CannotAnalyse where the images do not make one volume, MissingSlices for a hole.

    Images with functional groups are left to the run, which reads them whole.
    """
    if any(_FRAMES in members for members in instances):
        return
    as_stack([_plane(members) for members in instances], minimum_slices)


def _plane(members: Members) -> Plane:
    return Plane(
        position=_numbers(members, _POSITION, 3),
        orientation=_numbers(members, _ORIENTATION, 6),
        pixel_spacing=_numbers(members, _SPACING, 2),
        rows=int(_numbers(members, _ROWS, 1)[0]),
        columns=int(_numbers(members, _COLUMNS, 1)[0]),
    )


def _numbers(members: Members, tag: str, count: int) -> tuple[float, ...]:
    values = members.get(tag, {}).get("Value", ())
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != count:
        raise CannotAnalyse(
            "The images do not say where in the patient they lie (no position, orientation or "
            "pixel spacing)."
        )
    return numbers

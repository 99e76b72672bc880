"""What each kind of resource is, by the end of its path.

The one source of the capabilities document and of the table in CONFORMANCE.md. A resource answers
a GET in the media types that stand here, and in no other: a test asks the running service.
"""

from typing import NamedTuple

from hounsfield.dicomweb.media_types import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    JSON,
    MULTIPART,
    OCTET_STREAM,
    ZIP,
)
from hounsfield.dicomweb.renditions import DOCUMENTS, PICTURES, REPORTS
from hounsfield.dicomweb.transfer_syntaxes import FRAME_TYPES

WADL = "application/vnd.sun.wadl+xml"


def _multipart(*types: str) -> tuple[str, ...]:
    return tuple(f'{MULTIPART}; type="{name}"' for name in types)


TEXT = (DICOM_JSON, JSON, *_multipart(DICOM_XML))
OBJECTS = (*_multipart(DICOM), DICOM, ZIP)
FRAMES = (OCTET_STREAM, *sorted(set(FRAME_TYPES.values()), key=str.lower))
VIDEOS = tuple(name for name in FRAMES if name.startswith("video/"))
RENDITIONS = (*PICTURES, *VIDEOS, *REPORTS, *DOCUMENTS.values())
SEARCH = ("limit", "offset", "fuzzymatching", "includefield")
RENDER = ("window", "viewport", "quality", "annotation", "iccprofile")
URI = (
    "requestType", "studyUID", "seriesUID", "objectUID", "contentType", "transferSyntax",
    "frameNumber", "rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality",
    "annotation", "presentationUID", "presentationSeriesUID",
)  # fmt: skip

STORED = (*_multipart(DICOM, DICOM_JSON, DICOM_XML), DICOM)
"""What a POST takes."""
STORE_ANSWERS = (DICOM_JSON, JSON)


class Kind(NamedTuple):
    """What a GET answers with, the default first, and its query parameters beside ``accept``."""

    sections: str
    """Of PS3.18."""
    media_types: tuple[str, ...]
    parameters: tuple[str, ...] = ()


KINDS = {
    "studies": Kind("10.5, 10.6", TEXT, SEARCH),
    "series": Kind("10.6", TEXT, SEARCH),
    "instances": Kind("10.6", TEXT, SEARCH),
    "{study}": Kind("10.4.1.1.1, 10.5", OBJECTS),
    "{series}": Kind("10.4.1.1.1", OBJECTS),
    "{instance}": Kind("10.4.1.1.1", OBJECTS),
    "metadata": Kind("10.4.1.1.2", TEXT, ("charset",)),
    "{frames}": Kind("10.4.1.1.6", (*_multipart(*FRAMES), *FRAMES)),
    "bulkdata": Kind("10.4.1.1.5", _multipart(OCTET_STREAM)),
    "pixeldata": Kind("10.4.1.1.5", _multipart(*FRAMES)),
    "{path}": Kind("10.4.1.1.5", (*FRAMES, *_multipart(*FRAMES))),
    "rendered": Kind("10.4.1.1.3", (*RENDITIONS, *_multipart(*RENDITIONS)), RENDER),
    "{frames}/rendered": Kind(
        "10.4.1.1.3", (*PICTURES, *VIDEOS, *_multipart(*PICTURES, *VIDEOS)), RENDER
    ),
    "thumbnail": Kind("10.4.1.1.4", PICTURES, ("viewport",)),
    "wado": Kind("9", (DICOM, *PICTURES), URI),
}
"""In the order of CONFORMANCE.md."""


def end_of(path: str) -> str:
    """The key of a route's path: its last part, or its last two."""
    parts = path.replace(":path}", "}").split("/")
    two = "/".join(parts[-2:])
    return two if two in KINDS else parts[-1]

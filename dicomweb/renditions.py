"""What an instance can be rendered as (PS3.18 8.7.4), and which of it a client takes."""

from typing import NamedTuple

from starlette.requests import HTTPConnection

from hounsfield.archive.retrieve import StoredInstance
from hounsfield.dicomweb.catalog import Known
from hounsfield.dicomweb.frames import parse_frame_list
from hounsfield.dicomweb.media_types import accepted
from hounsfield.dicomweb.problems import NotAcceptable
from hounsfield.dicomweb.resource import DicomWebRequest
from hounsfield.dicomweb.transfer_syntaxes import FRAME_TYPES

PICTURES = ("image/jpeg", "image/png", "image/gif", "image/jp2")
REPORTS = ("text/html", "text/plain")
GIF, JP2 = "image/gif", "image/jp2"
PDF, XML = "application/pdf", "text/xml"

SEGMENTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
PRESENTATION_STATES = frozenset({"1.2.840.10008.5.1.4.1.1.11.1"})
PAINTED_OVER = SEGMENTATIONS | PRESENTATION_STATES
"""Whose picture is made of other instances too."""
STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
DOCUMENTS = {"1.2.840.10008.5.1.4.1.1.104.1": PDF, "1.2.840.10008.5.1.4.1.1.104.2": XML}


class Rendition(NamedTuple):
    """An instance, or frames of it, as a media type."""

    instance: StoredInstance
    frames: tuple[int, ...]
    """Empty for the instance as a whole; of a presentation state the images that it is for."""
    media_type: str

    @property
    def location(self) -> str:
        """Its resource, below the service's root."""
        one = self.instance
        frames = f"/frames/{','.join(map(str, self.frames))}"
        frames = frames if self.frames and one.frame_table is not None else ""
        return (
            f"/studies/{one.study_instance_uid}/series/{one.series_instance_uid}"
            f"/instances/{one.sop_instance_uid}{frames}/rendered"
        )


class Chosen(NamedTuple):
    """A media type, and whether the client asked for it as a part of a multipart."""

    media_type: str
    in_multipart: bool


def offers(instance: StoredInstance) -> tuple[str, ...]:
    """The media types of an instance, the default first; none where it cannot be rendered."""
    frames = instance.frames
    if frames is not None:
        is_video = frames.transform == "video"
        return (FRAME_TYPES[instance.transfer_syntax_uid],) if is_video else PICTURES
    if instance.sop_class_uid in PRESENTATION_STATES:
        return PICTURES
    if instance.sop_class_uid in DOCUMENTS:
        return (DOCUMENTS[instance.sop_class_uid],)
    return REPORTS if instance.sop_class_uid.startswith(STRUCTURED_REPORTS) else ()


def choose_rendition(request: HTTPConnection, offered: tuple[str, ...]) -> Chosen | None:
    """The offer that the client likes best; None where it takes none of them."""
    for entry in accepted(request):
        for offer in offered:
            if entry.covers(offer):
                return Chosen(offer, in_multipart=False)
            if entry.covers_multipart(offer):
                return Chosen(offer, in_multipart=True)
    return None


def refusal(offered: tuple[str, ...]) -> NotAcceptable:
    """Why there is no rendition, in a sentence."""
    if not offered:
        return NotAcceptable("objects of this SOP class cannot be rendered; retrieve the instance")
    return NotAcceptable(f"this resource is rendered as {' or '.join(offered)}")


def frames_of(request: DicomWebRequest, found: StoredInstance) -> tuple[int, ...]:
    """The frames of the path; none where it names none. Raises NotAcceptable, NotFound."""
    if "frames" not in request.path_params:
        return ()
    known = Known(found, 0)
    if not known.has_pixels:
        raise NotAcceptable("this instance holds no image that could be rendered")
    numbers = parse_frame_list(request.path_params["frames"], known.frames.number_of_frames)
    return tuple(numbers)


def rank_of(one: StoredInstance) -> tuple[int, str]:
    """By instance number (0020,0013)."""
    try:
        return int(one.instance_number), one.sop_instance_uid
    except ValueError:
        return 0, one.sop_instance_uid

"""What is sent of a DICOM object or of its frames, in which container and transfer syntax.

PS3.18 8.7.3: a media type that is asked for without a transfer syntax means Explicit VR Little
Endian; ``*`` means as stored; and so does a wildcard media type, which excludes nothing. Where
the default would need a decoder that does not exist, the stored syntax is sent and named.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from hounsfield.dicomweb.media_types import DICOM, OCTET_STREAM, MediaType
from hounsfield.dicomweb.problems import NotAcceptable
from hounsfield.dicomweb.transfer_syntaxes import (
    DECODABLE,
    EXPLICIT_LITTLE,
    FRAME_TYPES,
    NATIVE,
    NEVER_SENT,
)


class Making(Enum):
    """What has to be done to the stored bytes."""

    AS_STORED = "as stored"
    REWRITTEN = "another encoding of the data set, the same pixels"
    DECODED = "pixels decoded"


class Stored(Protocol):
    """What the choice needs to know of an instance."""

    @property
    def transfer_syntax_uid(self) -> str:
        """As stored."""

    @property
    def has_pixels(self) -> bool:
        """False for a report or a plan."""

    @property
    def has_file_meta(self) -> bool:
        """False for a bare data set, which is no PS3.10 file as it stands."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One object or frame as it goes out."""

    making: Making
    transfer_syntax: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer to an Accept header: one :class:`Sent` for each object."""

    multipart: bool
    objects: tuple[Sent, ...]


Maker = Callable[[MediaType, str, Stored], Sent | None]


def choose_objects(accept: Iterable[MediaType], objects: Sequence[Stored]) -> Choice:
    """How whole instances are sent. Raises NotAcceptable."""
    return _choose(accept, objects, _object, DICOM)


def choose_frames(accept: Iterable[MediaType], stored: Stored, count: int) -> Choice:
    """How ``count`` frames of one instance are sent. Raises NotAcceptable."""
    choice = _choose(accept, [stored], _frame, OCTET_STREAM, parts=count)
    return Choice(choice.multipart, choice.objects * count)


def _choose(
    accept: Iterable[MediaType],
    objects: Sequence[Stored],
    maker: Maker,
    usual: str,
    parts: int | None = None,
) -> Choice:
    single = (len(objects) if parts is None else parts) == 1
    for entry in accept:
        in_multipart = entry.covers("multipart/related")
        pattern = entry.root if in_multipart else entry.name
        made = [maker(entry, pattern, stored) for stored in objects]
        sent = tuple(one for one in made if one is not None)
        if len(sent) == len(objects) and (in_multipart or single or usual == DICOM):
            return Choice(in_multipart or not single, sent)
    raise NotAcceptable(f"none of the accepted media types and transfer syntaxes fits ({usual})")


def _object(entry: MediaType, pattern: str, stored: Stored) -> Sent | None:
    if not MediaType(pattern).covers(DICOM):
        return None
    syntax = stored.transfer_syntax_uid
    asked = entry.transfer_syntax or (EXPLICIT_LITTLE if pattern == DICOM else "*")
    as_stored = (
        Sent(Making.REWRITTEN, EXPLICIT_LITTLE, DICOM)
        if syntax in NEVER_SENT or not stored.has_file_meta
        else Sent(Making.AS_STORED, syntax, DICOM)
    )
    if asked in {"*", as_stored.transfer_syntax}:
        return as_stored
    if asked != EXPLICIT_LITTLE:
        return None
    if syntax in NATIVE or not stored.has_pixels:
        return Sent(Making.REWRITTEN, EXPLICIT_LITTLE, DICOM)
    if syntax in DECODABLE:
        return Sent(Making.DECODED, EXPLICIT_LITTLE, DICOM)
    return None if entry.transfer_syntax else as_stored


def _frame(entry: MediaType, pattern: str, stored: Stored) -> Sent | None:
    native = stored.transfer_syntax_uid in NATIVE
    syntax = EXPLICIT_LITTLE if native else stored.transfer_syntax_uid
    asked = entry.transfer_syntax or (EXPLICIT_LITTLE if pattern == OCTET_STREAM else "*")
    if not MediaType(pattern).covers(OCTET_STREAM):
        image = FRAME_TYPES.get(syntax)
        if image is None or not MediaType(pattern).covers(image.lower()):
            return None
        return Sent(Making.AS_STORED, syntax, image) if asked in {"*", syntax} else None
    as_stored = Sent(Making.AS_STORED, syntax, OCTET_STREAM)
    if asked in {"*", syntax}:
        return as_stored
    if asked != EXPLICIT_LITTLE:
        return None
    if syntax in DECODABLE:
        return Sent(Making.DECODED, EXPLICIT_LITTLE, OCTET_STREAM)
    return None if entry.transfer_syntax else as_stored

"""What is sent of a DICOM object or of its frames, in which container and transfer syntax.

PS3.18 8.7.3: a media type that is asked for without a transfer syntax means Explicit VR Little
Endian; ``*`` means as stored; and so does a wildcard media type, which excludes nothing. Where
the default would need a decoder that does not exist, the stored syntax is sent and named. A named
syntax other than these is encoded where the image fits it.

Of several instances each is sent in the best way that the client accepts for it; what it accepts
in no way is left out, and the answer says so (206, 10.4.3.1).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from hounsfield.archive.file_meta import EXPLICIT_LITTLE
from hounsfield.archive.transcoding.syntaxes import DECODABLE, NATIVE
from hounsfield.dicomweb.encodings import Image
from hounsfield.dicomweb.media_types import DICOM, OCTET_STREAM, MediaType
from hounsfield.dicomweb.problems import NotAcceptable
from hounsfield.dicomweb.transfer_syntaxes import FRAME_TYPES, IMAGE_DEFAULTS, NEVER_SENT

CODECS = "1"
"""Version of what decoders and encoders make; part of every entity tag."""


class Making(Enum):
    """What has to be done to the stored bytes."""

    AS_STORED = "as stored"
    REWRITTEN = "another encoding of the data set, the same pixels"
    DECODED = "pixels decoded"
    ENCODED = "pixels encoded anew"

    @property
    def needs_worker(self) -> bool:
        """False where the stored bytes go out as they are."""
        return self is not Making.AS_STORED


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

    @property
    def image(self) -> Image | None:
        """What decides on an encoding; None where nobody has asked for one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One object or frame as it goes out."""

    making: Making
    transfer_syntax: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer to an Accept header: one :class:`Sent` for each object, None for one left out."""

    multipart: bool
    objects: tuple[Sent | None, ...]

    @property
    def left_out(self) -> int:
        """How many objects the client accepts in no way."""
        return self.objects.count(None)


@dataclass(frozen=True, slots=True)
class FrameChoice:
    """The same for frames, which all go out in one way."""

    multipart: bool
    sent: Sent


Maker = Callable[[MediaType, str, Stored], Sent | None]


def choose_objects(accept: Sequence[MediaType], objects: Sequence[Stored]) -> Choice:
    """How whole instances are sent. Raises NotAcceptable where none of them can be."""
    return _choose(accept, objects, _object, DICOM)


def choose_frames(accept: Sequence[MediaType], stored: Stored, count: int) -> FrameChoice:
    """How ``count`` frames of one instance are sent. Raises NotAcceptable."""
    choice = _choose(accept, [stored], _frame, OCTET_STREAM, parts=count)
    (sent,) = (one for one in choice.objects if one is not None)
    return FrameChoice(choice.multipart, sent)


def _choose(
    accept: Sequence[MediaType],
    objects: Sequence[Stored],
    maker: Maker,
    usual: str,
    parts: int | None = None,
) -> Choice:
    single = (len(objects) if parts is None else parts) == 1
    for index, entry in enumerate(accept):
        multipart = entry.covers("multipart/related")
        if not (multipart or single or usual == DICOM):
            continue
        alike = [one for one in accept[index:] if one.covers("multipart/related") == multipart]
        made = tuple(_best(alike, maker, stored) for stored in objects)
        if any(made):
            return Choice(multipart or not single, made)
    raise NotAcceptable(f"none of the accepted media types and transfer syntaxes fits ({usual})")


def _best(entries: Sequence[MediaType], maker: Maker, stored: Stored) -> Sent | None:
    for entry in entries:
        pattern = entry.root if entry.covers("multipart/related") else entry.name
        sent = maker(entry, pattern, stored)
        if sent is not None:
            return sent
    return None


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
        return _encoded(stored, asked, DICOM)
    if syntax in NATIVE or not stored.has_pixels:
        return Sent(Making.REWRITTEN, EXPLICIT_LITTLE, DICOM)
    if syntax in DECODABLE:
        return Sent(Making.DECODED, EXPLICIT_LITTLE, DICOM)
    return None if entry.transfer_syntax else as_stored


def _frame(entry: MediaType, pattern: str, stored: Stored) -> Sent | None:
    native = stored.transfer_syntax_uid in NATIVE
    syntax = EXPLICIT_LITTLE if native else stored.transfer_syntax_uid
    if not MediaType(pattern).covers(OCTET_STREAM):
        return _picture(entry, pattern, stored, syntax)
    asked = entry.transfer_syntax or (EXPLICIT_LITTLE if pattern == OCTET_STREAM else "*")
    as_stored = Sent(Making.AS_STORED, syntax, OCTET_STREAM)
    if asked in {"*", syntax}:
        return as_stored
    if asked != EXPLICIT_LITTLE:
        return _encoded(stored, asked, OCTET_STREAM)
    if syntax in DECODABLE:
        return Sent(Making.DECODED, EXPLICIT_LITTLE, OCTET_STREAM)
    return None if entry.transfer_syntax else as_stored


def _picture(entry: MediaType, pattern: str, stored: Stored, syntax: str) -> Sent | None:
    """A frame under its image type: as stored where that is one of this type, else encoded."""
    image = FRAME_TYPES.get(syntax)
    of_this_type = image is not None and MediaType(pattern).covers(image.lower())
    if image and of_this_type and entry.transfer_syntax in {None, "*", syntax}:
        return Sent(Making.AS_STORED, syntax, image)
    asked = entry.transfer_syntax or IMAGE_DEFAULTS.get(pattern, "")
    image = FRAME_TYPES.get(asked)
    if image is None or not MediaType(pattern).covers(image.lower()):
        return None
    return _encoded(stored, asked, image)


def _encoded(stored: Stored, asked: str, media_type: str) -> Sent | None:
    source = stored.transfer_syntax_uid
    decodable = stored.has_pixels and (source in NATIVE or source in DECODABLE)
    if not decodable or stored.image is None or not stored.image.fits(asked):
        return None
    return Sent(Making.ENCODED, asked, media_type)

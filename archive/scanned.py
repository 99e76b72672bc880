"""What reading a data set yields, and the limits under which it is read."""

from array import array
from dataclasses import dataclass, field

from hounsfield.archive.dicom_json import Members
from hounsfield.archive.errors import CannotUnderstand

UNDEFINED = 0xFFFFFFFF
MIB = 1024 * 1024


class Unusual(Exception):
    """The scanner does not know this; the tolerant reader shall have a try."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one object may cost to read; none of them binds on real objects."""

    depth: int = 64
    elements: int = 1_000_000
    inline_bytes: int = 64 * MIB
    """Of all values that are converted: what is large and binary is stepped over."""
    fragments: int = 4_000_000
    values_memory: int = 384 * MIB
    """Roughly what the values of long elements may take, once they are objects of Python."""
    inflated_ratio: int = 200
    inflated_bytes: int = 1024 * MIB
    inflated_always: int = 32 * MIB
    """So much may be inflated whatever the ratio: an empty segmentation shrinks a thousandfold."""


DEFAULT_LIMITS = Limits()


@dataclass(slots=True)
class Fragments:
    """Encapsulated pixel data (PS3.5 A.4): its items, of which no byte of value was read."""

    first_item: int
    """Offset of the first item's tag after the Basic Offset Table."""
    lengths: "array[int]"
    table: tuple[int, int] = (0, 0)
    """Offset and length of the Basic Offset Table's value."""
    end: int = 0
    closed: bool = True
    """The sequence delimitation item is there."""


@dataclass(slots=True)
class PixelElement:
    """The pixel data of the top level data set."""

    tag: int
    vr: str
    start: int
    length: int
    fragments: Fragments | None = None


@dataclass(slots=True)
class BulkEntry:
    """A value that is not in the metadata: where it lies in the object."""

    start: int
    length: int
    vr: str
    transform: str


@dataclass(slots=True)
class Scanned:
    """A whole data set: its DICOM JSON members and where its large values lie."""

    members: Members = field(default_factory=dict)
    bulk: dict[str, BulkEntry] = field(default_factory=dict)
    pixels: PixelElement | None = None
    offset_tables: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Extended Offset Table (7FE0,0001) and its lengths (7FE0,0002)."""
    warnings: list[str] = field(default_factory=list)
    character_set: tuple[str, ...] = ()
    """(0008,0005) of the top level as it was sent."""


def tag_text(tag: int) -> str:
    """A tag as the standard writes it."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def beyond_end(tag: int, length: int) -> CannotUnderstand:
    """The error for a value that is longer than what holds it."""
    return CannotUnderstand(
        f"element {tag_text(tag)} of {length} bytes ends beyond the data: cut short or damaged",
        offending_tags=(tag,),
    )

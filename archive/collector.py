"""Takes elements as an engine finds them and places each: inline, by URI, or later.

Both engines place through here, so that only the walk over the encoding is theirs.
"""

from dataclasses import dataclass

from hounsfield.archive.charset import Decode, decode_default, decoder
from hounsfield.archive.dicom_json import KEYS, Members, bulk_element, values_of
from hounsfield.archive.encoding import Encoding
from hounsfield.archive.errors import TooLarge
from hounsfield.archive.scanned import (
    BulkEntry,
    Fragments,
    Limits,
    PixelElement,
    Scanned,
)
from hounsfield.archive.vr import (
    AMBIGUOUS,
    KINDS,
    SHORT_BYTES,
    UNITS,
    Kind,
    resolve,
)

CHARACTER_SET = 0x00080005
PIXEL_DATA = (0x7FE00010, 0x7FE00008, 0x7FE00009)
OFFSET_TABLES = (0x7FE00001, 0x7FE00002)
PIXEL_GROUP = 0x7FE00000
_NAME_BYTES, _VALUE_BYTES = 320, 40


@dataclass(slots=True)
class Level:
    """One data set while it is read: the top level, or an item of a sequence."""

    members: Members
    end: int
    implicit: bool
    decode: Decode = decode_default
    depth: int = 0
    path: str = ""
    undefined: bool = False
    pending: tuple["Pending", ...] = ()


@dataclass(slots=True)
class Pending:
    """An element whose VR depends on what comes after it."""

    level: Level
    kind: Kind
    tag: int
    start: int
    length: int


class Collector:
    """The one place that decides how an element stands in the metadata."""

    def __init__(self, view: memoryview, encoding: Encoding, limits: Limits) -> None:
        self.view = view
        self.order = encoding.order
        self.deflated = encoding.deflated
        self.limits = limits
        self._memory = limits.values_memory
        self.scanned = Scanned()

    def place(self, level: Level, kind: Kind, tag: int, start: int, length: int) -> bool:
        """Place an element of defined length; True where its value was stepped over."""
        if 0 < length <= kind.inline and tag < PIXEL_GROUP:
            self.place_inline(level, kind, tag, start, length)
            return False
        if length and kind.vr in AMBIGUOUS:
            level.members[KEYS[tag]] = None  # keeps its place among the others
            level.pending = (*level.pending, Pending(level, kind, tag, start, length))
            return False
        if tag >= PIXEL_GROUP and not level.path:
            self._note_pixels(kind, tag, start, length)
        if not length:
            level.members[KEYS[tag]] = kind.empty
        elif length > kind.inline or tag in PIXEL_DATA:
            self._place_by_uri(level, kind.vr, tag, start, length)
            return True
        else:
            self.place_inline(level, kind, tag, start, length)
        return False

    def place_inline(self, level: Level, kind: Kind, tag: int, start: int, length: int) -> None:
        """Convert a value and place it."""
        raw = self.view[start : start + length].tobytes()
        if length > SHORT_BYTES:
            self._account(kind, raw)
        try:
            value = kind.convert(raw, level.decode, self.order)
        except ValueError:  # the bytes are not of this VR
            self.place(level, KINDS["UN"], tag, start, length)
            return
        level.members[KEYS[tag]] = (
            kind.empty if value is None else {"vr": kind.vr, kind.field: value}
        )
        if tag == CHARACTER_SET:
            self.change_character_set(level, value)

    def _account(self, kind: Kind, raw: bytes) -> None:
        """Refuse values that would cost too much memory, before they do."""
        unit = UNITS.get(kind.vr)
        count = raw.count(b"\\") if unit is None else len(raw) // unit
        self._memory -= len(raw) + count * (_NAME_BYTES if kind.vr == "PN" else _VALUE_BYTES)
        if self._memory < 0:
            raise TooLarge("the data set has larger attributes than this archive reads")

    def _place_by_uri(self, level: Level, vr: str, tag: int, start: int, length: int) -> None:
        path = level.path + KEYS[tag]
        unit = UNITS.get(vr, 1) if self.order == ">" else 1
        transform = "inflate" if self.deflated else f"swap{unit * 8}" if unit > 1 else "none"
        self.scanned.bulk[path] = BulkEntry(start, length, vr, transform)
        level.members[KEYS[tag]] = bulk_element(vr, path)

    def _note_pixels(self, kind: Kind, tag: int, start: int, length: int) -> None:
        """Remember where the pixel data of the top level, or their offsets, lie."""
        if tag in OFFSET_TABLES:
            self.scanned.offset_tables[tag] = (start, length)
        elif tag in PIXEL_DATA:
            self.scanned.pixels = PixelElement(tag, kind.vr, start, length)

    def place_encapsulated(
        self, level: Level, tag: int, vr: str, start: int, fragments: Fragments
    ) -> None:
        """Place a value that consists of fragments."""
        length = fragments.end - start
        entry = BulkEntry(start, length, vr, "encapsulated")
        self.scanned.bulk[level.path + KEYS[tag]] = entry
        level.members[KEYS[tag]] = bulk_element(vr, level.path + KEYS[tag])
        if tag in PIXEL_DATA and not level.path:
            self.scanned.pixels = PixelElement(tag, vr, start, length, fragments)

    def change_character_set(self, level: Level, values: object) -> None:
        """From here on text is decoded as (0008,0005) says; what we write is UTF-8 (F.2)."""
        if isinstance(values, list):
            character_set = tuple(str(value or "") for value in values)
            level.decode = decoder(character_set)
            if not level.path:
                self.scanned.character_set = character_set
            level.members[KEYS[CHARACTER_SET]] = {"vr": "CS", "Value": ["ISO_IR 192"]}

    def settle(self, level: Level, parent: Level | None) -> None:
        """At the end of a data set: place what waited for it, or let its parent do so."""
        pending, level.pending = level.pending, ()
        signed = values_of(level.members, "00280103")
        for item in pending:
            if item.kind.vr == "US or SS" and not signed and parent is not None:
                parent.pending = (*parent.pending, item)
                continue
            kind = resolve(item.kind, item.level.members, signed[:1] == [1])
            self.place(item.level, kind, item.tag, item.start, item.length)

"""Takes elements as an engine finds them and places each: inline, by URI, or later.

Both engines place through here, so that only the walk over the encoding is theirs.
"""

from dataclasses import dataclass

from hounsfield.archive.charset import Decode, decode_default, decoder
from hounsfield.archive.dicom_json import Members, bulk_element, key_of, values_of
from hounsfield.archive.scanned import (
    BulkEntry,
    Fragments,
    Limits,
    PixelElement,
    Scanned,
)
from hounsfield.archive.vr import (
    BINARY_UNITS,
    INLINE_BINARY_BYTES,
    KINDS,
    UNITS,
    Kind,
    implicit_kind,
    resolve,
)

CHARACTER_SET = 0x00080005
PIXEL_DATA = (0x7FE00010, 0x7FE00008, 0x7FE00009)
OFFSET_TABLES = (0x7FE00001, 0x7FE00002)
_AMBIGUOUS = ("US or SS", "US or OW")


@dataclass(slots=True)
class Pending:
    """An element whose VR depends on what comes after it."""

    members: Members
    kind: Kind
    tag: int
    start: int
    length: int
    path: str


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
    pending: tuple[Pending, ...] = ()


class Collector:
    """The one place that decides how an element stands in the metadata."""

    def __init__(self, view: memoryview, order: str, limits: Limits, deflated: bool) -> None:
        self.view = view
        self.order = order
        self.limits = limits
        self.deflated = deflated
        self.scanned = Scanned()

    def place(self, level: Level, kind: Kind, tag: int, start: int, length: int) -> bool:
        """Place an element of defined length; True where its value was stepped over."""
        if kind.vr in _AMBIGUOUS and length:
            level.members[key_of(tag)] = None
            waiting = Pending(level.members, kind, tag, start, length, level.path)
            level.pending = (*level.pending, waiting)
            return False
        return self._write(level, level.members, level.path, kind, tag, start, length)

    def known_kind(self, level: Level, tag: int, length: int) -> Kind:
        """What UN stands for, where a dictionary knows the element (PS3.5 6.2.2)."""
        return implicit_kind(tag, level.members) if length < 0xFFFF else KINDS["UN"]

    def _write(
        self,
        level: Level,
        members: Members,
        path: str,
        kind: Kind,
        tag: int,
        start: int,
        length: int,
    ) -> bool:
        key = key_of(tag)
        binary = kind.vr in BINARY_UNITS
        if tag in OFFSET_TABLES and not path:
            self.scanned.offset_tables[tag] = (start, length)
        if tag in PIXEL_DATA or length > (INLINE_BINARY_BYTES if binary else kind.limit):
            self._by_uri(members, path, kind.vr, tag, start, length)
            if tag in PIXEL_DATA and not path:
                self.scanned.pixels = PixelElement(tag, kind.vr, start, length)
            return True
        raw = self.view[start : start + length].tobytes()
        try:
            value = kind.convert(raw, level.decode, self.order)
        except ValueError:
            return self._write(level, members, path, KINDS["UN"], tag, start, length)
        if not length or value is None:
            members[key] = kind.empty
        else:
            members[key] = {"vr": kind.vr, "InlineBinary" if binary else "Value": value}
        if tag == CHARACTER_SET:
            self.change_character_set(level, value)
        return False

    def place_encapsulated(
        self, level: Level, tag: int, vr: str, start: int, fragments: Fragments
    ) -> None:
        """Place a value that consists of fragments."""
        length = fragments.end - start
        entry = BulkEntry(start, length, vr, "encapsulated")
        self.scanned.bulk[level.path + key_of(tag)] = entry
        level.members[key_of(tag)] = bulk_element(vr, level.path + key_of(tag))
        if tag in PIXEL_DATA and not level.path:
            self.scanned.pixels = PixelElement(tag, vr, start, length, fragments)

    def change_character_set(self, level: Level, values: list[str | None] | None) -> None:
        """From here on text is decoded as (0008,0005) says; what we write is UTF-8 (F.2)."""
        if values:
            level.decode = decoder(tuple(values))
            level.members[key_of(CHARACTER_SET)] = {"vr": "CS", "Value": ["ISO_IR 192"]}

    def settle(self, level: Level, parent: Level | None) -> None:
        """At the end of a data set: place what waited for it, or let its parent do so."""
        pending, level.pending = level.pending, ()
        signed = values_of(level.members, "00280103")
        for item in pending:
            if item.kind.vr == "US or SS" and not signed and parent is not None:
                parent.pending = (*parent.pending, item)
                continue
            kind = resolve(item.kind, item.members, signed[:1] == [1])
            self._write(level, item.members, item.path, kind, item.tag, item.start, item.length)

    def _by_uri(
        self, members: Members, path: str, vr: str, tag: int, start: int, length: int
    ) -> None:
        key = key_of(tag)
        if not length:
            members[key] = {"vr": vr}
            return
        unit = UNITS.get(vr, 1) if self.order == ">" else 1
        transform = "inflate" if self.deflated else f"swap{unit * 8}" if unit > 1 else "none"
        self.scanned.bulk[path + key] = BulkEntry(start, length, vr, transform)
        members[key] = bulk_element(vr, path + key)

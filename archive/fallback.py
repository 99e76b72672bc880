"""The tolerant reader: pydicom walks what the scanner will not, values are placed as ever.

pydicom knows what files in the field do: implicit VR in the middle of explicit, VRs that nobody
defined, elements that come twice. It only walks here; no value goes through its conversion.
"""

import struct
import warnings
from typing import Any

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_sequence
from pydicom.tag import BaseTag

from hounsfield.archive.collector import PIXEL_DATA, Collector, Level
from hounsfield.archive.dicom_json import KEYS, Members
from hounsfield.archive.encoding import Encoding
from hounsfield.archive.errors import CannotUnderstand, HounsfieldError
from hounsfield.archive.fragments import walk_fragments
from hounsfield.archive.scanned import (
    DEFAULT_LIMITS,
    UNDEFINED,
    Limits,
    Scanned,
    beyond_end,
)
from hounsfield.archive.view_file import Allowance, ViewFile
from hounsfield.archive.vr import EXPLICIT, KINDS, Kind, implicit_kind

# pydicom's warnings quote values, and a value may be a patient's name.
warnings.filterwarnings("ignore", module="pydicom")

_DEFER_BYTES = 64 * 1024
_NOT_METADATA = (0x0000, 0x0002, 0xFFFE)


def read_tolerantly(
    view: memoryview, start: int, encoding: Encoding, limits: Limits = DEFAULT_LIMITS
) -> Scanned:
    """Read the data set that begins at ``start``. Raises CannotUnderstand or TooLarge."""
    reader = TolerantReader(view, encoding, limits)
    try:
        return reader.read(start, encoding.implicit)
    except HounsfieldError:
        raise
    except Exception as error:  # there is no list of what pydicom raises on damaged bytes
        raise CannotUnderstand(
            f"the data set is cut short or damaged ({type(error).__name__})"
        ) from error


class TolerantReader(Collector):
    """Places what pydicom finds."""

    def __init__(self, view: memoryview, encoding: Encoding, limits: Limits) -> None:
        super().__init__(view, encoding, limits)
        # An element takes two or three reads, and this way is many times slower.
        self._allowance = Allowance(limits.elements // 2, 2 * limits.inline_bytes)

    def read(self, start: int, implicit: bool) -> Scanned:
        """The top level data set; its pixel data are walked by ourselves, unread."""
        level = Level({}, len(self.view), implicit)
        file = ViewFile(self.view, start, self._allowance)
        while True:
            elements = data_element_generator(
                file, implicit, self.order == "<", _is_pixel_data, _DEFER_BYTES
            )
            for element in elements:
                self._element(level, element, 0)
            position = file.tell()
            if position + 8 > len(self.view):
                if any(self.view[position:]):
                    raise CannotUnderstand("the data set ends inside an element: cut short")
                break
            if self._tag_at(position) in PIXEL_DATA:
                file.seek(self._pixels(level, position))
        self.settle(level, None)
        self.scanned.members = dict(sorted(level.members.items()))
        return self.scanned

    def _pixels(self, level: Level, pos: int) -> int:
        """The element at ``pos``, before which pydicom stopped; the position behind it."""
        head = self.view[pos : pos + 12].tobytes()
        tag, kind, start = self._tag_at(pos), KINDS["OW"], pos + 8
        length: int = struct.unpack_from(self.order + "I", head, 4)[0]
        if not level.implicit:
            kind, start = EXPLICIT.get(head[4:6], KINDS["OW"]), pos + 12
            length = struct.unpack_from(self.order + "I", head, 8)[0]
        if length == UNDEFINED:
            fragments = walk_fragments(self.view, start, len(self.view), self.order, self.limits)
            if KEYS[tag] not in level.members:
                self.place_encapsulated(level, tag, "OB", start, fragments)
            return fragments.end
        self._place(level, kind, tag, start, length)
        return start + length

    def _tag_at(self, pos: int) -> int:
        group, number = struct.unpack_from(self.order + "HH", self.view, pos)
        return int(group << 16 | number)

    def _element(self, level: Level, element: RawDataElement | DataElement, base: int) -> None:
        """Place one element; ``base`` is where the stream that it was found in begins."""
        tag = int(element.tag)
        if KEYS[tag] in level.members or not tag & 0xFFFF or tag >> 16 in _NOT_METADATA:
            return
        if isinstance(element, DataElement):
            self._items(level, tag, element.value, base)
            return
        kind = _kind(element, level)
        if kind.vr == "SQ":
            self._sequence(level, element, base)
        elif element.length == UNDEFINED:
            start = base + element.value_tell
            fragments = walk_fragments(self.view, start, len(self.view), self.order, self.limits)
            self.place_encapsulated(level, tag, "OB", start, fragments)
        else:
            self._place(level, kind, tag, base + element.value_tell, element.length)

    def _place(self, level: Level, kind: Kind, tag: int, start: int, length: int) -> None:
        if start + length > level.end:
            raise beyond_end(tag, length)
        if KEYS[tag] not in level.members:
            self._allowance.spend(0 if length > kind.inline else length)
            self.place(level, kind, tag, start, length)

    def _sequence(self, level: Level, element: RawDataElement, base: int) -> None:
        start = base + element.value_tell
        if start + element.length > level.end:
            raise beyond_end(int(element.tag), element.length)
        items = read_sequence(
            ViewFile(self.view[start : start + element.length], 0, self._allowance),
            element.is_implicit_VR,
            element.is_little_endian,
            element.length,
            "iso8859",
        )
        self._items(level, int(element.tag), items, start)

    def _items(self, level: Level, tag: int, items: Any, base: int) -> None:
        if level.depth >= self.limits.depth:
            raise CannotUnderstand("sequences are nested deeper than this archive reads")
        key = KEYS[tag]
        level.members[key] = {"vr": "SQ"}
        written = []
        for index, item in enumerate(items):
            path = f"{level.path}{key}/{index}/"
            written.append(self._item(level, item, path, base))
        if written:
            level.members[key] = {"vr": "SQ", "Value": written}

    def _item(self, parent: Level, item: Dataset, path: str, base: int) -> Members:
        implicit = bool(item.original_encoding[0])
        level = Level({}, len(self.view), implicit, parent.decode, parent.depth + 1, path)
        for tag in sorted(item.keys()):
            self._element(level, item.get_item(tag, keep_deferred=True), base)
        self.settle(level, parent)
        return level.members


def _kind(element: RawDataElement, level: Level) -> Kind:
    """The kind of an element; a VR that nobody defined is UN."""
    if element.VR is None:
        return implicit_kind(int(element.tag), level.members)
    kind = KINDS.get(element.VR, KINDS["UN"])
    if kind.vr == "UN" and element.length < 0xFFFF:
        return implicit_kind(int(element.tag), level.members)
    return kind


def _is_pixel_data(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) in PIXEL_DATA

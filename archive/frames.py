"""Where each frame lies in its object: byte ranges and a named transform (PS3.5 8, Annex A.4).

A frame is one positioned read where that is possible. Where it is not - several fragments, big
endian, deflated, one-bit frames that do not end on a byte - it is several ranges, or a transform
that :func:`read_frame` applies. Nothing here decodes pixels.
"""

import sys
import zlib
from array import array
from dataclasses import dataclass
from struct import Struct
from typing import Literal, Self

from hounsfield.archive.bulkdata import BulkdataTable
from hounsfield.archive.dicom_json import swapped
from hounsfield.archive.errors import NotFound

__all__ = ["BulkdataTable", "FrameLocation", "FrameTable", "Transform", "read_frame"]

Transform = Literal["none", "swap16", "swap32", "swap64", "inflate", "video"]
TRANSFORMS: tuple[Transform, ...] = ("none", "swap16", "swap32", "swap64", "inflate", "video")
_UNITS = {"swap16": 2, "swap32": 4, "swap64": 8}

_HEAD = Struct("<cBIQQ")
_ITEM_HEADER_BYTES = 8


@dataclass(frozen=True, slots=True)
class FrameLocation:
    """The ranges of one frame, in order, and what to do with their bytes."""

    ranges: tuple[tuple[int, int], ...]
    """(offset, length) in the object; with ``inflate`` in the inflated data set."""
    transform: Transform = "none"
    """``video``: the ranges are the whole stream, which is not divided into frames."""
    bits: tuple[int, int] | None = None
    """(first bit, number of bits) to keep after the transform; None keeps all."""

    @property
    def is_plain(self) -> bool:
        """True where the frame is one range, byte for byte."""
        return len(self.ranges) == 1 and self.transform == "none" and self.bits is None

    @property
    def length(self) -> int:
        """Bytes of the frame."""
        if self.bits is not None:
            return (self.bits[1] + 7) // 8
        return sum(length for _, length in self.ranges)


@dataclass(frozen=True, slots=True)
class FrameTable:
    """All frames of one instance.

    Native frames are arithmetic: ``start``, ``frame_bits`` and a count. Encapsulated frames are
    the lengths of the fragments, which follow one another, and how many of them make a frame.
    """

    number_of_frames: int
    start: int
    """First byte of the first frame, or the first fragment's item tag."""
    frame_bits: int = 0
    """Bits of a native frame; 0 where the frames are encapsulated."""
    transform: Transform = "none"
    lengths: "array[int] | None" = None
    groups: "array[int] | None" = None
    """Fragments of each frame; None where each frame is one fragment."""

    def locate(self, number: int) -> FrameLocation:
        """Where frame ``number``, counted from 1, lies. Raises NotFound."""
        if not 1 <= number <= self.number_of_frames:
            raise NotFound(f"no frame {number}: the instance has {self.number_of_frames}")
        if self.lengths is None:
            return self._native(number - 1)
        if self.transform == "video":
            return FrameLocation(self._ranges(0, len(self.lengths)), "video")
        if self.groups is None:
            return FrameLocation(self._ranges(number - 1, number))
        first = sum(self.groups[: number - 1])
        return FrameLocation(self._ranges(first, first + self.groups[number - 1]))

    def _ranges(self, first: int, last: int) -> tuple[tuple[int, int], ...]:
        lengths = self.lengths or array("I")
        offset = self.start + first * _ITEM_HEADER_BYTES + sum(lengths[:first])
        ranges = []
        for length in lengths[first:last]:
            ranges.append((offset + _ITEM_HEADER_BYTES, length))
            offset += _ITEM_HEADER_BYTES + length
        return tuple(ranges)

    def _native(self, index: int) -> FrameLocation:
        """Whole words that hold the frame, and which of their bits are it."""
        word = 8 * _UNITS.get(self.transform, 1)
        first, last = index * self.frame_bits, (index + 1) * self.frame_bits
        begin, end = first // word * word, -(-last // word) * word
        bits = None if (begin, end) == (first, last) else (first - begin, self.frame_bits)
        ranges = ((self.start + begin // 8, (end - begin) // 8),)
        return FrameLocation(ranges, self.transform, bits)

    def encode(self) -> bytes:
        """Compact bytes for the instance's row."""
        kind = b"N" if self.lengths is None else b"E" if self.groups is None else b"G"
        number = TRANSFORMS.index(self.transform)
        size = self.frame_bits if self.lengths is None else len(self.lengths)
        head = _HEAD.pack(kind, number, self.number_of_frames, self.start, size)
        arrays = [a for a in (self.lengths, self.groups) if a is not None]
        return head + zlib.compress(b"".join(_little(a) for a in arrays), 1) if arrays else head

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The table that :meth:`encode` wrote."""
        kind, number, count, start, size = _HEAD.unpack_from(data)
        transform = TRANSFORMS[number]
        if kind == b"N":
            return cls(count, start, size, transform)
        raw = zlib.decompress(data[_HEAD.size :])
        lengths = _from_little(raw[: size * 4])
        groups = _from_little(raw[size * 4 :]) if kind == b"G" else None
        return cls(count, start, 0, transform, lengths, groups)


def read_frame(view: memoryview, location: FrameLocation) -> bytes | memoryview:
    """The bytes of a frame, little endian, as PS3.18 sends them; no copy of a plain one.

    ``view`` is the object, or for ``inflate`` the data set that
    :func:`hounsfield.archive.inflate.inflate` made of it.
    """
    parts = [view[offset : offset + length] for offset, length in location.ranges]
    if location.is_plain:
        return parts[0]
    raw = parts[0] if len(parts) == 1 else b"".join(parts)
    if location.transform in _UNITS:
        raw = swapped(bytes(raw), _UNITS[location.transform])
    return raw if location.bits is None else _cut(bytes(raw), *location.bits)


def _cut(raw: bytes, first: int, count: int) -> bytes:
    """Bits ``first`` to ``first + count``, moved to the first byte's lowest bit (PS3.5 8.1.1)."""
    whole = int.from_bytes(raw[first // 8 :], "little") >> first % 8
    return (whole & ((1 << count) - 1)).to_bytes((count + 7) // 8, "little")


def _little(values: "array[int]") -> bytes:
    if sys.byteorder == "big":
        values = array("I", values)
        values.byteswap()
    return values.tobytes()


def _from_little(raw: bytes) -> "array[int]":
    values = array("I", raw)
    if sys.byteorder == "big":
        values.byteswap()
    return values

"""Modality and VOI lookup tables (PS3.3 C.11.1.1, C.11.2.1.1), checked before they are used.

A table whose entries do not fit its descriptor is refused: what lies behind it in memory is
nobody's picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from hounsfield.archive.transcoding.protocol import Refused

Values = NDArray[np.floating]

WIDEST, SIGNED_FROM = 16, 0x8000


@dataclass(frozen=True)
class Table:
    """Entries for stored values from ``first`` on; the ends stand for all beyond them."""

    first: int
    entries: NDArray[np.unsignedinteger]
    bits: int

    def look_up(self, values: Values) -> Values:
        """The entry of each value."""
        indices = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        found: Values = self.entries[indices.astype(np.int32)].astype(values.dtype)
        return found


def read_table(item: Dataset, *, signed: bool, little_endian: bool = True) -> Table:
    """The table of a sequence item; ``signed`` where the values that it is for may be."""
    descriptor = item.get("LUTDescriptor")
    if not isinstance(descriptor, Sequence) or len(descriptor) != 3:
        raise Refused("a lookup table of this image has no descriptor")
    count, first, bits = (int(number) for number in descriptor)
    count = count % 65536 or 65536
    if not 1 <= bits <= WIDEST:
        raise Refused("a lookup table of this image has entries of an impossible size")
    if signed and first >= SIGNED_FROM:
        first -= 65536
    entries = _entries(item.get("LUTData"), count, "<" if little_endian else ">")
    if len(entries) < count:
        raise Refused("a lookup table of this image is shorter than it says")
    return Table(first, entries[:count], bits)


def _entries(data: object, count: int, order: str) -> NDArray[np.unsignedinteger]:
    """Words, or bytes where there are not enough of them (C.11.1.1.1)."""
    if isinstance(data, bytes):
        kind = np.dtype(f"{order}u2" if len(data) >= 2 * count else "u1")
        return np.frombuffer(data[: len(data) // kind.itemsize * kind.itemsize], kind)
    numbers = data if isinstance(data, Sequence) else [data]
    words = [number & 0xFFFF for number in numbers if isinstance(number, int)]
    return np.array(words, np.uint16)

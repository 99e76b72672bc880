"""Encapsulated values (PS3.5 A.4): a walk from item header to item header."""

from array import array
from struct import Struct

from hounsfield.archive.errors import CannotUnderstand, TooLarge
from hounsfield.archive.scanned import UNDEFINED, Fragments, Limits

ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
ITEM_HEADER = {order: Struct(order + "HHI").unpack_from for order in "<>"}


def walk_fragments(view: memoryview, pos: int, end: int, order: str, limits: Limits) -> Fragments:
    """Find the items between ``pos`` and the delimiter; only their headers are touched."""
    unpack = ITEM_HEADER[order]
    lengths: array[int] = array("I")
    starts: list[int] = []
    while pos + 8 <= end:
        group, element, length = unpack(view, pos)
        tag = group << 16 | element
        if tag == SEQUENCE_END:
            return _fragments(starts, lengths, pos + 8, closed=True)
        if tag != ITEM or length == UNDEFINED or pos + 8 + length > end:
            raise CannotUnderstand("encapsulated pixel data are cut short or damaged")
        if len(starts) < 2:
            starts.append(pos)
        if len(lengths) > limits.fragments:
            raise TooLarge("the pixel data have more fragments than this archive reads")
        lengths.append(length)
        pos += 8 + length
    return _fragments(starts, lengths, end, closed=False)


def _fragments(starts: list[int], lengths: "array[int]", end: int, *, closed: bool) -> Fragments:
    if not starts:
        return Fragments(end, lengths, end=end, closed=closed)
    table = (starts[0] + 8, lengths[0])
    first = starts[1] if len(starts) > 1 else table[0] + table[1]
    return Fragments(first, lengths[1:], table, end, closed)

"""What stands in data sets and is no attribute: padding, stray delimiters, group lengths."""

from struct import Struct

from hounsfield.archive.dicom_json import Members
from hounsfield.archive.fragments import ITEM, ITEM_END, SEQUENCE_END
from hounsfield.archive.scanned import UNDEFINED, Unusual, beyond_end, tag_text
from hounsfield.archive.vr import EXPLICIT

FIRST_KEY = "00030000"
"""Members before it are of the command set or of the File Meta."""

_DELIMITERS = (ITEM, ITEM_END, SEQUENCE_END)
_LARGEST_PADDING = 1024 * 1024
_LENGTH = {order: Struct(order + "I").unpack_from for order in "<>"}


def step_over(view: memoryview, tag: int, pos: int, end: int, order: str) -> int:
    """The position behind a delimiter that delimits nothing, or behind padding with zeros."""
    length = _LENGTH[order](view, pos + 4)[0]
    if tag in _DELIMITERS and not length:
        return pos + 8
    if not tag and end - pos <= _LARGEST_PADDING and not view[pos:end].tobytes().strip(b"\0"):
        return end
    raise Unusual(f"{tag_text(tag)} without a value representation")


def skip_group_length(
    view: memoryview, tag: int, start: int, length: int, end: int, order: str
) -> int:
    """The position behind a group length, which is no metadata (PS3.18 F.2.2)."""
    if not tag and not length:
        return step_over(view, tag, start - 8, end, order)
    if length == UNDEFINED or start + length > end:
        raise beyond_end(tag, length)
    return start + length


def drop_file_meta(members: Members) -> None:
    """Command and File Meta elements are no metadata either."""
    for key in [key for key in members if key < FIRST_KEY and key[:4] != "0001"]:
        del members[key]


def looks_explicit(view: memoryview, pos: int) -> bool:
    """True where the element at ``pos`` carries a VR."""
    return view[pos + 4 : pos + 6].tobytes() in EXPLICIT

"""Bytes of frames and large values, as slices of the mapped object wherever that is possible."""

from collections.abc import Iterator, Sequence

from hounsfield.archive.bulkdata import BulkdataLocation
from hounsfield.archive.dicom_json import swapped
from hounsfield.archive.frames import FrameTable, read_frame
from hounsfield.archive.inflate import inflate
from hounsfield.archive.objects.port import ObjectReader
from hounsfield.archive.retrieve import StoredInstance
from hounsfield.dicomweb.answers import PIECE, Buffer

BEHIND = 8 * PIECE
WORDS = {"swap16": 2, "swap32": 4, "swap64": 8}


def frame_pieces(
    view: memoryview, instance: StoredInstance, table: FrameTable, number: int
) -> Sequence[Buffer]:
    """The bytes of a frame, little-endian. Raises NotFound."""
    location = table.locate(number)
    if location.transform == "inflate":
        inflated = memoryview(inflate(view[instance.dataset_offset :]))
        return [read_frame(inflated, location)]
    if location.bits is None and location.transform in {"none", "video"}:
        return [view[offset : offset + length] for offset, length in location.ranges]
    return [read_frame(view, location)]


def value_bytes(view: memoryview, instance: StoredInstance, place: BulkdataLocation) -> Buffer:
    """A large value that has to be made: inflated, or its words reversed."""
    if place.transform == "inflate":
        inflated = inflate(view[instance.dataset_offset :])
        return memoryview(inflated)[place.offset : place.offset + place.length]
    raw = view[place.offset : place.offset + place.length]
    word = WORDS.get(place.transform)
    return swapped(bytes(raw), word) if word else raw


def pieces(reader: ObjectReader, start: int, end: int, word: int = 1) -> Iterator[Buffer]:
    """A range of an object, piece by piece; the pages behind a sent piece are let go.

    With ``word`` above 1 the words of the range are reversed on the way. The transport may write
    a piece, and so touch its pages, a little after it has taken it: some pieces back are let go.
    """
    view = reader.map()
    for first in range(start, end, PIECE):
        last = min(first + PIECE, end)
        yield view[first:last] if word == 1 else swapped(bytes(view[first:last]), word)
        reader.release_pages(max(start, first - BEHIND), first)

"""Bytes of frames and large values, as slices of the mapped object wherever that is possible."""

from collections.abc import Sequence

from hounsfield.archive.bulkdata import BulkdataLocation
from hounsfield.archive.dicom_json import swapped
from hounsfield.archive.frames import FrameTable, read_frame
from hounsfield.archive.inflate import inflate
from hounsfield.archive.pieces import WORDS
from hounsfield.archive.retrieve import StoredInstance
from hounsfield.dicomweb.answers import Buffer


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

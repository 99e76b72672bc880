"""From the pixel data element and the Image Pixel module to the table of frames.

Native (PS3.5 8.1): arithmetic. Encapsulated (PS3.5 A.4): the Extended Offset Table, the Basic
Offset Table, one fragment a frame, or the end-of-image markers, whichever there is to go by.
"""

from array import array
from dataclasses import dataclass
from struct import unpack

from hounsfield.archive.encoding import Encoding
from hounsfield.archive.errors import CannotUnderstand
from hounsfield.archive.frames import FrameTable, Transform
from hounsfield.archive.scanned import Fragments, PixelElement, Scanned

_VIDEO = ("1.2.840.10008.1.2.4.10",)  # MPEG2, MPEG-4 and HEVC are 4.100 to 4.108
_SWAPS: dict[int, Transform] = {16: "swap16", 32: "swap32", 64: "swap64"}
_END_MARKER = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class ImagePixel:
    """What of the Image Pixel module says how long a frame is (PS3.3 C.7.6.3)."""

    rows: int | None
    columns: int | None
    bits_allocated: int | None
    samples_per_pixel: int
    number_of_frames: int
    photometric_interpretation: str

    @property
    def frame_bits(self) -> int | None:
        """Bits of a native frame; None where the module does not say."""
        bits = self.bits_allocated or 0
        if not (self.rows and self.columns and bits) or (bits != 1 and bits % 8):
            return None
        if self.photometric_interpretation in {"YBR_FULL_422", "YBR_PARTIAL_422"}:
            return self.rows * self.columns * bits * 2  # PS3.3 C.7.6.3.1.2
        return self.rows * self.columns * bits * self.samples_per_pixel


def frame_table(
    view: memoryview, scanned: Scanned, pixel: ImagePixel, encoding: Encoding
) -> FrameTable | None:
    """The table of frames; None without pixel data, or where no frame can be told apart.

    Raises CannotUnderstand for pixel data that are cut short.
    """
    element = scanned.pixels
    if element is None or not element.length:
        return None
    if element.fragments is None:
        return _native(scanned, element, pixel, encoding.order)
    if not element.fragments.closed:
        scanned.warnings.append("the pixel data have no sequence delimitation item")
    if encoding.transfer_syntax_uid.startswith(_VIDEO):
        return _video(element.fragments, pixel)
    return _encapsulated(view, scanned, element.fragments, pixel, encoding.order)


def _native(
    scanned: Scanned, element: PixelElement, pixel: ImagePixel, order: str
) -> FrameTable | None:
    frame_bits = pixel.frame_bits
    if frame_bits is None:
        scanned.warnings.append("the size of a frame cannot be told from its attributes")
        return None
    expected = (frame_bits * pixel.number_of_frames + 7) // 8
    if element.length < expected:
        raise CannotUnderstand(
            f"the pixel data are cut short: {element.length} bytes of {expected}",
            offending_tags=(element.tag,),
        )
    transform: Transform = "none"
    key = f"{element.tag:08X}"
    if order == ">":
        transform = _swap(element, pixel.bits_allocated or 8)
        scanned.bulk[key].transform = transform
    elif scanned.bulk[key].transform == "inflate":
        transform = "inflate"
    return FrameTable(pixel.number_of_frames, element.start, frame_bits, transform)


def _swap(element: PixelElement, bits_allocated: int) -> Transform:
    if bits_allocated > 8:
        return _SWAPS.get(bits_allocated, "swap16")
    return "swap16" if element.vr == "OW" else "none"


def _video(fragments: Fragments, pixel: ImagePixel) -> FrameTable:
    return FrameTable(pixel.number_of_frames, fragments.first_item, 0, "video", fragments.lengths)


def _encapsulated(
    view: memoryview, scanned: Scanned, fragments: Fragments, pixel: ImagePixel, order: str
) -> FrameTable | None:
    if not fragments.lengths:
        raise CannotUnderstand("the pixel data hold no fragment")
    groups = (
        _by_offsets(fragments, _extended_offsets(view, scanned, fragments, order))
        or _by_offsets(fragments, _basic_offsets(view, fragments, order))
        or _without_table(view, fragments, pixel.number_of_frames)
    )
    if len(groups) != pixel.number_of_frames:
        scanned.warnings.append(
            f"the pixel data hold {len(groups)} frames, Number of Frames says "
            f"{pixel.number_of_frames}"
        )
    one_each = len(groups) == len(fragments.lengths)
    return FrameTable(
        len(groups),
        fragments.first_item,
        lengths=fragments.lengths,
        groups=None if one_each else array("I", groups),
    )


def _extended_offsets(
    view: memoryview, scanned: Scanned, fragments: Fragments, order: str
) -> tuple[int, ...]:
    start, length = scanned.offset_tables.get(0x7FE00001, (0, 0))
    count = min(length // 8, len(fragments.lengths) + 1)
    return unpack(f"{order}{count}Q", view[start : start + count * 8])


def _basic_offsets(view: memoryview, fragments: Fragments, order: str) -> tuple[int, ...]:
    start, length = fragments.table
    count = min(length // 4, len(fragments.lengths) + 1)
    return unpack(f"{order}{count}I", view[start : start + count * 4])


def _by_offsets(fragments: Fragments, offsets: tuple[int, ...]) -> list[int]:
    """Fragments of each frame, or nothing where the table does not fit the items."""
    if not offsets or offsets[0]:
        return []
    groups: list[int] = []
    offset, count = 0, 0
    for length in fragments.lengths:
        if count and len(groups) + 1 < len(offsets) and offset == offsets[len(groups) + 1]:
            groups.append(count)
            count = 0
        count += 1
        offset += 8 + length
    groups.append(count)
    return groups if len(groups) == len(offsets) else []


def _without_table(view: memoryview, fragments: Fragments, frames: int) -> list[int]:
    lengths = fragments.lengths
    if len(lengths) <= frames:
        return [1] * len(lengths)
    if frames == 1:
        return [len(lengths)]
    return _by_markers(view, fragments)


def _by_markers(view: memoryview, fragments: Fragments) -> list[int]:
    """A frame ends with the fragment in whose last bytes the end-of-image marker stands."""
    groups, count, offset = [], 0, fragments.first_item
    for length in fragments.lengths:
        offset += 8 + length
        count += 1
        tail = view[max(offset - 10, offset - length) : offset].tobytes()
        if _END_MARKER in tail:
            groups.append(count)
            count = 0
    return [*groups, count] if count else groups

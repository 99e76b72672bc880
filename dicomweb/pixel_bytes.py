"""Bytes of frames and large values: slices of the mapped object, transformed where they must be.

The usual case is a slice and costs nothing. The others (PS3.5 7.3 big-endian words, A.5 deflated
data sets, 8.1.1 frames of single bits that do not end on a byte) cost a copy.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from hounsfield.archive.errors import ObjectDamaged
from hounsfield.archive.frames import FrameTable, Range
from hounsfield.archive.retrieve import StoredInstance

INFLATE_STEP = 1024 * 1024

Buffer = bytes | memoryview


def frame_pieces(
    view: memoryview, instance: StoredInstance, table: FrameTable, frame: int, word: int
) -> Sequence[Buffer]:
    """The bytes of a frame, counted from 1, in the order of the web: little-endian.

    ``word`` is the size of the words that big-endian data are reversed by.
    """
    place = table.locate(frame)
    if place.transform == "none":
        return [view[offset : offset + length] for offset, length in place.ranges]
    pieces = transformed(view, instance, place.ranges, place.transform, word)
    if "bits" in place.transform:
        return [_shifted(b"".join(pieces), place.first_bit, table.frame_bits)]
    return pieces


def transformed(
    view: memoryview, instance: StoredInstance, ranges: Sequence[Range], transform: str, word: int
) -> Sequence[Buffer]:
    """The ranges after ``swap`` or ``inflate``."""
    if transform.startswith("inflate"):
        return [_inflated(view[instance.dataset_offset :], place) for place in ranges]
    pieces = [view[offset : offset + length] for offset, length in ranges]
    return [swapped(piece, word) for piece in pieces] if transform.startswith("swap") else pieces


def swapped(data: Buffer, word: int) -> bytes:
    """Each word reversed; bytes that make up no whole word stay as they are."""
    if word == 1:
        return bytes(data)
    whole = len(data) // word * word
    words = np.frombuffer(data[:whole], dtype=f">u{word}")
    return words.astype(f"<u{word}").tobytes() + bytes(data[whole:])


def word_size(vr: str, bits_allocated: int | None) -> int:
    """Bytes of a word in a value of this VR (PS3.5 7.3); pixels of two bytes and more are words."""
    if vr in {"OB", "UN"}:
        return 1
    if vr == "OW" and bits_allocated in {32, 64}:
        return bits_allocated // 8
    return {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.get(vr, 1)


def _inflated(deflated: memoryview, place: Range) -> bytes:
    """One range of the inflated data set, without keeping what comes before it."""
    start, length = place
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    kept, position, rest = bytearray(), 0, bytes(deflated)
    while len(kept) < length:
        piece = inflater.decompress(rest, INFLATE_STEP)
        rest = inflater.unconsumed_tail
        if not piece:
            raise ObjectDamaged("a deflated object ends before its pixels do")
        kept += piece[max(0, start - position) : start + length - position]
        position += len(piece)
    return bytes(kept)


def _shifted(data: bytes, first_bit: int, count: int) -> bytes:
    """``count`` bits from ``first_bit`` on, the least significant bit of a byte first."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return np.packbits(bits[first_bit : first_bit + count], bitorder="little").tobytes()

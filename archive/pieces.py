"""An object in pieces, on its way out."""

from collections.abc import Iterator

from hounsfield.archive.dicom_json import swapped
from hounsfield.archive.objects.port import ObjectReader

Buffer = bytes | memoryview

PIECE = 1024 * 1024
BEHIND = 8 * PIECE
WORDS = {"swap16": 2, "swap32": 4, "swap64": 8}
"""Bytes of a word that a big-endian object has turned, by the transform of its bulk data."""


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

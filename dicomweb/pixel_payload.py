"""Pixel data that come as parts of their own: which transfer syntax, and encapsulated how.

PS3.18 8.7.3 names the transfer syntax by the media type and its parameter; PS3.5 A.4 is how
compressed frames stand in a data set: one part a frame, one fragment a part.
"""

import struct
from collections.abc import Iterator, Sequence

from hounsfield.archive.errors import CannotUnderstand, TransferSyntaxNotSupported
from hounsfield.archive.file_meta import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE
from hounsfield.archive.transcoding.syntaxes import NATIVE
from hounsfield.dicomweb.media_types import OCTET_STREAM
from hounsfield.dicomweb.spool import BulkPart, Spool
from hounsfield.dicomweb.transfer_syntaxes import FRAME_TYPES

ITEM = struct.Struct("<HHI")
MOST = 0xFFFFFFFE
DEFAULTS = {
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/jxl": "1.2.840.10008.1.2.4.110",
    "video/mpeg2": "1.2.840.10008.1.2.4.100",
    "video/mp4": "1.2.840.10008.1.2.4.102",
    "video/h265": "1.2.840.10008.1.2.4.107",
}
"""Tables 8.7.3-4 and 8.7.3-5, for a media type without a parameter."""
JPEG_PROCESSES = {0xC0: "50", 0xC1: "51", 0xC3: "70"}
"""What a JPEG says of itself by its frame header (ISO 10918-1 B.2.2) is truer than a default."""
JPEG_HEAD = 64 * 1024


def transfer_syntax_of(parts: Sequence[BulkPart], declared: str, spool: Spool) -> str:
    """The transfer syntax in which these parts can be written. Raises for one that cannot."""
    first = parts[0]
    named = first.transfer_syntax or _by_type(first, spool) or declared or EXPLICIT_LITTLE
    if named in {EXPLICIT_BIG, DEFLATED}:
        raise TransferSyntaxNotSupported(f"bulk data cannot be in transfer syntax {named}")
    return EXPLICIT_LITTLE if named in NATIVE else named


def _by_type(part: BulkPart, spool: Spool) -> str:
    if part.media_type == OCTET_STREAM:
        return ""
    if part.media_type not in DEFAULTS:
        raise CannotUnderstand(f"pixel data of type {part.media_type[:60]} cannot be stored")
    if part.media_type == "image/jpeg" and (process := _jpeg_process(part, spool)):
        return f"1.2.840.10008.1.2.4.{process}"
    return DEFAULTS[part.media_type]


def _jpeg_process(part: BulkPart, spool: Spool) -> str:
    head = next(spool.pieces(part), b"")[:JPEG_HEAD]
    position = 2
    while position + 4 <= len(head) and head[position] == 0xFF:
        if head[position + 1] in JPEG_PROCESSES:
            return JPEG_PROCESSES[head[position + 1]]
        position += 2 + int.from_bytes(head[position + 2 : position + 4], "big")
    return ""


def encapsulated(
    parts: Sequence[BulkPart], frames: int, transfer_syntax: str, spool: Spool
) -> Iterator[bytes]:
    """The value of Pixel Data, from its offset table to its delimiter."""
    is_video = FRAME_TYPES.get(transfer_syntax, "").startswith("video/")
    if len(parts) != frames and not (is_video and len(parts) == 1):
        raise CannotUnderstand(
            f"the image has {frames} frames and came in {len(parts)} parts: compressed frames "
            "are sent one a part, all with the same Content-Location"
        )
    if any(part.length + part.length % 2 > MOST for part in parts):
        raise CannotUnderstand("a frame is longer than a fragment can be")
    yield _offset_table(parts)
    for part in parts:
        yield ITEM.pack(0xFFFE, 0xE000, part.length + part.length % 2)
        yield from spool.pieces(part)
        yield b"\0" * (part.length % 2)
    yield ITEM.pack(0xFFFE, 0xE0DD, 0)


def _offset_table(parts: Sequence[BulkPart]) -> bytes:
    """Where each frame begins (PS3.5 A.4); empty for one, or where 32 bits do not reach."""
    offsets, position = [], 0
    for part in parts:
        offsets.append(position)
        position += ITEM.size + part.length + part.length % 2
    if len(parts) == 1 or offsets[-1] > MOST:
        offsets = []
    return ITEM.pack(0xFFFE, 0xE000, 4 * len(offsets)) + struct.pack(f"<{len(offsets)}I", *offsets)

"""Deflated Explicit VR Little Endian (PS3.5 A.5): inflated under a hard cap."""

import zlib

from hounsfield.archive.errors import CannotUnderstand, TooLarge
from hounsfield.archive.scanned import DEFAULT_LIMITS, Limits

_STEP = 256 * 1024


def inflate(view: memoryview, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The data set that a deflated one holds.

    ``view`` begins behind the File Meta. Raises TooLarge for what grows beyond the limits,
    before it has grown, and CannotUnderstand for a stream that is damaged or cut short.
    """
    allowed = min(
        limits.inflated_bytes, max(limits.inflated_always, limits.inflated_ratio * len(view))
    )
    # PS3.5 A.5 asks for RFC 1951 without a zlib header; some writers add one.
    stream = zlib.decompressobj(zlib.MAX_WBITS if _has_zlib_header(view) else -zlib.MAX_WBITS)
    result = bytearray()
    try:
        for offset in range(0, len(view), _STEP):
            data: bytes | memoryview = view[offset : offset + _STEP]
            while data and not stream.eof:
                result += stream.decompress(data, _STEP)
                if len(result) > allowed:
                    raise TooLarge("the deflated data set grows beyond what this archive reads")
                data = stream.unconsumed_tail
        result += stream.flush()
    except zlib.error as error:
        raise CannotUnderstand(f"the deflated data set is damaged: {error}") from error
    if not stream.eof:
        raise CannotUnderstand("the deflated data set is cut short")
    return bytes(result)


def _has_zlib_header(view: memoryview) -> bool:
    head = view[:2].tobytes()
    return len(head) == 2 and head[0] == 0x78 and int.from_bytes(head, "big") % 31 == 0

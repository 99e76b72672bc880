"""DICOM JSON as it is kept: members without braces, deflated, and a byte for the base URL.

The byte FF cannot occur in UTF-8, so no value of a data set can be taken for it.
"""

import zlib

BASE_URL = b"\xff"
FASTEST = 1


def compress(members: bytes) -> bytes:
    """Deflate the members of one object for its row."""
    return zlib.compress(members, FASTEST)


def expand(kept: bytes) -> bytes:
    """One DICOM JSON object, with the base URL still to be put in."""
    return b"{" + zlib.decompress(kept) + b"}"


def with_base_url(document: bytes, base_url: str) -> bytes:
    """Put the base URL of the DICOMweb root (no slash at its end) where it belongs."""
    return document.replace(BASE_URL, base_url.encode("ascii"))

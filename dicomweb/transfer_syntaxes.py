"""Transfer syntaxes as the web sees them (PS3.18 8.7.3)."""

from dataclasses import dataclass

from hounsfield.archive.file_meta import EXPLICIT_BIG, IMPLICIT_LITTLE

NEVER_SENT = frozenset({IMPLICIT_LITTLE, EXPLICIT_BIG})
"""Sent as Explicit VR Little Endian instead (8.7.3.3)."""
_JPEG = "1.2.840.10008.1.2.4."
_IMAGE_TYPES = {
    "image/jpeg": ("50", "51", "53", "55", "57", "70"),
    "image/jls": ("80", "81"),
    "image/jp2": ("90", "91"),
    "image/jpx": ("92", "93"),
    "image/jphc": ("201", "202", "203"),
    "image/jxl": ("110", "111", "112"),
    "video/mpeg2": ("100", "100.1", "101", "101.1"),
    "video/mp4": ("102", "102.1", "103", "103.1", "104", "104.1", "105", "105.1", "106", "106.1"),
    "video/H265": ("107", "108"),
}
FRAME_TYPES = {_JPEG + n: name for name, numbers in _IMAGE_TYPES.items() for n in numbers} | {
    "1.2.840.10008.1.2.5": "image/dicom-rle"
}
"""The media type of a compressed frame by itself (tables 8.7.3-4 and 8.7.3-5)."""


@dataclass(frozen=True, slots=True)
class Encodable:
    """Which images a compressed syntax takes (PS3.5 8.2)."""

    allocated: frozenset[int] = frozenset({8, 16})
    stored: range = range(2, 17)
    signed: bool = True
    lossy: bool = False


_LOSSLESS, _LOSSY = Encodable(), Encodable(lossy=True)
ENCODABLE = {
    "1.2.840.10008.1.2.5": Encodable(frozenset({8, 16, 32}), range(2, 33)),
    _JPEG + "50": Encodable(frozenset({8}), range(8, 9), signed=False, lossy=True),
    **{_JPEG + number: _LOSSLESS for number in ("70", "80", "90", "201", "202")},
    **{_JPEG + number: _LOSSY for number in ("81", "91", "203")},
}
"""Compressed syntaxes for which there is an encoder (``archive.transcoding.encoders``)."""

IMAGE_DEFAULTS = {
    "image/jpeg": _JPEG + "70",
    "image/jls": _JPEG + "80",
    "image/jp2": _JPEG + "90",
    "image/jphc": _JPEG + "201",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
}
"""What an image type means without a transfer syntax (table 8.7.3-4)."""

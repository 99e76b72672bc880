"""Which transfer syntaxes can be read, so that something else can be made of them."""

from hounsfield.archive.file_meta import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

NATIVE = frozenset({EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})

_JPEG = "1.2.840.10008.1.2.4."
DECODABLE = frozenset(
    {"1.2.840.10008.1.2.5"}
    | {
        _JPEG + number
        for number in (
            *("50", "51", "53", "55", "57", "70"),
            *("80", "81", "90", "91", "201", "202", "203"),
            *("110", "111", "112"),
        )
    }
)
"""Compressed syntaxes for which there is a decoder (``codecs``)."""

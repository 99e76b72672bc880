"""DICOM JSON members as a data set (PS3.18 Annex F; PS3.5 7.1.2, 7.1.3, 6.2).

Not pydicom's: it writes a null among several decimals as ``None``, 3 as ``3.0``, and holds every
element of a metadata document at once. Without further word it is Explicit VR Little Endian, and
text is UTF-8.
"""

import base64
import binascii
import struct
from collections.abc import Callable
from typing import Any

from pydicom.valuerep import format_number_as_ds

from hounsfield.archive.charset import Encode
from hounsfield.archive.dicom_json import Members, swapped
from hounsfield.archive.encoding import Encoding, encoding_named
from hounsfield.archive.errors import CannotUnderstand
from hounsfield.archive.file_meta import EXPLICIT_LITTLE
from hounsfield.archive.scanned import DEFAULT_LIMITS
from hounsfield.archive.vr import BINARY_UNITS

LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
BINARY = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
ASCII_TEXT = frozenset(["AE", "AS", "CS", "DA", "DT", "TM", "UI"])
TEXT = frozenset(["LO", "SH", "UC"])
ONE_TEXT = frozenset(["LT", "ST", "UR", "UT"])
NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
UTF_8 = {"vr": "CS", "Value": ["ISO_IR 192"]}
KNOWN = LONG | ASCII_TEXT | TEXT | ONE_TEXT | NUMBERS.keys() | {"AT", "DS", "IS", "PN"}
CHARACTER_SET = "00080005"
DECIMAL_LENGTH = 16
MOST = 0xFFFFFFFE

ReadBulk = Callable[[str, str], bytes]
"""The bytes that a BulkDataURI of this VR names within the payload."""

EXPLICIT = encoding_named(EXPLICIT_LITTLE)


def element_head(tag: str, vr: str, length: int, encoding: Encoding = EXPLICIT) -> bytes:
    """Tag, VR and length. A value too long for its VR is written as UN (PS3.5 6.2.2)."""
    group, element = int(tag[:4], 16), int(tag[4:], 16)
    if vr not in KNOWN:
        raise CannotUnderstand(f"({tag[:4]},{tag[4:]}) has the VR {vr[:20]!r}, which is none")
    if length > MOST and length != 0xFFFFFFFF:
        raise CannotUnderstand(f"({tag[:4]},{tag[4:]}) is longer than an element can be")
    if encoding.implicit:
        return struct.pack("<HHI", group, element, length)
    if vr not in LONG and length <= 0xFFFF:
        return struct.pack(f"{encoding.order}HH2sH", group, element, vr.encode("ascii"), length)
    name = vr if vr in LONG else "UN"
    return struct.pack(f"{encoding.order}HH2sHI", group, element, name.encode("ascii"), 0, length)


class DataSetWriter:
    """Writes the elements of one data set; ``read_bulk`` brings values that are not inline."""

    def __init__(
        self, read_bulk: ReadBulk, encoding: Encoding = EXPLICIT, encode: Encode = str.encode
    ) -> None:
        self._read_bulk = read_bulk
        self._encoding = encoding
        self._order = encoding.order
        self._encode = encode

    def element(self, tag: str, element: Members, depth: int = 0) -> bytes:
        """One element. Raises CannotUnderstand for what is no DICOM JSON."""
        try:
            vr, value = element["vr"], self._value(element, depth)
            return element_head(tag, vr, len(value), self._encoding) + value
        except CannotUnderstand:
            raise
        except (
            KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error
        ) as error:  # fmt: skip
            name = f"({tag[:4]},{tag[4:]})" if isinstance(tag, str) else "an element"
            raise CannotUnderstand(f"{name[:20]} of the metadata cannot be read") from error

    def _value(self, element: Members, depth: int) -> bytes:
        vr = element["vr"]
        if "BulkDataURI" in element:
            return _padded(self._read_bulk(vr, element["BulkDataURI"]), vr)
        if "InlineBinary" in element:
            value = _padded(_decoded(element["InlineBinary"]), vr)
            return swapped(value, BINARY_UNITS.get(vr, 1)) if self._order == ">" else value
        values = element.get("Value", [])
        if not isinstance(values, list):
            raise TypeError("a Value is an array")
        if vr == "SQ":
            return b"".join(self._item(item or {}, depth + 1) for item in values)
        return _padded(self._values(vr, values), vr)

    def _item(self, members: Members, depth: int) -> bytes:
        if depth > DEFAULT_LIMITS.depth:
            raise CannotUnderstand("sequences are nested deeper than this archive reads")
        # The whole is UTF-8: an item does not say otherwise (PS3.5 7.5.3).
        content = b"".join(
            self.element(tag, members[tag], depth)
            for tag in sorted(members)
            if tag != CHARACTER_SET and not is_group_length(tag)
        )
        return struct.pack(f"{self._order}HHI", 0xFFFE, 0xE000, len(content)) + content

    def _values(self, vr: str, values: list[Any]) -> bytes:
        if vr in NUMBERS:
            convert = float if vr in {"FL", "FD"} else int
            return struct.pack(f"{self._order}{len(values)}{NUMBERS[vr]}", *map(convert, values))
        if vr == "AT":
            tags = [int(value, 16) for value in values]
            pack = struct.Struct(f"{self._order}HH").pack
            return b"".join(pack(tag >> 16, tag & 0xFFFF) for tag in tags)
        if vr in ONE_TEXT:
            text = "".join(values[:1])
            return text.encode("ascii") if vr == "UR" else self._encode(text)
        return b"\\".join(self._text(vr, value) for value in values)

    def _text(self, vr: str, value: Any) -> bytes:
        """One value of several."""
        if value is None:
            return b""
        if vr == "PN":
            text = _name(value)
        elif vr in {"DS", "IS"}:
            text = value if isinstance(value, str) else _number(vr, value)
        elif vr in ASCII_TEXT | TEXT:
            text = value
        else:
            raise ValueError(f"{vr} is no VR that has a Value")
        if "\\" in text:
            raise ValueError("a value holds the sign that separates values")
        return self._encode(text) if vr in TEXT or vr == "PN" else text.encode("ascii")


def is_group_length(tag: str) -> bool:
    """Retired, and wrong once anything is written anew (PS3.5 7.2)."""
    return tag.endswith("0000")


def _name(value: Any) -> str:
    """F.2.2; a bare string is let pass."""
    if isinstance(value, str):
        return value
    groups = [value.get(name) or "" for name in ("Alphabetic", "Ideographic", "Phonetic")]
    return "=".join(groups).rstrip("=")


def _number(vr: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    text = str(int(value)) if vr == "IS" else repr(value)
    return text if len(text) <= DECIMAL_LENGTH else format_number_as_ds(value)


def _decoded(value: Any) -> bytes:
    try:
        return base64.b64decode(value[0] if isinstance(value, list) else value, validate=True)
    except binascii.Error as error:
        raise ValueError("not Base64") from error


def _padded(value: bytes, vr: str) -> bytes:
    if len(value) % 2 == 0:
        return value
    return value + (b"\0" if vr in BINARY or vr == "UI" else b" ")

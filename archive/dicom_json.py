"""DICOM JSON Model (PS3.18 Annex F): from the encoded bytes of a value to what orjson writes.

Every VR has one converter. Both engines (the scanner and pydicom's reader) use these, so that
they cannot disagree on a value. A converter returns None where nothing but padding is there.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from math import isfinite
from struct import Struct, unpack
from typing import Any

import orjson
from pydicom._dicom_dict import DicomDictionary

from hounsfield.archive.charset import Decode

Element = dict[str, Any]
Members = dict[str, Any]
Convert = Callable[[bytes, Decode, str], Any]
"""(value bytes, decoder of the data set's character set, byte order ``<`` or ``>``)"""

INSTANCE_URI = b"\xfe"
"""Stands for the instance's URI while a data set is read: its UIDs may come later."""

_LARGEST_EXACT = 2**53 - 1
_DECIMAL = b"0123456789+-. \\"
_NOT_NUMERIC = re.compile(r"[^0-9+\-.eE]")
_PADDING = " \0"
_MOST_KEYS = 32 * 1024


def bulk_element(vr: str, path: str) -> orjson.Fragment:
    """An element whose value is fetched from a URI (F.2.6)."""
    text = f'{{"vr":"{vr}","BulkDataURI":"\0/bulkdata/{path}"}}'
    return orjson.Fragment(text.encode("ascii").replace(b"\0", INSTANCE_URI))


class _Keys(dict[int, str]):
    """Known tags for good, private ones as they come, up to a bound that a sender cannot lift."""

    def __missing__(self, tag: int) -> str:
        key = f"{tag:08X}"
        if len(self) < _MOST_KEYS:
            self[tag] = key
        return key


KEYS = _Keys({tag: f"{tag:08X}" for tag in DicomDictionary})
"""A member's name by its tag: eight upper-case hexadecimal digits (F.2.2)."""


def values_of(members: Members, key: str) -> list[Any]:
    """The values of a member; none where it is absent, empty, or not given inline."""
    element = members.get(key)
    return element.get("Value", []) if isinstance(element, dict) else []


def convert_plain(raw: bytes, decode: Decode, order: str) -> list[str | None] | None:
    """AE AS CS DA DT TM UI: the default repertoire, several values."""
    text = raw.decode("latin-1").rstrip(_PADDING)
    if "\\" in text:
        return [value.rstrip(_PADDING) or None for value in text.split("\\")]
    return [text] if text else None


def convert_text(raw: bytes, decode: Decode, order: str) -> list[str | None] | None:
    """LO SH UC: the data set's character set, several values."""
    text = decode(raw).rstrip(_PADDING)
    if "\\" in text:
        return [value.rstrip(_PADDING) or None for value in text.split("\\")]
    return [text] if text else None


def convert_long_text(raw: bytes, decode: Decode, order: str) -> list[str] | None:
    """LT ST UT: one value, in which a backslash is a character."""
    text = decode(raw).rstrip(_PADDING)
    return [text] if text else None


def convert_uri(raw: bytes, decode: Decode, order: str) -> list[str] | None:
    """UR: one value of the default repertoire."""
    text = raw.decode("latin-1").rstrip(_PADDING)
    return [text] if text else None


def convert_name(raw: bytes, decode: Decode, order: str) -> list[Element | None] | None:
    """PN: component groups, only those that are not empty (F.2.2)."""
    text = decode(raw).rstrip(_PADDING)
    if not text:
        return None
    if "\\" not in text and "=" not in text:
        return [{"Alphabetic": text}]
    return [_name(value) for value in text.split("\\")]


def _name(value: str) -> Element | None:
    names = ("Alphabetic", "Ideographic", "Phonetic")
    groups = zip(names, value.split("=", 2), strict=False)
    return {name: text for name, group in groups if (text := group.rstrip(_PADDING))} or None


def convert_decimal(raw: bytes, decode: Decode, order: str) -> list[Any] | None:
    """DS: a number where that loses nothing, else the string as it stands."""
    stripped = raw.strip(b" \0")
    if not stripped:
        return None
    values = stripped.split(b"\\")
    if not stripped.translate(None, _DECIMAL) and (
        len(stripped) < 16 or len(max(values, key=len)) < 16
    ):
        try:
            return [float(value) for value in values]  # fifteen digits survive a double
        except ValueError:
            pass
    return [_decimal(value.strip(b" \0").decode("latin-1")) for value in values]


def _decimal(text: str) -> float | str | None:
    try:
        number = float(text)
        exact = isfinite(number) and Decimal(text) == Decimal(repr(number))
    except (ValueError, InvalidOperation):
        return text or None
    return number if exact and not _NOT_NUMERIC.search(text) else text


def convert_integer(raw: bytes, decode: Decode, order: str) -> list[Any] | None:
    """IS: a number where it is one that JSON readers keep exactly, else the string."""
    stripped = raw.strip(b" \0")
    if not stripped:
        return None
    if stripped.isdigit() and len(stripped) < 16:
        return [int(stripped)]
    return [_integer(value) for value in stripped.split(b"\\")]


def _integer(raw: bytes) -> int | str | None:
    value = raw.strip(b" \0")
    if not value:
        return None
    if len(value) < 17 and value.lstrip(b"+-").isdigit():
        try:
            return int(value)
        except ValueError:
            pass
    return value.decode("latin-1")


def _numbers(code: str, size: int) -> Convert:
    one = {order: Struct(order + code).unpack for order in "<>"}

    def convert(raw: bytes, decode: Decode, order: str) -> list[Any]:
        if len(raw) == size:
            return list(one[order](raw))
        if len(raw) % size:
            raise ValueError("length is no multiple of the value's size")
        return list(unpack(f"{order}{len(raw) // size}{code}", raw))

    return convert


def _floats(code: str, size: int) -> Convert:
    numbers = _numbers(code, size)

    def convert(raw: bytes, decode: Decode, order: str) -> list[Any]:
        values: list[Any] = numbers(raw, decode, order)
        if all(map(isfinite, values)):
            return values
        return [value if isfinite(value) else _NAMES[repr(value)] for value in values]

    return convert


_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _large_integers(code: str) -> Convert:
    numbers = _numbers(code, 8)

    def convert(raw: bytes, decode: Decode, order: str) -> list[Any]:
        values: list[Any] = numbers(raw, decode, order)
        return [value if abs(value) <= _LARGEST_EXACT else str(value) for value in values]

    return convert


def convert_tag(raw: bytes, decode: Decode, order: str) -> list[str]:
    """AT: eight hexadecimal digits a value."""
    if len(raw) % 4:
        raise ValueError("length is no multiple of the value's size")
    halves = unpack(f"{order}{len(raw) // 2}H", raw)
    return [f"{a:04X}{b:04X}" for a, b in zip(halves[::2], halves[1::2], strict=True)]


def _binary(unit: int) -> Convert:
    def convert(raw: bytes, decode: Decode, order: str) -> str:
        return b64encode(swapped(raw, unit) if order == ">" else raw).decode("ascii")

    return convert


def swapped(raw: bytes, unit: int) -> bytes:
    """The same words in the other byte order; what does not fill a word stays as it is."""
    if unit == 1:
        return raw
    whole = len(raw) // unit * unit
    result = bytearray(raw)
    for index in range(unit):
        result[index:whole:unit] = raw[unit - 1 - index : whole : unit]
    return bytes(result)


CONVERTERS: dict[str, Convert] = {
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM", "UI"), convert_plain),
    **dict.fromkeys(("LO", "SH", "UC"), convert_text),
    **dict.fromkeys(("LT", "ST", "UT"), convert_long_text),
    "UR": convert_uri,
    "PN": convert_name,
    "DS": convert_decimal,
    "IS": convert_integer,
    "AT": convert_tag,
    "FL": _floats("f", 4),
    "FD": _floats("d", 8),
    "SL": _numbers("i", 4),
    "SS": _numbers("h", 2),
    "UL": _numbers("I", 4),
    "US": _numbers("H", 2),
    "SV": _large_integers("q"),
    "UV": _large_integers("Q"),
    **{
        vr: _binary(unit)
        for vr, unit in {"OB": 1, "UN": 1, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.items()
    },
}

"""Values of the numeric VRs, and AT, as DICOM JSON has them (PS3.18 F.2.3).

A number that JSON readers may not keep exactly, and one that JSON has no word for, is a string.
A converter raises ValueError where the bytes are not of its VR.
"""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from math import isfinite
from struct import Struct, unpack
from typing import Any

from hounsfield.archive.charset import Decode

Convert = Callable[[bytes, Decode, str], Any]
"""(value bytes, decoder of the data set's character set, byte order ``<`` or ``>``)"""

_LARGEST_EXACT = 2**53 - 1
_PLAIN_DECIMAL = b"0123456789+-. \\"
_NOT_NUMERIC = re.compile(r"[^0-9+\-.eE]")


def convert_decimal(raw: bytes, decode: Decode, order: str) -> list[Any] | None:
    """DS: a number where that loses nothing, else the string as it stands."""
    stripped = raw.strip(b" \0")
    if not stripped:
        return None
    values = stripped.split(b"\\")
    if not stripped.translate(None, _PLAIN_DECIMAL):
        try:
            return [float(value) if len(value) < 16 else _exact(value) for value in values]
        except ValueError:
            pass
    return [_decimal(value.strip(b" \0").decode("latin-1")) for value in values]


def _exact(value: bytes) -> float | str:
    """A number without an exponent: fifteen significant digits always survive a double."""
    number = float(value)
    if len(value.strip(b" +-0.").replace(b".", b"")) <= 15:
        return number
    text = value.strip().decode()
    return number if repr(number) == text or Decimal(text) == Decimal(repr(number)) else text


def _decimal(text: str) -> float | str | None:
    if not text or _NOT_NUMERIC.search(text):
        return text or None
    try:
        number = float(text)
        return number if Decimal(text) == Decimal(repr(number)) else text
    except (ValueError, InvalidOperation):
        return text


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


def integers(code: str, size: int) -> Convert:
    """SL SS UL US: the converter for a code of :mod:`struct` and its size."""
    one = {order: Struct(order + code).unpack for order in "<>"}

    def convert(raw: bytes, decode: Decode, order: str) -> list[Any]:
        if len(raw) == size:
            return list(one[order](raw))
        if len(raw) % size:
            raise ValueError("length is no multiple of the value's size")
        return list(unpack(f"{order}{len(raw) // size}{code}", raw))

    return convert


def floats(code: str, size: int) -> Convert:
    """FL FD: JSON has no word for what is not finite, so that is a string."""
    convert_all = integers(code, size)

    def convert(raw: bytes, decode: Decode, order: str) -> list[Any]:
        values: list[Any] = convert_all(raw, decode, order)
        if all(map(isfinite, values)):
            return values
        return [value if isfinite(value) else _NAMES[repr(value)] for value in values]

    return convert


_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def large_integers(code: str) -> Convert:
    """SV UV: beyond 53 bits a string, for JSON readers make doubles of numbers."""
    convert_all = integers(code, 8)

    def convert(raw: bytes, decode: Decode, order: str) -> list[Any]:
        values: list[Any] = convert_all(raw, decode, order)
        return [value if abs(value) <= _LARGEST_EXACT else str(value) for value in values]

    return convert


def convert_tag(raw: bytes, decode: Decode, order: str) -> list[str]:
    """AT: eight hexadecimal digits a value."""
    if len(raw) % 4:
        raise ValueError("length is no multiple of the value's size")
    halves = unpack(f"{order}{len(raw) // 2}H", raw)
    return [f"{a:04X}{b:04X}" for a, b in zip(halves[::2], halves[1::2], strict=True)]

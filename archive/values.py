"""Values of every VR: from their bytes to what DICOM JSON has for them (PS3.18 F.2).

Both engines (the scanner and pydicom's reader) convert here, so that they cannot disagree on a
value. A converter returns None where nothing but padding is there.
"""

from base64 import b64encode

from hounsfield.archive.charset import Decode
from hounsfield.archive.dicom_json import Element, swapped
from hounsfield.archive.number_values import (
    Convert,
    convert_decimal,
    convert_integer,
    convert_tag,
    floats,
    integers,
    large_integers,
)

_PADDING = " \0"


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


def _binary(unit: int) -> Convert:
    def convert(raw: bytes, decode: Decode, order: str) -> str:
        return b64encode(swapped(raw, unit) if order == ">" else raw).decode("ascii")

    return convert


CONVERTERS: dict[str, Convert] = {
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM", "UI"), convert_plain),
    **dict.fromkeys(("LO", "SH", "UC"), convert_text),
    **dict.fromkeys(("LT", "ST", "UT"), convert_long_text),
    "UR": convert_uri,
    "PN": convert_name,
    "DS": convert_decimal,
    "IS": convert_integer,
    "AT": convert_tag,
    "FL": floats("f", 4),
    "FD": floats("d", 8),
    "SL": integers("i", 4),
    "SS": integers("h", 2),
    "UL": integers("I", 4),
    "US": integers("H", 2),
    "SV": large_integers("q"),
    "UV": large_integers("Q"),
    **{
        vr: _binary(unit)
        for vr, unit in {"OB": 1, "UN": 1, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.items()
    },
}

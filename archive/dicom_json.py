"""DICOM JSON Model (PS3.18 Annex F): names of members, bulk data elements, reading values back."""

from typing import Any

import orjson
from pydicom._dicom_dict import DicomDictionary

Element = dict[str, Any]
Members = dict[str, Any]

INSTANCE_URI = b"\xfe"
"""Stands for the instance's URI while a data set is read: its UIDs may come later."""

_MOST_KEYS = 32 * 1024


def bulk_element(vr: str, path: str) -> orjson.Fragment:
    """An element whose value is fetched from a URI (F.2.6)."""
    text = f'{{"vr":"{vr}","BulkDataURI":"\0/bulkdata/{path}"}}'
    return orjson.Fragment(text.encode("ascii").replace(b"\0", INSTANCE_URI))


def written_together(items: list[Any]) -> orjson.Fragment:
    """Items of a sequence as bytes, which are a tenth of the size: they stand as one in a list."""
    return orjson.Fragment(orjson.dumps(items)[1:-1])


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


def swapped(raw: bytes, unit: int) -> bytes:
    """The same words in the other byte order; what does not fill a word stays as it is."""
    if unit == 1:
        return raw
    whole = len(raw) // unit * unit
    result = bytearray(raw)
    for index in range(unit):
        result[index:whole:unit] = raw[unit - 1 - index : whole : unit]
    return bytes(result)

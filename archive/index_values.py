"""Values of administered attributes: read from the DICOM JSON that the archive keeps anyway.

What is stored now and what was stored before goes through the same function, so that a search
finds both alike.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from hounsfield.archive.date_times import forms
from hounsfield.archive.index_text import plain, without_controls
from hounsfield.archive.metadata import BASE_URL, members_of
from hounsfield.db.repositories.index_attributes import FoundValue, IndexAttribute

MOST_BYTES = 2000
"""An entry of an index has its bounds: of a longer value this much is indexed."""
MOST_VALUES = 1000
"""Of one attribute in one instance."""
NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
FIRST_BLOCK, LAST_BLOCK = 0x10, 0xFF


def find_values(kept: bytes, attributes: Sequence[IndexAttribute]) -> list[FoundValue]:
    """What an instance's kept metadata hold of these attributes, each value once."""
    written = members_of(kept)
    wanted = [each for each in attributes if each.private_creator or _first_key(each) in written]
    if not wanted:
        return []
    members = orjson.loads(b"{%b}" % written.replace(BASE_URL, b""))
    return [value for attribute in wanted for value in _values(members, attribute)]


def normal(vr: str, value: object) -> str | None:
    """A value as the index has it, in whatever way it is written; None for one that is none."""
    if vr in NUMBERS:
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            return None
        if not number.is_finite() or abs(number.adjusted()) > MOST_BYTES // 2:
            return None
        return format(number.normalize() if number else Decimal(0), "f")
    text = without_controls(plain(value))
    return text.casefold() if vr == "PN" else text.upper() if vr == "AT" else text


def _first_key(attribute: IndexAttribute) -> bytes:
    return b'"%b":{' % attribute.path[:8].encode()


def _values(members: dict[str, Any], attribute: IndexAttribute) -> Iterator[FoundValue]:
    seen: set[tuple[tuple[int, ...], str]] = set()
    for item, value in _walk(members, attribute.path.split("."), attribute.private_creator, ()):
        text = normal(attribute.vr, value) or ""
        for form in forms(text) if attribute.vr == "DT" else [text]:
            key = (item, form.encode()[:MOST_BYTES].decode(errors="ignore"))
            if form and len(seen) < MOST_VALUES and key not in seen:
                seen.add(key)
                yield FoundValue(attribute.id, *key)


def _walk(
    members: dict[str, Any], path: Sequence[str], creator: str, item: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Values at the end of a path, each with the number of the item in every sequence passed."""
    element = members.get(_tag_here(members, path[0], creator))
    values = element.get("Value", []) if isinstance(element, dict) else []
    for n, value in enumerate(values):
        if len(path) == 1:
            yield item, value
        elif isinstance(value, dict):
            yield from _walk(value, path[1:], creator, (*item, n))


def _tag_here(members: dict[str, Any], tag: str, creator: str) -> str:
    """A private attribute lies in the block that its creator reserved (PS3.5 7.8.1)."""
    if not creator or not int(tag[3], 16) % 2:
        return tag
    for block in range(FIRST_BLOCK, LAST_BLOCK + 1):
        element = members.get(f"{tag[:4]}00{block:02X}", {})
        if creator in element.get("Value", []):
            return f"{tag[:4]}{block:02X}{tag[6:]}"
    return ""

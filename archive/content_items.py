"""Content items of a structured report (PS3.3 C.17.3, C.18) in DICOM JSON: what each one says.

What a writer left out or got wrong becomes an empty string and never an error.
"""

from collections.abc import Iterator
from typing import Any

VALUE_TYPE = "0040A040"
CONTENT = "0040A730"
CONCEPT_NAME = "0040A043"
CONCEPT_CODE = "0040A168"
REFERENCED_ITEM = "0040DB73"
PERSON_NAME = "0040A123"
MEASURED_VALUE = "0040A300"
NUMERIC_VALUE = "0040A30A"
UNITS = "004008EA"
QUALIFIER = "0040A301"
REFERENCED_SOP = "00081199"
SOP_INSTANCE_UID = "00081155"
FRAME_NUMBER = "00081160"
SEGMENT_NUMBER = "0062000B"
GRAPHIC_TYPE = "00700023"
GRAPHIC_DATA = "00700022"
RANGE_TYPE = "0040A130"
CODE_VALUES = ("00080100", "00080119", "00080120")
CODE_MEANING = "00080104"

TEXTS = {
    "TEXT": "0040A160",
    "DATE": "0040A121",
    "TIME": "0040A122",
    "DATETIME": "0040A120",
    "UIDREF": "0040A124",
}

Item = dict[str, Any]


def value_type(item: Item) -> str:
    """CONTAINER, TEXT, NUM and so on; empty for an item by reference, or for no item."""
    return text(item, VALUE_TYPE)


def concept(item: Item) -> str:
    """The name of the item, as people read it."""
    return _meaning(_first(item, CONCEPT_NAME))


def concept_code(item: Item) -> str:
    """The code of the item's name."""
    return _code_value(_first(item, CONCEPT_NAME))


def children(item: Item) -> Iterator[Item]:
    """The items below this one."""
    return _items(item, CONTENT)


def value(item: Item) -> str:
    """What the item says, by its value type."""
    kind = value_type(item)
    if kind in TEXTS:
        return text(item, TEXTS[kind])
    if kind in _READERS:
        return _READERS[kind](item)
    path = ".".join(str(number) for number in _values(item, REFERENCED_ITEM))
    return f"see item {path}" if path else ""


def number(item: Item) -> tuple[float | None, str]:
    """A numeric value and its unit; None where it was not measured."""
    measured = _first(item, MEASURED_VALUE)
    unit = _first(measured, UNITS)
    try:
        found = float(text(measured, NUMERIC_VALUE))
    except ValueError:
        found = None
    return found, _code_value(unit) or _meaning(unit)


def text(item: Item, tag: str) -> str:
    """The first value of an attribute."""
    values = _values(item, tag)
    return str(values[0]) if values and values[0] is not None else ""


def _code(item: Item) -> str:
    return _meaning(_first(item, CONCEPT_CODE))


def _numeric(item: Item) -> str:
    found = text(_first(item, MEASURED_VALUE), NUMERIC_VALUE)
    shown = f"{found} {number(item)[1]}".strip() if found else ""
    qualifier = _meaning(_first(item, QUALIFIER))
    return f"{shown} ({qualifier})".strip() if qualifier else shown


def _person(item: Item) -> str:
    name = _first(item, PERSON_NAME).get("Alphabetic", "")
    return str(name).replace("^", " ").strip()


def _reference(item: Item) -> str:
    sop = _first(item, REFERENCED_SOP)
    parts = [text(sop, SOP_INSTANCE_UID)]
    for word, tag in (("frame", FRAME_NUMBER), ("segment", SEGMENT_NUMBER)):
        if numbers := ", ".join(str(each) for each in _values(sop, tag)):
            parts.append(f"{word} {numbers}")
    return ", ".join(part for part in parts if part)


def _shape(item: Item) -> str:
    return f"{text(item, GRAPHIC_TYPE).lower()}, {len(_values(item, GRAPHIC_DATA))} coordinates"


def _range(item: Item) -> str:
    return text(item, RANGE_TYPE).lower()


_READERS = {
    "CODE": _code,
    "NUM": _numeric,
    "PNAME": _person,
    "IMAGE": _reference,
    "COMPOSITE": _reference,
    "WAVEFORM": _reference,
    "SCOORD": _shape,
    "SCOORD3D": _shape,
    "TCOORD": _range,
}


def _code_value(code: Item) -> str:
    return next((found for tag in CODE_VALUES if (found := text(code, tag))), "")


def _meaning(code: Item) -> str:
    return text(code, CODE_MEANING) or _code_value(code)


def _first(item: Item, tag: str) -> Item:
    return next(_items(item, tag), {})


def _items(item: Item, tag: str) -> Iterator[Item]:
    return (each for each in _values(item, tag) if isinstance(each, dict))


def _values(item: Item, tag: str) -> list[Any]:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []

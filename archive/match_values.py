"""The value of a matching key, by its VR: how it matches, and what it is held against (C.2.2.2)."""

import re
from collections.abc import Callable

from hounsfield.archive.errors import InvalidQuery
from hounsfield.archive.index_values import normal
from hounsfield.db.repositories.conditions import Operator

LAST_OF_TIME = "235959.999999"

Parsed = tuple[Operator, tuple[str, ...]]
"""How a value matches, and what it is held against."""


def _uids(name: str, value: str) -> Parsed:
    """List of UID matching (C.2.2.2.2); PS3.18 8.3.4.1 separates by comma, DIMSE by backslash."""
    uids = tuple(uid.strip(" \0") for uid in re.split(r"[,\\]", value))
    if not all(re.fullmatch(r"[0-9.]{1,64}", uid) for uid in uids):
        raise InvalidQuery(f"{name}: {value!r} is not a list of UIDs")
    return "in", uids


def _codes(name: str, value: str) -> Parsed:
    values = tuple(part.strip(" ") for part in re.split(r"[,\\]", value))
    if any("*" in part or "?" in part for part in values):
        return "like", tuple(_pattern(part) for part in values)
    return "in", values


def _modalities(name: str, value: str) -> Parsed:
    """Modalities in Study: any of the values (C.3.4)."""
    operator, values = _codes(name, value)
    if operator == "like":
        raise InvalidQuery(f"{name} takes modalities without wildcards")
    return "modalities", values


def _text(name: str, value: str) -> Parsed:
    """Single value or wildcard matching (C.2.2.2.1, C.2.2.2.4)."""
    if "*" in value or "?" in value:
        return "like", (_pattern(value.strip(" ")),)
    return "in", (value.strip(" "),)


def _person_name(name: str, value: str) -> Parsed:
    """As text, but without regard to case (C.2.2.2.1); empty components do not count."""
    folded = value.strip(" ").casefold()
    if "*" in folded or "?" in folded:
        return "like", (_pattern(folded),)
    bare = _escape(folded.rstrip("^"))
    return "like", (bare, f"{bare}^", f"{bare}=%", f"{bare}^=%")


def _integer(name: str, value: str) -> Parsed:
    if not re.fullmatch(r" *[+-]?\d{1,12} *", value):
        raise InvalidQuery(f"{name}: {value!r} is not an integer")
    return "in", (str(int(value)),)


def _date(name: str, value: str) -> Parsed:
    """Range matching with open ends (C.2.2.2.5.1)."""
    found = re.fullmatch(r" *(\d{8})? *(-)? *(\d{8})? *", value)
    if found is None or not (found[1] or found[3]):
        raise InvalidQuery(f"{name}: {value!r} is not a date (YYYYMMDD) or a range of dates")
    if found[2] is None:
        return "in", (found[1],)
    return "range", (found[1] or "", found[3] or "")


def _time(name: str, value: str) -> Parsed:
    """Range matching; a bound that names no seconds means the whole minute (C.2.2.2.5.2)."""
    part = r"(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?"
    found = re.fullmatch(rf" *{part} *(-)? *{part} *", value)
    if found is None or not (found[1] or found[3]):
        raise InvalidQuery(f"{name}: {value!r} is not a time (HHMMSS) or a range of times")
    lower, upper = (found[1] or "", found[3] or "") if found[2] else (found[1], found[1])
    return "range", (lower, upper + LAST_OF_TIME[len(upper) :] if upper else "")


def _escape(value: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", value)


def _pattern(value: str) -> str:
    """An asterisk stands for any run of characters, a question mark for one."""
    return _escape(value).replace("*", "%").replace("?", "_")


def _number(name: str, value: str) -> Parsed:
    """By what the number is, not by how it is written (C.2.2.2.1)."""
    if (number := normal("DS", value)) is None:
        raise InvalidQuery(f"{name}: {value!r} is not a number")
    return "in", (number,)


def _tag(name: str, value: str) -> Parsed:
    if not re.fullmatch(r"[0-9A-Fa-f]{8}", value):
        raise InvalidQuery(f"{name}: {value!r} is not a tag")
    return "in", (value.upper(),)


PARSERS: dict[str, Callable[[str, str], Parsed]] = {
    **dict.fromkeys(("AE", "AS", "LO", "SH", "ST", "UC", "UR"), _text),
    **dict.fromkeys(("DS", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"), _number),
    "AT": _tag,
    "CS": _codes,
    "DA": _date,
    "IS": _integer,
    "MODALITIES": _modalities,
    "PN": _person_name,
    "TM": _time,
    "UI": _uids,
}
INDEXABLE = frozenset(PARSERS) - {"MODALITIES"} | {"DT"}
"""Value representations that an administrator may have indexed."""

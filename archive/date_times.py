"""Values of DT and ranges of them, with the offset from UTC that they may carry (PS3.5 6.2).

What carries an offset is indexed twice: as it is written behind a W, and in UTC behind a Z. A
search without an offset goes by what is written; one with an offset by UTC, and a value without
one is taken to be in the zone of the search (PS3.4 C.2.2.2.5.3).
"""

import re
from calendar import monthrange
from datetime import datetime, timedelta

from hounsfield.archive.errors import InvalidQuery

FIRST = "00010101000000.000000"
LAST = "99991231235959.999999"
WRITTEN, IN_UTC = "W", "Z"

_OFFSET = r"([+-](?:0\d|1[0-4])[0-5]\d)?"
_MOMENT = r"(\d{4}(?:\d{2}){0,5}(?:\.\d{1,6})?)"
_VALUE = re.compile(_MOMENT + _OFFSET)
_RANGE = re.compile(rf" *(?:{_MOMENT}{_OFFSET})? *(-)? *(?:{_MOMENT}{_OFFSET})? *")
"""A hyphen and four digits that may be an offset are one (PS3.5 6.2)."""

Bounds = tuple[str, str]


def forms(value: str) -> list[str]:
    """What a stored value is indexed as."""
    found = _VALUE.fullmatch(value.strip())
    if found is None or not found[2]:
        return [value]
    utc = _utc(found[1], found[2], FIRST)
    return [WRITTEN + found[1], *([IN_UTC + utc] if utc else [])]


def ranges(name: str, value: str) -> list[Bounds]:
    """The ranges of the index, in any of which a value matches."""
    found = _RANGE.fullmatch(value)
    if found is None or not (found[1] or found[4]):
        raise InvalidQuery(f"{name}: {value!r} is not a date with time, or a range of them")
    if not found[3] and found[4]:
        raise InvalidQuery(f"{name}: {value!r} are two dates without a hyphen between them")
    lower, upper = (found[1] or "", found[4] or "") if found[3] else (found[1], found[1])
    as_written = (lower or "0", upper + LAST[len(upper) :])
    if not (found[2] or found[5]):
        return [as_written, _behind(WRITTEN, as_written)]
    first, last = found[2] or found[5], found[5] or found[2]
    utc = (
        _utc(lower, first, FIRST) if lower else "0",
        _utc(upper, last, LAST) if upper else LAST,
    )
    if not all(utc):
        raise InvalidQuery(f"{name}: {value!r} holds no moment")
    return [as_written, _behind(IN_UTC, utc)]


def _behind(letter: str, bounds: Bounds) -> Bounds:
    return letter + bounds[0], letter + bounds[1]


def _utc(moment: str, offset: str, filling: str) -> str:
    """A moment in UTC, what it leaves open filled in; empty where it is none."""
    whole = moment + filling[len(moment) :]
    year, month = int(whole[:4]), int(whole[4:6])
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    try:
        day = min(int(whole[6:8]), monthrange(year, month)[1])
        hour, minute, second = (int(whole[start : start + 2]) for start in (8, 10, 12))
        second = min(second, 59)  # a leap second has no room in a datetime
        local = datetime(year, month, day, hour, minute, second, int(whole[15:21].ljust(6, "0")))  # noqa: DTZ001
        utc = local - timedelta(minutes=-minutes if offset[0] == "-" else minutes)
    except (ValueError, OverflowError):
        return ""
    return f"{utc.year:04}{utc:%m%d%H%M%S.%f}"

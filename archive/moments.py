"""Dates with times: one range of both, and in whose time zone (PS3.4 C.2.2.2.5, C.5.2 and on).

Where a search names its offset from UTC, its bounds are written for every offset that a study or
series may have; one that says no offset is taken to have that of the search.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from hounsfield.archive.errors import InvalidQuery
from hounsfield.archive.match_values import LAST_OF_TIME
from hounsfield.db.repositories.conditions import Condition, Test, ValueCondition

TIMEZONE = ("00080201",)
DATES_AND_TIMES = (
    ("study_date", "study_time"),
    ("performed_procedure_step_start_date", "performed_procedure_step_start_time"),
)
FIRST_OFFSET, LAST_OFFSET, STEP = -12 * 60, 14 * 60, 15
"""Offsets from UTC in minutes (PS3.3 C.12.1.1.8)."""
FIRST_MOMENT, LAST_MOMENT = "00010102000000", "99991230"

Conditions = Sequence[Condition | ValueCondition]


def combine(conditions: Conditions, offset: str = "") -> list[Condition | ValueCondition]:
    """Ranges of a date and of its time become one range; with an offset, in that zone."""
    combined = list(conditions)
    pairs = [(_of(combined, date), _of(combined, time)) for date, time in DATES_AND_TIMES]
    if offset:
        _check_offset(offset, pairs)
    for of_date, of_time in pairs:
        if of_date is None:
            continue
        if of_time is not None and _is_range(of_date.tests) and _is_range(of_time.tests):
            test = Test("moments", (*_bounds(of_date), *_bounds(of_time)))
        elif not offset:
            continue
        bounds = (*_bounds(of_date), *(_bounds(of_time) if of_time else ("", "")))
        if offset:
            test = Test("zoned", _zoned(bounds, offset))
        combined = [each for each in combined if each not in (of_date, of_time)]
        combined.append(Condition(of_date.entity, of_date.column, (test,)))
    return combined


def _check_offset(offset: str, pairs: Sequence[tuple[Condition | None, Condition | None]]) -> None:
    """An offset says something of dates, and of ranges of times beside them, alone."""
    if not re.fullmatch(r"[+-](0\d|1[0-4])[0-5]\d", offset):
        raise InvalidQuery(f"TimezoneOffsetFromUTC: {offset!r} is no offset (+HHMM or -HHMM)")
    named = [pair for pair in pairs if any(pair)]
    if not named or not all(
        of_date and _is_dates(of_date.tests) and (of_time is None or _is_range(of_time.tests))
        for of_date, of_time in named
    ):
        raise InvalidQuery("TimezoneOffsetFromUTC takes a date, and a range of times beside it")


def _of(conditions: Conditions, column: str) -> Condition | None:
    found = (e for e in conditions if isinstance(e, Condition) and e.column == column)
    return next(found, None)


def _bounds(condition: Condition) -> tuple[str, str]:
    """First and last date: a single one is both."""
    values = condition.tests[0].values
    return values[0], values[-1]


def _is_dates(tests: tuple[Test, ...]) -> bool:
    return len(tests) == 1 and tests[0].operator in ("in", "range")


def _is_range(tests: tuple[Test, ...]) -> bool:
    """One range. A time alone is one too, of its own length: it stays by itself."""
    if len(tests) != 1 or tests[0].operator != "range":
        return False
    lower, upper = tests[0].values
    return not lower or upper != lower + LAST_OF_TIME[len(lower) :]


def _zoned(values: tuple[str, str, str, str], offset: str) -> tuple[str, ...]:
    """Dates between which the index looks, dates for what has no time, and bounds each offset."""
    since, until, lower, upper = values
    first = _moment(since, lower.ljust(6, "0")[:6]) if since else None
    last = _moment(until, (upper or LAST_OF_TIME)[:6]) if until else None
    rows = []
    for minutes in range(FIRST_OFFSET, LAST_OFFSET + STEP, STEP):
        shift = timedelta(minutes=minutes - _minutes(offset))
        rows += [_written(minutes), _shifted(first, shift), _shifted(last, shift)]
    day = timedelta(days=2)
    near = (_shifted(first, -day)[:8], _shifted(last, day)[:8])
    return (*near, since, until, offset, *rows)


def _moment(date: str, time: str) -> datetime:
    try:
        return datetime.strptime(date + time, "%Y%m%d%H%M%S")  # noqa: DTZ007 - a zone of its own
    except ValueError:
        raise InvalidQuery(f"{date} {time} is no date with a time") from None


def _shifted(moment: datetime | None, shift: timedelta) -> str:
    if moment is None:
        return ""
    try:
        return f"{moment + shift:%Y%m%d%H%M%S}".zfill(14)
    except OverflowError:
        return LAST_MOMENT if shift > timedelta() else FIRST_MOMENT


def _minutes(offset: str) -> int:
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    return -minutes if offset[0] == "-" else minutes


def _written(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"

"""Matching keys as SQL: what a search asks for, ready for the index, and the clauses that ask it.

A new way of matching is a function in ``_TESTS``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain, takewhile
from typing import Literal

from hounsfield.db.repositories.trigrams import trigrams_of
from hounsfield.db.tables import TRIGRAMS_OF, Base

Value = str | int | list[str]
Operator = Literal["in", "like", "range", "moments", "zoned", "modalities", "similar", "empty"]


class Level(Enum):
    """What one item of the answer is."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Test:
    """One way in which a value may match.

    ``range`` takes two bounds, either of them empty for an open end; ``moments`` those of a date
    and then those of its time; ``zoned`` two dates that are far enough apart, the two of the
    search and its offset from UTC, and then an offset and two moments again and again; ``like``
    takes patterns of LIKE; ``similar`` the words of a name; ``modalities`` is true for a study
    that has any series of any of the values.
    """

    operator: Operator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One matching key, ready for the index: true where any of the tests is."""

    entity: Level
    column: str
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class ValueCondition:
    """A matching key whose values stand in rows of their own: an administered attribute."""

    entity: Level
    attribute_id: int
    path: tuple[str, ...]
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition as SQL on one table, with a value for each ``%s``."""

    table: Level
    text: str
    values: tuple[Value, ...]


def clauses_of(conditions: Sequence[Condition | ValueCondition]) -> Iterator[Clause]:
    """Conditions on items of one sequence become one clause: the same item has to fulfil them."""
    together: dict[tuple[Level, str], list[ValueCondition]] = {}
    for condition in conditions:
        if isinstance(condition, Condition):
            yield Clause(condition.entity, *_any(_column(condition), condition.tests))
        elif EMPTY in condition.tests:
            yield _without_values(condition)
        elif len(condition.path) > 1:
            together.setdefault((condition.entity, condition.path[0]), []).append(condition)
        else:
            yield _with_values([condition])
    yield from map(_with_values, together.values())


def _with_values(conditions: Sequence[ValueCondition]) -> Clause:
    """Values of one owner, and below one sequence of one item, that fulfil every condition."""
    entity, first = conditions[0].entity, conditions[0].path
    tables, texts, values = [], [], list[Value]()
    for n, condition in enumerate(conditions):
        text, wanted = _any(f"v{n}.value", condition.tests)
        tables.append(f"{entity.value}_value AS v{n}")
        texts.append(f"v{n}.owner_pk = {entity.value}.id AND v{n}.attribute_id = %s AND {text}")
        values += [condition.attribute_id, *wanted]
        if n:
            pairs = zip(first[:-1], condition.path[:-1], strict=False)
            depth = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
            texts.append(f"v{n}.item[1:{depth}] = v0.item[1:{depth}]")
    return Clause(
        entity,
        f"EXISTS (SELECT FROM {', '.join(tables)} WHERE {' AND '.join(texts)})",
        tuple(values),
    )


def _without_values(condition: ValueCondition) -> Clause:
    """No value at all, or another test that is fulfilled beside it."""
    table = condition.entity.value
    none = (
        f"NOT EXISTS (SELECT FROM {table}_value AS v WHERE v.owner_pk = {table}.id "
        "AND v.attribute_id = %s)"
    )
    others = tuple(test for test in condition.tests if test != EMPTY)
    if not others:
        return Clause(condition.entity, none, (condition.attribute_id,))
    some = _with_values([replace(condition, tests=others)])
    return Clause(
        condition.entity, f"({none} OR {some.text})", (condition.attribute_id, *some.values)
    )


def _column(condition: Condition) -> str:
    """The column's name in SQL. It has to be one of its table's."""
    table = condition.entity.value
    return f"{table}.{Base.metadata.tables[table].columns[condition.column].name}"


Piece = tuple[str, tuple[Value, ...]]
"""A condition as SQL, and a value for each ``%s``."""


def _any(column: str, tests: Sequence[Test]) -> Piece:
    pieces = [_TESTS[test.operator](column, test.values) for test in tests]
    if len(pieces) == 1:
        return pieces[0]
    texts, values = zip(*pieces, strict=True)
    return f"({' OR '.join(texts)})", tuple(chain.from_iterable(values))


def _in(column: str, values: tuple[str, ...]) -> Piece:
    if len(values) == 1:
        return f"{column} = %s", values
    return f"{column} = ANY(%s)", (list(values),)


def _like(column: str, patterns: tuple[str, ...]) -> Piece:
    """Any of the patterns; trigrams find the rows where a pattern does not start with letters."""
    texts, values = [], list[Value]()
    for pattern in patterns:
        trigrams = trigrams_of(pattern) if pattern[:1] in "%_" and column in _WITH_TRIGRAMS else []
        if trigrams:
            texts.append(f"trigrams({column}) @> %s AND {column} LIKE %s")
            values += [trigrams, pattern]
        else:
            texts.append(f"{column} LIKE %s")
            values.append(pattern)
    return f"({' OR '.join(texts)})", tuple(values)


def _range(column: str, bounds: tuple[str, ...]) -> Piece:
    lower, upper = bounds
    if lower and upper:
        return f"{column} BETWEEN %s AND %s", (lower, upper)
    if lower:
        return f"{column} >= %s", (lower,)
    return f"({column} > '' AND {column} <= %s)", (upper,)


def _moments(column: str, bounds: tuple[str, ...]) -> Piece:
    """Date and time as one (Combined Datetime Matching). The date's own range has the index."""
    since, until, lower, upper = bounds
    moment = f"({column}, {column.replace('_date', '_time')})"
    text, values = _range(column, (since, until))
    texts, wanted = [text], list(values)
    if since and lower:
        texts.append(f"{moment} >= (%s, %s)")
        wanted += [since, lower]
    if until and upper:
        texts.append(f"{moment} <= (%s, %s)")
        wanted += [until, upper]
    return " AND ".join(texts), tuple(wanted)


def _zoned(column: str, bounds: tuple[str, ...]) -> Piece:
    """Moments in the time zone of each study or series. The dates alone have the index.

    What has no time is matched by its date.
    """
    near, dates, offset, rows = bounds[:2], bounds[2:4], bounds[4], bounds[5:]
    table, time = column.split(".", maxsplit=1)[0], column.replace("_date", "_time")
    own = (
        f"coalesce(substring(convert_from({table}.attributes, 'UTF8') "
        'from \'"00080201":[{]"vr":"SH","Value":[[]"([+-][0-9]{4})"\'), %s)'
    )
    by_index, near_values = _range(column, near)
    by_date, date_values = _range(column, dates)
    text = (
        f"{by_index} AND CASE WHEN {time} = '' THEN {by_date} ELSE EXISTS ("
        "SELECT FROM unnest(%s::text[], %s::text[], %s::text[]) AS zone(own, since, until) "
        f"WHERE zone.own = {own} AND {column} || rpad({time}, 6, '0') >= zone.since AND "
        f"(zone.until = '' OR left({column} || rpad({time}, 6, '0'), 14) <= zone.until)) END"
    )
    zones = (list(rows[::3]), list(rows[1::3]), list(rows[2::3]))
    return text, (*near_values, *date_values, *zones, offset)


def _similar(column: str, words: tuple[str, ...]) -> Piece:
    """Every word is like one of the name's (function ``name_keys``, third migration)."""
    return " AND ".join([f"name_keys({column}) && asked_keys(%s)"] * len(words)), words


def _modalities(column: str, values: tuple[str, ...]) -> Piece:
    return (
        f"EXISTS (SELECT FROM series AS member WHERE member.study_pk = {column} "
        "AND member.modality = ANY(%s))",
        (list(values),),
    )


def _empty(column: str, _values: tuple[str, ...]) -> Piece:
    if column == "study.id":  # Modalities in Study, which is no column
        return (
            f"NOT EXISTS (SELECT FROM series AS member WHERE member.study_pk = {column} "
            "AND member.modality <> '')",
            (),
        )
    return f"{column} = ''", ()


_TESTS: dict[Operator, Callable[[str, tuple[str, ...]], Piece]] = {
    "in": _in,
    "like": _like,
    "range": _range,
    "moments": _moments,
    "zoned": _zoned,
    "similar": _similar,
    "modalities": _modalities,
    "empty": _empty,
}

EMPTY = Test("empty")

_WITH_TRIGRAMS = frozenset(f"study.{column}" for column in TRIGRAMS_OF)

"""The search statements: one page of one level, with the counts that are computed, not kept.

Text is joined from pieces that stand here; what a client sent travels as parameters alone, so the
text of a search depends on its shape only and PostgreSQL prepares it once. A new way of matching
is a function in ``_TESTS``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain, takewhile
from typing import Literal

from hounsfield.db.reader import Reader, Rows
from hounsfield.db.repositories.retrieve import SERIES_OF_STUDY, STUDY
from hounsfield.db.repositories.trigrams import trigrams_of
from hounsfield.db.tables import TRIGRAMS_OF, Base

Value = str | int | list[str]
Operator = Literal["in", "like", "range", "moments", "modalities", "similar", "empty"]


class Level(Enum):
    """What one item of the answer is."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the archive that the resource's path names."""

    study_instance_uid: str | None = None
    series_instance_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """One way in which a value may match.

    ``range`` takes two bounds, either of them empty for an open end; ``moments`` those of a date
    and then those of its time; ``like`` takes patterns of LIKE; ``similar`` takes the words of a
    name; ``modalities`` is true for a study that has any series of any of the values.
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


async def search(
    reader: Reader,
    level: Level,
    scope: Scope,
    conditions: Sequence[Condition | ValueCondition],
    limit: int,
    offset: int,
) -> tuple[Rows, int]:
    """One page in a stable order, and how many items there are beyond it.

    Rows have the columns that the page of their level says (below).
    """
    clauses = [*_scope(level, scope), *_clauses(conditions)]
    pieces = {
        "parents": _parents(level, {clause.table for clause in clauses}),
        "where": " AND ".join(clause.text for clause in clauses) or "true",
    }
    values = [value for clause in clauses for value in clause.values]
    rows = await reader.fetch(_PAGES[level].format(**pieces), [*values, limit + 1, offset])
    if len(rows) <= limit:
        return rows, 0
    ((total,),) = await reader.fetch(_COUNTS[level].format(**pieces), values)
    return rows[:limit], total - offset - limit


async def metadata_of(reader: Reader, pks: list[int]) -> dict[int, bytes]:
    """The kept metadata of instances, by key."""
    statement = "SELECT id, metadata_json FROM instance WHERE id = ANY(%s)"
    return dict(await reader.fetch(statement, [pks]))


def _scope(level: Level, scope: Scope) -> list[Clause]:
    """The parent is looked up first: its index has the page in order, however large it is."""
    study, series = scope.study_instance_uid, scope.series_instance_uid
    series_key = "series.id" if level is Level.SERIES else "instance.series_pk"
    study_key = "study.id" if level is Level.STUDY else f"{level.value}.study_pk"
    if study is not None and series is not None:
        return [Clause(level, f"{series_key} = {SERIES_OF_STUDY}", (study, series))]
    if study is not None:
        return [Clause(level, f"{study_key} = {STUDY}", (study,))]
    if series is not None:
        return [Clause(Level.SERIES, "series.series_instance_uid = %s", (series,))]
    return []


def _parents(level: Level, tables: set[Level]) -> str:
    """Joins to the tables above a level that its conditions name."""
    joins = []
    if level is Level.INSTANCE and Level.SERIES in tables:
        joins.append("JOIN series ON series.id = instance.series_pk")
    if level is not Level.STUDY and Level.STUDY in tables:
        joins.append(f"JOIN study ON study.id = {level.value}.study_pk")
    return " ".join(joins)


def _clauses(conditions: Sequence[Condition | ValueCondition]) -> Iterator[Clause]:
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
    "similar": _similar,
    "modalities": _modalities,
    "empty": _empty,
}

EMPTY = Test("empty")

_WITH_TRIGRAMS = frozenset(f"study.{column}" for column in TRIGRAMS_OF)

_STUDY_PAGE = """
WITH page AS MATERIALIZED (
    SELECT study.id FROM study WHERE {where}
    ORDER BY study.study_date DESC, study.id DESC LIMIT %s OFFSET %s
)
SELECT study.study_instance_uid, study.attributes,
    ARRAY(SELECT DISTINCT modality FROM series
        WHERE series.study_pk = study.id AND modality <> '' ORDER BY modality),
    (SELECT count(*) FROM series WHERE series.study_pk = study.id),
    (SELECT count(*) FROM instance WHERE instance.study_pk = study.id)
FROM page JOIN study ON study.id = page.id
ORDER BY study.study_date DESC, study.id DESC
"""
"""Study UID, attributes, its modalities, how many series and instances it has."""

_SERIES_PAGE = """
WITH page AS MATERIALIZED (
    SELECT series.id FROM series {parents} WHERE {where}
    ORDER BY series.id LIMIT %s OFFSET %s
)
SELECT study.study_instance_uid, series.series_instance_uid, study.attributes, series.attributes,
    (SELECT count(*) FROM instance WHERE instance.series_pk = series.id)
FROM page JOIN series ON series.id = page.id JOIN study ON study.id = series.study_pk
ORDER BY series.id
"""
"""Study and series UID, attributes of both, how many instances the series has."""

_INSTANCE_PAGE = """
WITH page AS MATERIALIZED (
    SELECT instance.id, instance.series_pk, instance.sop_instance_uid, instance.attributes
    FROM instance {parents} WHERE {where} ORDER BY instance.id LIMIT %s OFFSET %s
), item AS (
    SELECT *, nullif(series_pk, lag(series_pk) OVER (ORDER BY id)) AS other_series FROM page
)
SELECT item.id, item.sop_instance_uid, item.attributes,
    study.study_instance_uid, series.series_instance_uid, study.attributes, series.attributes
FROM item
LEFT JOIN series ON series.id = item.other_series
LEFT JOIN study ON study.id = series.study_pk
ORDER BY item.id
"""
"""Key, SOP Instance UID, attributes, and what its study and series say: UIDs and attributes.

Those four are null in a row of the same series as the row before."""

_PAGES = {
    Level.STUDY: _STUDY_PAGE,
    Level.SERIES: _SERIES_PAGE,
    Level.INSTANCE: _INSTANCE_PAGE,
}
_COUNTS = {
    Level.STUDY: "SELECT count(*) FROM study WHERE {where}",
    Level.SERIES: "SELECT count(*) FROM series {parents} WHERE {where}",
    Level.INSTANCE: "SELECT count(*) FROM instance {parents} WHERE {where}",
}

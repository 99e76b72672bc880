"""The search statements: one page of one level, with the counts that are computed, not kept.

Text is joined from pieces that stand here and in ``conditions``; what a client sent travels as
parameters alone, so the text of a search depends on its shape only and PostgreSQL prepares it once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hounsfield.db.reader import Fetching, Rows
from hounsfield.db.repositories.conditions import (
    Clause,
    Condition,
    Level,
    Value,
    ValueCondition,
    clauses_of,
)
from hounsfield.db.repositories.retrieve import SERIES_OF_STUDY, STUDY


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the archive that the resource's path names."""

    study_instance_uid: str | None = None
    series_instance_uid: str | None = None


Matched = Level | Literal["patient"]
"""What one match is: an entity of a level, or a patient (PS3.4 C.6.1.1)."""

Place = tuple[Value, ...]
"""What a row is ordered by."""


@dataclass(frozen=True, slots=True)
class _Order:
    """How all matches are walked through: by place, so that no page costs more than another."""

    columns: str
    places: int
    behind: str


async def search(
    reader: Fetching,
    level: Level,
    scope: Scope,
    conditions: Sequence[Condition | ValueCondition],
    limit: int,
    offset: int,
) -> tuple[Rows, int]:
    """One page in a stable order, and how many items there are beyond it.

    Rows have the columns of their level (``_COLUMNS``).
    """
    clauses = [*scope_clauses(level, scope), *clauses_of(conditions)]
    pieces, values = _pieces(level, clauses)
    page = _PAGES[level].format(columns=_COLUMNS[level], **pieces)
    rows = await reader.fetch(page, [*values, limit + 1, offset])
    if len(rows) <= limit:
        return rows, 0
    ((total,),) = await reader.fetch(_COUNTS[level].format(**pieces), values)
    return rows[:limit], total - offset - limit


async def next_matches(
    reader: Fetching,
    kind: Matched,
    scope: Scope,
    conditions: Sequence[Condition | ValueCondition],
    columns: Sequence[str],
    after: Place,
    limit: int,
) -> Rows:
    """Matches behind a place, for those who want all of them.

    A row begins with its own place, of as many columns as a place of its kind has, and with the
    attributes of its levels, highest first; then come the columns that are asked for.
    """
    order = _ORDER[kind]
    level = _LEVEL[kind]
    clauses = [*scope_clauses(level, scope), *clauses_of(conditions)]
    if after:
        clauses.append(Clause(level, order.behind, after))
    pieces, values = _pieces(level, clauses)
    computed = (COMPUTED[kind][column] for column in columns)
    text = _PAGES[kind].format(columns=", ".join((order.columns, *computed)), **pieces)
    return await reader.fetch(text, [*values, limit, 0])


def place_of(kind: Matched, row: Sequence[Any]) -> Place:
    """Where a row of :func:`next_matches` lies in the order of its kind."""
    return tuple(row[: _ORDER[kind].places])


async def metadata_of(reader: Fetching, pks: list[int]) -> dict[int, bytes]:
    """The kept metadata of instances, by key."""
    statement = "SELECT id, metadata_json FROM instance WHERE id = ANY(%s)"
    return dict(await reader.fetch(statement, [pks]))


def _pieces(level: Level, clauses: Sequence[Clause]) -> tuple[dict[str, str], list[Value]]:
    """What a statement is made of, and the values for it."""
    pieces = {
        "parents": _parents(level, {clause.table for clause in clauses}),
        "where": " AND ".join(clause.text for clause in clauses) or "true",
    }
    return pieces, [value for clause in clauses for value in clause.values]


def scope_clauses(level: Level, scope: Scope) -> list[Clause]:
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


_MODALITIES = (
    "ARRAY(SELECT DISTINCT modality FROM series "
    "WHERE series.study_pk = study.id AND modality <> '' ORDER BY modality)"
)
_SERIES_OF_STUDY = "(SELECT count(*) FROM series WHERE series.study_pk = study.id)"
_INSTANCES_OF_STUDY = "(SELECT count(*) FROM instance WHERE instance.study_pk = study.id)"
_INSTANCES_OF_SERIES = "(SELECT count(*) FROM instance WHERE instance.series_pk = series.id)"

_PATIENT_PAGE = """
WITH page AS MATERIALIZED (
    SELECT max(study.id) AS id FROM study WHERE {where}
    GROUP BY study.patient_id, study.issuer_of_patient_id
    ORDER BY study.patient_id, study.issuer_of_patient_id LIMIT %s OFFSET %s
)
SELECT {columns} FROM page JOIN study ON study.id = page.id
ORDER BY study.patient_id, study.issuer_of_patient_id
"""
"""A patient by the study of his that was stored last."""

_STUDY_PAGE = """
WITH page AS MATERIALIZED (
    SELECT study.id FROM study WHERE {where}
    ORDER BY study.study_date DESC, study.id DESC LIMIT %s OFFSET %s
)
SELECT {columns} FROM page JOIN study ON study.id = page.id
ORDER BY study.study_date DESC, study.id DESC
"""

_SERIES_PAGE = """
WITH page AS MATERIALIZED (
    SELECT series.id FROM series {parents} WHERE {where}
    ORDER BY series.id LIMIT %s OFFSET %s
)
SELECT {columns}
FROM page JOIN series ON series.id = page.id JOIN study ON study.id = series.study_pk
ORDER BY series.id
"""

_INSTANCE_PAGE = """
WITH page AS MATERIALIZED (
    SELECT instance.id, instance.series_pk, instance.sop_instance_uid, instance.attributes
    FROM instance {parents} WHERE {where} ORDER BY instance.id LIMIT %s OFFSET %s
), item AS (
    SELECT *, nullif(series_pk, lag(series_pk) OVER (ORDER BY id)) AS other_series FROM page
)
SELECT {columns} FROM item
LEFT JOIN series ON series.id = item.other_series
LEFT JOIN study ON study.id = series.study_pk
ORDER BY item.id
"""
"""What study and series say is null in a row of the same series as the row before."""

_COLUMNS = {
    Level.STUDY: f"study.study_instance_uid, study.attributes, {_MODALITIES}, {_SERIES_OF_STUDY}, "
    f"{_INSTANCES_OF_STUDY}",
    Level.SERIES: "study.study_instance_uid, series.series_instance_uid, study.attributes, "
    f"series.attributes, {_INSTANCES_OF_SERIES}",
    Level.INSTANCE: "item.id, item.sop_instance_uid, item.attributes, study.study_instance_uid, "
    "series.series_instance_uid, study.attributes, series.attributes",
}
"""What a search answer is written from: names, attributes, modalities and counts."""

_PAGES = {
    "patient": _PATIENT_PAGE,
    Level.STUDY: _STUDY_PAGE,
    Level.SERIES: _SERIES_PAGE,
    Level.INSTANCE: _INSTANCE_PAGE,
}
_COUNTS = {
    Level.STUDY: "SELECT count(*) FROM study WHERE {where}",
    Level.SERIES: "SELECT count(*) FROM series {parents} WHERE {where}",
    Level.INSTANCE: "SELECT count(*) FROM instance {parents} WHERE {where}",
}
_OF_PATIENT = (
    "(SELECT count(*) FROM {table} WHERE {key} IN (SELECT id FROM study AS own "
    "WHERE own.patient_id = study.patient_id "
    "AND own.issuer_of_patient_id = study.issuer_of_patient_id))"
)
COMPUTED: dict[Matched, dict[str, str]] = {
    "patient": {
        "studies": _OF_PATIENT.format(table="study AS other", key="other.id"),
        "series": _OF_PATIENT.format(table="series", key="series.study_pk"),
        "instances": _OF_PATIENT.format(table="instance", key="instance.study_pk"),
    },
    Level.STUDY: {
        "modalities": _MODALITIES,
        "classes": "ARRAY(SELECT DISTINCT sop_class_uid FROM instance "
        "WHERE instance.study_pk = study.id ORDER BY sop_class_uid)",
        "series": _SERIES_OF_STUDY,
        "instances": _INSTANCES_OF_STUDY,
    },
    Level.SERIES: {"instances": _INSTANCES_OF_SERIES},
    Level.INSTANCE: {
        "metadata": "(SELECT metadata_json FROM instance WHERE instance.id = item.id)"
    },
}
"""What is counted or fetched for a match only where it is asked for."""

_LEVEL: dict[Matched, Level] = {"patient": Level.STUDY, **{level: level for level in Level}}
_ORDER: dict[Matched, _Order] = {
    "patient": _Order(
        "study.patient_id, study.issuer_of_patient_id, study.attributes",
        2,
        "(study.patient_id, study.issuer_of_patient_id) > (%s, %s)",
    ),
    Level.STUDY: _Order(
        "study.study_date, study.id, study.attributes",
        2,
        "(study.study_date, study.id) < (%s, %s)",
    ),
    Level.SERIES: _Order("series.id, study.attributes, series.attributes", 1, "series.id > %s"),
    Level.INSTANCE: _Order(
        "item.id, study.attributes, series.attributes, item.attributes", 1, "instance.id > %s"
    ),
}

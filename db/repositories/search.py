"""The search statements: one page of one level, with the counts that are computed, not kept.

Text is joined from pieces that stand here and in ``conditions``; what a client sent travels as
parameters alone, so the text of a search depends on its shape only and PostgreSQL prepares it once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hounsfield.db.reader import Reader, Rows
from hounsfield.db.repositories.conditions import (
    Clause,
    Condition,
    Level,
    ValueCondition,
    clauses_of,
)
from hounsfield.db.repositories.retrieve import SERIES_OF_STUDY, STUDY


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the archive that the resource's path names."""

    study_instance_uid: str | None = None
    series_instance_uid: str | None = None


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
    clauses = [*_scope(level, scope), *clauses_of(conditions)]
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

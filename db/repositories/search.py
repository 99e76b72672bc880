"""The search statements: one page of one level, with the counts that are computed, not kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from hounsfield.db.tables import Instance, Series, Study


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
class Condition:
    """One matching key, ready for the index.

    ``range`` takes two bounds, either of them empty for an open end; ``like`` takes patterns
    of LIKE; ``modalities`` is true for a study that has any series of any of the values.
    """

    entity: Level
    column: str
    operator: Literal["in", "like", "range", "modalities"]
    values: tuple[str, ...]


_ENTITIES: dict[Level, type[Study] | type[Series] | type[Instance]] = {
    Level.STUDY: Study,
    Level.SERIES: Series,
    Level.INSTANCE: Instance,
}


async def search(
    connection: AsyncConnection,
    level: Level,
    scope: Scope,
    conditions: Sequence[Condition],
    limit: int,
    offset: int,
) -> tuple[Sequence[Row[Any]], int]:
    """One page in a stable order, and how many items there are beyond it."""
    where = [*_scope(scope), *(_clause(condition) for condition in conditions)]
    page = _PAGES[level](where, limit + 1, offset)
    rows = (await connection.execute(page)).all()
    if len(rows) <= limit:
        return rows, 0
    total: int = (await connection.execute(_count(level, where))).scalar_one()
    return rows[:limit], total - offset - limit


def _scope(scope: Scope) -> list[ColumnElement[bool]]:
    clauses = []
    if scope.study_instance_uid is not None:
        clauses.append(Study.study_instance_uid == scope.study_instance_uid)
    if scope.series_instance_uid is not None:
        clauses.append(Series.series_instance_uid == scope.series_instance_uid)
    return clauses


def _clause(condition: Condition) -> ColumnElement[bool]:
    column: InstrumentedAttribute[str] = getattr(_ENTITIES[condition.entity], condition.column)
    if condition.operator == "modalities":
        member = select(Series.id).where(
            Series.study_pk == Study.id, Series.modality.in_(condition.values)
        )
        return member.exists()
    if condition.operator == "like":
        return or_(*(column.like(pattern, escape="\\") for pattern in condition.values))
    if condition.operator == "range":
        lower, upper = condition.values
        bounds = [column != "", column >= lower] if lower else [column != ""]
        return and_(*bounds, column <= upper) if upper else and_(*bounds)
    return (
        column.in_(condition.values) if len(condition.values) > 1 else column == condition.values[0]
    )


def _study_page(
    where: list[ColumnElement[bool]], limit: int, offset: int
) -> Select[*tuple[Any, ...]]:
    page = (
        select(Study.id, Study.study_date)
        .where(*where)
        .order_by(Study.study_date.desc(), Study.id.desc())
        .limit(limit)
        .offset(offset)
        .cte("page")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    modalities = (
        select(func.array_agg(Series.modality.distinct()))
        .where(Series.study_pk == Study.id, Series.modality != "")
        .scalar_subquery()
    )
    series = select(func.count()).where(Series.study_pk == Study.id).scalar_subquery()
    instances = select(func.count()).where(Instance.study_pk == Study.id).scalar_subquery()
    return (
        select(
            Study.study_instance_uid,
            Study.attributes.label("study_attributes"),
            func.coalesce(modalities, []).label("modalities"),
            series.label("series_count"),
            instances.label("instance_count"),
        )
        .join(page, page.c.id == Study.id)
        .order_by(Study.study_date.desc(), Study.id.desc())
    )


def _series_page(
    where: list[ColumnElement[bool]], limit: int, offset: int
) -> Select[*tuple[Any, ...]]:
    page = (
        select(Series.id)
        .join(Study, Study.id == Series.study_pk)
        .where(*where)
        .order_by(Series.id)
        .limit(limit)
        .offset(offset)
        .cte("page")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    instances = select(func.count()).where(Instance.series_pk == Series.id).scalar_subquery()
    return (
        select(
            Study.study_instance_uid,
            Series.series_instance_uid,
            Study.attributes.label("study_attributes"),
            Series.attributes.label("series_attributes"),
            instances.label("instance_count"),
        )
        .join(page, page.c.id == Series.id)
        .join(Study, Study.id == Series.study_pk)
        .order_by(Series.id)
    )


def _instance_page(
    where: list[ColumnElement[bool]], limit: int, offset: int
) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Study.study_instance_uid,
            Series.series_instance_uid,
            Instance.sop_instance_uid,
            Study.attributes.label("study_attributes"),
            Series.attributes.label("series_attributes"),
            Instance.attributes.label("instance_attributes"),
            Instance.id,
        )
        .join(Series, Series.id == Instance.series_pk)
        .join(Study, Study.id == Instance.study_pk)
        .where(*where)
        .order_by(Instance.id)
        .limit(limit)
        .offset(offset)
    )


_PAGES = {
    Level.STUDY: _study_page,
    Level.SERIES: _series_page,
    Level.INSTANCE: _instance_page,
}


def _count(level: Level, where: list[ColumnElement[bool]]) -> Select[int]:
    statement = select(func.count()).select_from(_ENTITIES[level])
    if level is Level.SERIES:
        statement = statement.join(Study, Study.id == Series.study_pk)
    elif level is Level.INSTANCE:
        statement = statement.join(Series, Series.id == Instance.series_pk)
        statement = statement.join(Study, Study.id == Instance.study_pk)
    return statement.where(*where)


async def metadata_of(connection: AsyncConnection, pks: Sequence[int]) -> dict[int, bytes]:
    """The kept metadata of instances, by key."""
    rows = await connection.execute(
        select(Instance.id, Instance.metadata_json).where(Instance.id.in_(pks))
    )
    return {row.id: row.metadata_json for row in rows}

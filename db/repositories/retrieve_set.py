"""The instances that a C-GET or C-MOVE is for: how many, and a page of them at a time."""

from collections.abc import Sequence

from hounsfield.db.reader import Fetching, Rows
from hounsfield.db.repositories.conditions import (
    Clause,
    Condition,
    Level,
    Value,
    ValueCondition,
    clauses_of,
)
from hounsfield.db.repositories.retrieve import PARENTS, STORED_COLUMNS
from hounsfield.db.repositories.search import Scope, scope_clauses

Conditions = Sequence[Condition | ValueCondition]
Place = tuple[int, int]
"""Keys of series and instance, in which order they are sent."""


async def kinds(
    reader: Fetching, scope: Scope, conditions: Conditions
) -> list[tuple[str, str, int]]:
    """SOP class and transfer syntax of what there is, and how much of it, the most first."""
    where, values = _where(_clauses(scope, conditions))
    return await reader.fetch(
        "SELECT instance.sop_class_uid, instance.transfer_syntax_uid, count(*) "  # noqa: S608
        f"FROM instance {PARENTS} WHERE {where} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
        values,
    )


async def next_page(
    reader: Fetching, scope: Scope, conditions: Conditions, after: Place | None, limit: int
) -> Rows:
    """Those behind a place: each with its own place, and STORED_COLUMNS."""
    clauses = _clauses(scope, conditions)
    if after is not None:
        behind = "(instance.series_pk, instance.id) > (%s, %s)"
        clauses.append(Clause(Level.INSTANCE, behind, after))
    where, values = _where(clauses)
    return await reader.fetch(
        f"SELECT instance.series_pk, instance.id, {', '.join(STORED_COLUMNS)} "  # noqa: S608
        f"FROM instance {PARENTS} WHERE {where} "
        "ORDER BY instance.series_pk, instance.id LIMIT %s",
        [*values, limit],
    )


def _where(clauses: Sequence[Clause]) -> tuple[str, list[Value]]:
    values = [value for clause in clauses for value in clause.values]
    return " AND ".join(clause.text for clause in clauses) or "true", values


def _clauses(scope: Scope, conditions: Conditions) -> list[Clause]:
    return [*scope_clauses(Level.INSTANCE, scope), *clauses_of(conditions)]

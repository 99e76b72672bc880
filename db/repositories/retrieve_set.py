"""The instances that a C-GET or C-MOVE is for: how many, and a page of them at a time."""

from collections.abc import Sequence

from hounsfield.db.reader import Fetching, Rows
from hounsfield.db.repositories.conditions import (
    Clause,
    Condition,
    Level,
    ValueCondition,
    clauses_of,
)
from hounsfield.db.repositories.retrieve import PARENTS, STORED_COLUMNS
from hounsfield.db.repositories.search import COUNTS, Scope, pieces_of, scope_clauses

Conditions = Sequence[Condition | ValueCondition]
Place = tuple[int, int]
"""Keys of series and instance, in which order they are sent."""


async def count(reader: Fetching, scope: Scope, conditions: Conditions) -> int:
    """How many there are."""
    pieces, values = pieces_of(Level.INSTANCE, _clauses(scope, conditions))
    ((counted,),) = await reader.fetch(COUNTS[Level.INSTANCE].format(**pieces), values)
    return int(counted)


async def next_page(
    reader: Fetching, scope: Scope, conditions: Conditions, after: Place | None, limit: int
) -> Rows:
    """Those behind a place: each with its own place, and STORED_COLUMNS."""
    clauses = _clauses(scope, conditions)
    if after is not None:
        behind = "(instance.series_pk, instance.id) > (%s, %s)"
        clauses.append(Clause(Level.INSTANCE, behind, after))
    where = " AND ".join(clause.text for clause in clauses)
    values = [value for clause in clauses for value in clause.values]
    return await reader.fetch(
        f"SELECT instance.series_pk, instance.id, {', '.join(STORED_COLUMNS)} "  # noqa: S608
        f"FROM instance {PARENTS} WHERE {where} "
        "ORDER BY instance.series_pk, instance.id LIMIT %s",
        [*values, limit],
    )


def _clauses(scope: Scope, conditions: Conditions) -> list[Clause]:
    return [*scope_clauses(Level.INSTANCE, scope), *clauses_of(conditions)]

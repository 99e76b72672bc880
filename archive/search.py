"""One typed search for QIDO-RS (PS3.18 10.6) and C-FIND (PS3.4 C.4.1).

A filter that cannot be applied is an error, never dropped: a client that believes its filter
was honoured would show the wrong patient's studies.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.errors import QueryCanceled

from hounsfield.archive.answers import Members, included, write
from hounsfield.archive.errors import KeyNotSupported, TooLarge, Unavailable
from hounsfield.archive.matching import LITERAL, SEARCHABLE, Options, parse_match
from hounsfield.archive.moments import TIMEZONE, combine
from hounsfield.db.reader import Fetching, Rows
from hounsfield.db.repositories import search as statements
from hounsfield.db.repositories.conditions import Condition, Level, ValueCondition
from hounsfield.db.repositories.index_attributes import IndexAttribute, find_indexed
from hounsfield.db.repositories.search import Scope

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

__all__ = ["Level", "Match", "Options", "Query", "SearchResult", "search"]

DEFAULT_LIMIT = 1000
MAX_LIMIT = 10_000
IN_COLUMNS = frozenset((tag,) for tag in SEARCHABLE)
FUZZY_WARNING = (
    "The fuzzymatching parameter is not supported. Only literal matching has been performed."
)


@dataclass(frozen=True, slots=True)
class Match:
    """One matching key: a path of tags (8 hexadecimal digits, upper case) and its value."""

    path: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Query:
    """A search as a client asked for it, parsed but not yet judged."""

    level: Level
    matches: tuple[Match, ...] = ()
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    include: frozenset[str] = frozenset()
    include_all: bool = False
    limit: int | None = None
    offset: int = 0
    options: Options = LITERAL
    optional_keys: bool = False
    """A key that nothing is indexed by is passed over, with a warning (PS3.4 C.2.2.1.3)."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """DICOM JSON objects in which byte FF stands for the base URL, and how many more there are."""

    items: list[bytes]
    remaining: int
    warnings: tuple[str, ...]


async def search(archive: "Archive", query: Query) -> SearchResult:
    """Answer a query. Raises InvalidQuery, TooLarge, or Unavailable while the database is away."""
    reader = archive.database.reader
    limit = min(DEFAULT_LIMIT if query.limit is None else query.limit, MAX_LIMIT)
    with database_errors():
        conditions, warnings = await judge(reader, query)
        rows, remaining = await statements.search(
            reader, query.level, scope_of(query), conditions, limit, query.offset
        )
        extras = await _included(reader, query, rows)
    items = write(query.level, rows, extras)
    return SearchResult(items, remaining, warnings)


@contextmanager
def database_errors() -> Iterator[None]:
    """What goes wrong in the database, as an error of the archive."""
    try:
        yield
    except QueryCanceled as error:
        raise TooLarge("the search takes too long: ask for less") from error
    except psycopg.Error as error:
        raise Unavailable("the database does not answer") from error


def scope_of(query: Query) -> Scope:
    """The part of the archive that a query is for."""
    return Scope(query.study_instance_uid, query.series_instance_uid)


async def judge(
    reader: Fetching, query: Query
) -> tuple[list[Condition | ValueCondition], tuple[str, ...]]:
    """The conditions of a query, and what its client has to be told. Raises InvalidQuery."""
    matches = [match for match in query.matches if match.path != TIMEZONE]
    offset = next((match.value for match in query.matches if match.path == TIMEZONE), "")
    beyond = [match for match in matches if match.path not in IN_COLUMNS]
    indexed: Sequence[IndexAttribute] = ()
    if beyond:
        paths = [".".join(match.path) for match in beyond]
        indexed = await find_indexed(reader, paths)
    conditions: list[Condition | ValueCondition] = []
    warnings = []
    for match in matches:
        try:
            found = parse_match(query.level, match.path, match.value, query.options, indexed)
        except KeyNotSupported as error:
            if not query.optional_keys:
                raise
            warnings.append(error.message)
        else:
            conditions += [found] if found else []
    names = {each.path for each in indexed if each.vr == "PN"}
    if query.options.fuzzy and any(".".join(match.path) in names for match in beyond):
        warnings.append(FUZZY_WARNING)
    if query.options.combined_datetime or offset:
        conditions = combine(conditions, offset)
    return conditions, tuple(warnings)


async def _included(reader: Fetching, query: Query, rows: Rows) -> Sequence[Members]:
    """What ``includefield`` asks for beyond the ready attributes.

    Those hold all that is known of a study or series; an attribute of a lower level is not
    returned at a higher one (PS3.18 8.3.4.3). An instance has its whole metadata to choose from.
    """
    if query.level is not Level.INSTANCE or not (query.include or query.include_all):
        return []
    kept = await statements.metadata_of(reader, [row[0] for row in rows])
    wanted = None if query.include_all else query.include
    return [included(kept[row[0]], wanted) for row in rows]

"""All matches of a query, one after the other, however many there are (C-FIND, PS3.4 C.4.1).

They are read a page at a time, each behind the place where the last one ended, so that memory is
bounded and no connection to the database waits for a client that reads slowly. The pages are
statements of their own: what is stored or deleted meanwhile may be in them or not.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from hounsfield.archive.attributes import INSTANCE, SERIES, STUDY
from hounsfield.archive.dicom_json import Members
from hounsfield.archive.metadata import BASE_URL, members_of
from hounsfield.archive.search import Level, Query, database_errors, judge, scope_of
from hounsfield.db.blocking_reader import run
from hounsfield.db.reader import Rows
from hounsfield.db.repositories import search as statements
from hounsfield.db.repositories.search import Matched

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

__all__ = ["COMPUTED", "Matched", "Matches"]

FIRST_PAGE = 100
NEXT_PAGES = 1000
WHOLE = "metadata"

COMPUTED: dict[Matched, dict[str, tuple[str, str]]] = {
    "patient": {
        "00201200": ("studies", "IS"),
        "00201202": ("series", "IS"),
        "00201204": ("instances", "IS"),
    },
    Level.STUDY: {
        "00080061": ("modalities", "CS"),
        "00080062": ("classes", "UI"),
        "00201206": ("series", "IS"),
        "00201208": ("instances", "IS"),
    },
    Level.SERIES: {"00201209": ("instances", "IS")},
    Level.INSTANCE: {},
}
"""Attributes that no data set holds (PS3.4 C.3.4): what they are made of, and their VR."""

_KEPT = STUDY | SERIES | INSTANCE
"""What is known of an instance without its whole metadata."""


class Matches:
    """The matches of a query, as members of DICOM JSON. For a thread that may block.

    ``wanted`` are the attributes that are asked for: of an instance any, of what is above it those
    that are kept of its level, and what is computed. Raises InvalidQuery, TooLarge, Unavailable.
    """

    def __init__(
        self, archive: "Archive", query: Query, kind: Matched, wanted: Sequence[str]
    ) -> None:
        self._reader = archive.database.blocking_reader
        self._query = query
        self._kind = kind
        self._computed = [tag for tag in wanted if tag in COMPUTED[kind]]
        columns = [COMPUTED[kind][tag][0] for tag in self._computed]
        self._whole = kind is Level.INSTANCE and not _KEPT.issuperset(wanted)
        self._columns = [*columns, WHOLE] if self._whole else columns
        with database_errors():
            self._conditions, self.warnings = run(judge(self._reader, query))

    def __iter__(self) -> Iterator[Members]:
        """Each match, read when it is asked for."""
        after: statements.Place = ()
        limit = FIRST_PAGE
        above: Members = {}
        while True:
            rows = self._page(after, limit)
            for row in rows:
                if self._kind is Level.INSTANCE and row[2] is not None:
                    above = _parsed(row[1]) | _parsed(row[2])
                yield self._members(row, above)
            if len(rows) < limit:
                return
            after = statements.place_of(self._kind, rows[-1])
            limit = NEXT_PAGES

    def _page(self, after: statements.Place, limit: int) -> Rows:
        query = self._query
        with database_errors():
            return run(
                statements.next_matches(
                    self._reader,
                    self._kind,
                    scope_of(query),
                    self._conditions,
                    self._columns,
                    after,
                    limit,
                )
            )

    def _members(self, row: tuple[Any, ...], above: Members) -> Members:
        """One match. A row of the same series as the row before says nothing of what is above."""
        match self._kind:
            case Level.INSTANCE:
                whole = _parsed(members_of(row[4])) if self._whole else _parsed(row[3])
                return above | whole
            case Level.SERIES:
                members, first = _parsed(row[1]) | _parsed(row[2]), 3
            case _:
                members, first = _parsed(row[2]), 3
        for tag, value in zip(self._computed, row[first:], strict=True):
            vr = COMPUTED[self._kind][tag][1]
            members[tag] = {"vr": vr, "Value": value if isinstance(value, list) else [value]}
        return members


def _parsed(members: bytes) -> Members:
    parsed: Members = orjson.loads(b"{%b}" % members.replace(BASE_URL, b""))
    return parsed

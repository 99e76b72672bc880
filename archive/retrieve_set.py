"""The instances that a C-GET or C-MOVE is for, in the order of their series and arrival."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hounsfield.archive.retrieve import StoredInstance
from hounsfield.archive.search import Query, database_errors, judge, scope_of
from hounsfield.db.blocking_reader import run
from hounsfield.db.repositories import retrieve_set as statements

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

PAGE = 200


class RetrieveSet:
    """Instances that match a query of the instance level; for a thread that may block.

    They are read a page at a time, so that a patient of a hundred thousand images costs no more
    memory than one of two hundred. Raises InvalidQuery, TooLarge, Unavailable.
    """

    def __init__(self, archive: "Archive", query: Query) -> None:
        self._reader = archive.database.blocking_reader
        self._scope = scope_of(query)
        with database_errors():
            self._conditions, _ = run(judge(self._reader, query))
            self.kinds = run(statements.kinds(self._reader, self._scope, self._conditions))
        """SOP class, transfer syntax, and how many there were when it was asked."""

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(count for _, _, count in self.kinds)

    def __iter__(self) -> Iterator[StoredInstance]:
        """Each of them."""
        after: statements.Place | None = None
        while True:
            with database_errors():
                rows = run(
                    statements.next_page(self._reader, self._scope, self._conditions, after, PAGE)
                )
            for row in rows:
                yield StoredInstance(*row[2:])
            if len(rows) < PAGE:
                return
            after = (rows[-1][0], rows[-1][1])

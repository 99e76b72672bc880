"""Removes the objects of deleted instances once their grace period is over.

Any number of processes may run it: a batch is locked while its files are removed, and passed over
by the others. A crash in between removes them once more, which is no error.
"""

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from hounsfield.archive.background import Background
from hounsfield.db.repositories import deletions

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

BATCH = 500
PACE_SECONDS = 60.0
AGAIN_SECONDS = 600.0


class Sweeper(Background):
    """Sweeps once a minute until stopped."""

    def __init__(self, archive: "Archive") -> None:
        super().__init__("sweeper")
        self._archive = archive

    def run(self) -> None:
        """Until stopped; a database that is away is waited for."""
        while not self._ended.wait(PACE_SECONDS):
            try:
                while sweep(self._archive) == BATCH and not self._ended.is_set():
                    pass
            except SQLAlchemyError:
                log.warning("sweeper.database_lost")


def sweep(archive: "Archive") -> int:
    """Remove one batch of what is due; how many objects that was."""

    def work(connection: Connection) -> int:
        due = deletions.due_objects(connection, BATCH)
        kept = [key for key in due if not _remove(archive, key)]
        deletions.postpone_objects(connection, kept, AGAIN_SECONDS)
        deletions.forget_objects(connection, [key for key in due if key not in kept])
        return len(due)

    return archive.database.run(work)


def _remove(archive: "Archive", key: str) -> bool:
    try:
        archive.objects.remove(key)
    except OSError:
        log.warning("sweeper.object_not_removed", key=key, exc_info=True)
        return False
    return True

"""When is a series complete? Nothing in DICOM says so: it is, once it has been quiet.

Many modalities open one association per image, so the end of an association does not complete a
series; it only shortens the wait. Everything is kept in the database, so that a restart forgets
nothing.
"""

from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

from hounsfield.db.repositories import events
from hounsfield.db.repositories.settling import (
    DueSeries,
    postpone,
    seconds_to_next,
    settled,
    take_due,
)

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

__all__ = [
    "DueSeries",
    "association_ended",
    "postpone",
    "seconds_to_next",
    "settled",
    "take_due",
]

log = structlog.get_logger()


def association_ended(archive: "Archive", association_id: str) -> None:
    """Shorten the wait of the series that this association brought.

    A hint: where the database does not answer, the quiet time alone decides.
    """
    series = archive.committer.series_of(association_id)
    if not series:
        return
    try:
        with archive.database.transaction() as connection:
            for pk in series:
                events.add(connection, events.RELEASED, series_pk=pk)
    except DBAPIError:
        log.warning("settling.hint_lost")

"""Decides on series as they settle. Every one ends with a job, or with a reason on record."""

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hounsfield.archive.background import Background
from hounsfield.archive.events import add_event
from hounsfield.archive.settling import DueSeries, postpone, seconds_to_next, settled, take_due
from hounsfield.db.engine import is_connection_loss
from hounsfield.db.repositories import analysis, jobs
from hounsfield.db.repositories.analysis import SeriesState
from hounsfield.inference.decisions import Verdict, covers, judge, queue_job, record, replace
from hounsfield.inference.default_rules import DEFAULT_RULES
from hounsfield.inference.models import check_models
from hounsfield.inference.standby import StandbyKeeper

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

POLL_SECONDS = 0.25
LOST_SECONDS = 1.0
UNHEARD_SECONDS = 0.1
SHORTEST_WAIT_SECONDS = 0.02


class Arrivals(Background):
    """Waits for the next series that is due, and decides on it. Any number may run at once."""

    def __init__(self, archive: "Archive", keeper: StandbyKeeper | None = None) -> None:
        super().__init__("arrivals")
        self._archive = archive
        self._keeper = keeper

    def run(self) -> None:
        """Until stopped; a database that is away is waited for."""
        check_models(rule.model for rule in DEFAULT_RULES)
        wait = 0.0
        while not self._ended.wait(wait):
            try:
                wait = self._seconds_to_next()
                if wait <= 0:
                    decide_next(self._archive)
                    wait = SHORTEST_WAIT_SECONDS
            except DBAPIError as error:
                log.warning("arrivals.database", error=type(error).__name__)
                wait = LOST_SECONDS

    def _seconds_to_next(self) -> float:
        with self._archive.database.transaction() as connection:
            wait = seconds_to_next(connection)
            if self._keeper is not None:
                self._keeper.look(connection) if wait is not None else self._keeper.adjust()
        return POLL_SECONDS if wait is None else min(wait, POLL_SECONDS)


def decide_next(archive: "Archive") -> bool:
    """Decide on the series that has been due for longest; False when there is none.

    One at a time, so that a series that cannot even be judged takes none of the others along.
    """
    taken: list[DueSeries] = []

    def work(connection: Connection) -> None:
        taken[:] = take_due(connection, limit=1)
        for due in taken:
            _decide(archive, connection, due)

    try:
        archive.database.run(work)
    except Exception as error:
        if not taken or (isinstance(error, DBAPIError) and is_connection_loss(error)):
            raise
        log.exception("arrivals.cannot_judge", series_instance_uid=taken[0].series_instance_uid)
        archive.database.run(lambda connection: _give_up(connection, taken[0]))
    return bool(taken)


def _decide(archive: "Archive", connection: Connection, due: DueSeries) -> None:
    if analysis.events_wait(connection, due.series_pk):
        postpone(connection, due.series_pk, UNHEARD_SECONDS)
        return
    uids = (due.study_instance_uid, due.series_instance_uid)
    analysis.hold_series(connection, *uids)
    series = analysis.state_of_series(connection, *uids)
    if series is None:
        settled(connection, due.series_pk)
        return
    verdict = judge(archive, connection, series)
    if verdict.waits and (rest := _rest(archive, connection, due)) > 0:
        postpone(connection, due.series_pk, rest)
        return
    settled(connection, due.series_pk)
    _announce(connection, series)
    _conclude(connection, series, verdict)


def _rest(archive: "Archive", connection: Connection, due: DueSeries) -> float:
    """For how long the missing slices of a series may still come."""
    quiet = analysis.seconds_since(connection, due.last_stored_at)
    return archive.settings.inference.incomplete_seconds - quiet


def _conclude(connection: Connection, series: SeriesState, verdict: Verdict) -> None:
    newest = jobs.newest_of_series(
        connection, series.study_instance_uid, series.series_instance_uid
    )
    if covers(newest, series):
        return
    replace(connection, newest)
    if verdict.bundle is None or verdict.failed:
        record(connection, series, verdict, newest)
    else:
        queue_job(connection, series, verdict.bundle, person=False, predecessor=newest)


def _announce(connection: Connection, series: SeriesState) -> None:
    add_event(
        connection,
        "settled",
        study_instance_uid=series.study_instance_uid,
        series_instance_uid=series.series_instance_uid,
        data={
            "modality": series.modality,
            "series_description": series.series_description,
            "instance_count": series.instance_count,
        },
    )


def _give_up(connection: Connection, due: DueSeries) -> None:
    """A series that our own code stumbles over is on record like every other."""
    uids = (due.study_instance_uid, due.series_instance_uid)
    settled(connection, due.series_pk)
    series = analysis.state_of_series(connection, *uids)
    if series is not None:
        reason = "The series could not be examined: an internal error; the log has the details."
        newest = jobs.newest_of_series(connection, *uids)
        record(connection, series, Verdict(None, reason, failed=True), newest)

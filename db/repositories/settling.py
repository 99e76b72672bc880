"""Series into which instances still flow: when each is due, in the database."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from hounsfield.db.repositories.events import SeriesFlow
from hounsfield.db.tables import Settling

_FLOW = """
INSERT INTO settling
    (series_pk, study_instance_uid, series_instance_uid, first_stored_at, last_stored_at, due_at)
SELECT f.series_pk, f.study_uid, f.series_uid, f.first, f.last, f.last + %s * interval '1 second'
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
    AS f(series_pk, study_uid, series_uid, first, last)
JOIN series ON series.id = f.series_pk FOR KEY SHARE OF series
ON CONFLICT (series_pk) DO UPDATE SET
    last_stored_at = GREATEST(settling.last_stored_at, EXCLUDED.last_stored_at),
    due_at = EXCLUDED.due_at
"""


@dataclass(frozen=True, slots=True)
class DueSeries:
    """A series that has been quiet for long enough."""

    series_pk: int
    study_instance_uid: str
    series_instance_uid: str
    first_stored_at: dt.datetime
    last_stored_at: dt.datetime


def flow(connection: Connection, flows: Sequence[SeriesFlow], quiet_seconds: float) -> None:
    """Instances have come: each of these series waits anew."""
    flows = sorted((f for f in flows if f.last_stored_at), key=lambda f: f.series_pk)
    if not flows:
        return
    connection.exec_driver_sql(
        _FLOW,
        (
            quiet_seconds,
            [f.series_pk for f in flows],
            [f.study_instance_uid for f in flows],
            [f.series_instance_uid for f in flows],
            [f.first_stored_at for f in flows],
            [f.last_stored_at for f in flows],
        ),
    )


def shorten(connection: Connection, series_pks: Sequence[int], seconds: float) -> None:
    """What brought these series has ended: wait this long at the most."""
    soon = func.clock_timestamp() + dt.timedelta(seconds=seconds)
    connection.execute(
        update(Settling)
        .where(Settling.series_pk.in_(series_pks))
        .values(due_at=func.least(Settling.due_at, soon))
    )


def take_due(connection: Connection, limit: int = 10) -> list[DueSeries]:
    """Due series, locked for this transaction; those that another worker holds are passed over."""
    rows = connection.execute(
        select(
            Settling.series_pk,
            Settling.study_instance_uid,
            Settling.series_instance_uid,
            Settling.first_stored_at,
            Settling.last_stored_at,
        )
        .where(Settling.due_at <= func.clock_timestamp())
        .order_by(Settling.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [DueSeries(*row) for row in rows]


def settled(connection: Connection, series_pk: int) -> None:
    """The series is complete as far as anybody can tell."""
    connection.execute(delete(Settling).where(Settling.series_pk == series_pk))


def postpone(connection: Connection, series_pk: int, seconds: float) -> None:
    """Something is missing: look again after this time."""
    connection.execute(
        update(Settling)
        .where(Settling.series_pk == series_pk)
        .values(due_at=func.clock_timestamp() + dt.timedelta(seconds=seconds))
    )


def seconds_to_next(connection: Connection) -> float | None:
    """Seconds until the next series is due (negative when late); None when nothing flows."""
    wait = connection.execute(
        select(func.extract("epoch", func.min(Settling.due_at) - func.clock_timestamp()))
    ).scalar()
    return None if wait is None else float(wait)

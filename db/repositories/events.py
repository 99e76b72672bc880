"""The change feed's statements: write to the outbox, number what was committed, read on."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hounsfield.db.tables import Event, EventCounter

CHANNEL = "hounsfield_event"
ELECTION_KEY = 0x484F554E5351
RELEASED = "released"

_ADD = (
    "INSERT INTO event_outbox (type, series_pk, study_instance_uid, series_instance_uid, "
    "sop_instance_uid, job_id, data) VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
# Rows leave the outbox and get their numbers in one statement, and what it says of each series
# goes to settling. The counter's row is locked first: a second sequencer waits, and a rollback
# gives the numbers back, so that there is no gap and no number twice.
_NUMBER = """
WITH taken AS (
    DELETE FROM event_outbox WHERE id IN (SELECT id FROM event_outbox ORDER BY id LIMIT %s)
    RETURNING *
), numbered AS (
    INSERT INTO event (sequence, type, study_instance_uid, series_instance_uid, sop_instance_uid,
                       job_id, data, time)
    SELECT %s + row_number() OVER (ORDER BY id), type, study_instance_uid, series_instance_uid,
           sop_instance_uid, job_id, data, time
    FROM taken WHERE type <> 'released'
)
SELECT series_pk, min(study_instance_uid), min(series_instance_uid),
       min(time) FILTER (WHERE type = 'stored'), max(time) FILTER (WHERE type = 'stored'),
       COALESCE(max(id) FILTER (WHERE type = 'released') > max(id) FILTER (WHERE type = 'stored'),
                bool_or(type = 'released')),
       COALESCE(bool_or(data->>'protocol' = 'INFERENCE'), false),
       count(*) FILTER (WHERE type <> 'released')
FROM taken GROUP BY series_pk
"""


def add(
    connection: Connection,
    kind: str,
    *,
    series_pk: int | None = None,
    study_instance_uid: str | None = None,
    series_instance_uid: str | None = None,
    sop_instance_uid: str | None = None,
    job_id: uuid.UUID | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Write an event; it is numbered once the transaction has committed."""
    connection.exec_driver_sql(
        _ADD,
        (
            kind,
            series_pk,
            study_instance_uid,
            series_instance_uid,
            sop_instance_uid,
            job_id,
            Jsonb(data or {}),
        ),
    )


@dataclass(frozen=True, slots=True)
class SeriesFlow:
    """What a batch of events says of one series: when instances came, and whether that ended."""

    series_pk: int
    study_instance_uid: str | None
    series_instance_uid: str | None
    first_stored_at: dt.datetime | None
    last_stored_at: dt.datetime | None
    released: bool


def ensure_counter(connection: Connection) -> None:
    """Make the counter's row, once."""
    connection.exec_driver_sql(
        "INSERT INTO event_counter (id, last_sequence, first_kept) VALUES (1, 0, 1) "
        "ON CONFLICT (id) DO NOTHING"
    )


def elect(connection: Connection) -> bool:
    """Become the sequencer, until this connection ends; False while another one is."""
    row = connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (ELECTION_KEY,))
    return bool(row.scalar_one())


def waiting(connection: Connection) -> int:
    """How many committed events wait for their numbers."""
    return int(connection.exec_driver_sql("SELECT count(*) FROM event_outbox").scalar_one())


def number(connection: Connection, limit: int) -> tuple[int, list[SeriesFlow]]:
    """Number the oldest committed events; the last number, and the series that they are about."""
    last = connection.exec_driver_sql(
        "SELECT last_sequence FROM event_counter WHERE id = 1 FOR UPDATE"
    ).scalar_one()
    flows, count = [], 0
    for *flow, own_result, numbered in connection.exec_driver_sql(_NUMBER, (limit, last)):
        count += numbered
        if flow[0] is not None and not own_result:
            flows.append(SeriesFlow(*flow))
    if count:
        connection.exec_driver_sql(
            "UPDATE event_counter SET last_sequence = %s WHERE id = 1", (last + count,)
        )
    return last + count, flows


def announce(connection: Connection, last_sequence: int) -> None:
    """Wake the readers; they hear it when the transaction commits."""
    connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, str(last_sequence)))


async def read(
    connection: AsyncConnection, since: int, limit: int
) -> tuple[Sequence[Row[Any]], int, int]:
    """Events after ``since``; with the last number given out, and the oldest that is kept."""
    counter = (
        await connection.execute(select(EventCounter.last_sequence, EventCounter.first_kept))
    ).one_or_none()
    last, first = counter if counter is not None else (0, 1)
    rows = await connection.execute(
        select(
            Event.sequence,
            Event.type,
            Event.study_instance_uid,
            Event.series_instance_uid,
            Event.sop_instance_uid,
            Event.job_id,
            Event.data,
            Event.time,
        )
        .where(Event.sequence > since)
        .order_by(Event.sequence)
        .limit(limit)
    )
    return rows.all(), last, first

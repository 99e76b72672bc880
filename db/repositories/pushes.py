"""What is sent to peers: the queue of pushes, and the ledger of their instances."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from hounsfield.db.tables import Push as Table
from hounsfield.db.tables import PushInstance

QUEUED, SENDING, AWAITING = "queued", "sending", "awaiting commitment"
DONE, FAILED, CANCELED = "done", "failed", "canceled"
SENT, COMMITTED = "sent", "committed"

_LIST = """
INSERT INTO push_instance (push_id, sop_instance_uid, sop_class_uid, state, reason)
SELECT :id, sop_instance_uid, sop_class_uid, 'queued', '' FROM instance
JOIN series ON series.id = instance.series_pk JOIN study ON study.id = instance.study_pk
WHERE study_instance_uid = :study
  AND (CAST(:series AS text) IS NULL OR series_instance_uid = :series)
ON CONFLICT DO NOTHING
"""
_ENTER = """
UPDATE push_instance SET state = said.state, reason = said.reason, changed_at = clock_timestamp()
FROM unnest(CAST(:uids AS text[]), CAST(:states AS text[]), CAST(:reasons AS text[]))
    AS said(uid, state, reason)
WHERE push_id = :id AND sop_instance_uid = said.uid
"""


@dataclass(frozen=True, slots=True)
class Push:
    """A study or series on its way to a peer."""

    id: uuid.UUID
    ae_title: str
    study_instance_uid: str
    series_instance_uid: str | None
    trigger: str
    state: str
    reason: str
    attempt: int
    commit: bool
    transaction_uid: str | None
    due_at: dt.datetime | None
    created_at: dt.datetime
    asked_at: dt.datetime
    ended_at: dt.datetime | None

    @property
    def has_ended(self) -> bool:
        """Nothing more will be done for it."""
        return self.state in (DONE, FAILED, CANCELED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One instance in the ledger."""

    sop_instance_uid: str
    state: str
    reason: str = ""


_COLUMNS = [getattr(Table, name) for name in Push.__dataclass_fields__]


def add(
    connection: Connection,
    ae_title: str,
    study_instance_uid: str,
    series_instance_uid: str | None,
    *,
    trigger: str,
    commit: bool,
) -> uuid.UUID:
    """Queue one; its instances are listed by the first attempt."""
    push_id = uuid.uuid4()
    connection.execute(
        insert(Table).values(
            id=push_id,
            ae_title=ae_title,
            study_instance_uid=study_instance_uid,
            series_instance_uid=series_instance_uid,
            trigger=trigger,
            state=QUEUED,
            commit=commit,
        )
    )
    return push_id


def find(connection: Connection, push_id: uuid.UUID) -> Push | None:
    """One of them."""
    row = connection.execute(select(*_COLUMNS).where(Table.id == push_id)).one_or_none()
    return None if row is None else Push(*row)


def newest(connection: Connection, limit: int, offset: int, study: str | None) -> list[Push]:
    """A page of them, the newest first."""
    statement = select(*_COLUMNS).order_by(Table.created_at.desc(), Table.id)
    if study is not None:
        statement = statement.where(Table.study_instance_uid == study)
    return [Push(*row) for row in connection.execute(statement.limit(limit).offset(offset))]


def due(connection: Connection, limit: int) -> list[uuid.UUID]:
    """Those that wait for an attempt, the longest first."""
    statement = (
        select(Table.id)
        .where(Table.due_at <= func.clock_timestamp())
        .order_by(Table.due_at)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def list_instances(connection: Connection, push: Push) -> None:
    """Enter what the study or series holds now, in the ledger."""
    values = {
        "id": push.id,
        "study": push.study_instance_uid,
        "series": push.series_instance_uid,
    }
    connection.execute(text(_LIST), values)


def queued(connection: Connection, push_id: uuid.UUID) -> set[str]:
    """The instances that have still to be sent."""
    return set(
        connection.execute(
            select(PushInstance.sop_instance_uid).where(
                PushInstance.push_id == push_id, PushInstance.state == QUEUED
            )
        ).scalars()
    )


def sent(connection: Connection, push_id: uuid.UUID) -> list[tuple[str, str]]:
    """SOP class and instance of those that are sent, and not committed."""
    rows = connection.execute(
        select(PushInstance.sop_class_uid, PushInstance.sop_instance_uid).where(
            PushInstance.push_id == push_id, PushInstance.state == SENT
        )
    )
    return [(row[0], row[1]) for row in rows]


def enter(connection: Connection, push_id: uuid.UUID, entries: Sequence[Entry]) -> None:
    """Write what became of instances."""
    values = {
        "id": push_id,
        "uids": [entry.sop_instance_uid for entry in entries],
        "states": [entry.state for entry in entries],
        "reasons": [entry.reason for entry in entries],
    }
    connection.execute(text(_ENTER), values)


def counts(
    connection: Connection, push_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, dict[str, int]]:
    """How many instances of each push stand where."""
    statement = (
        select(PushInstance.push_id, PushInstance.state, func.count())
        .where(PushInstance.push_id.in_(push_ids))
        .group_by(PushInstance.push_id, PushInstance.state)
    )
    found: dict[uuid.UUID, dict[str, int]] = {push_id: {} for push_id in push_ids}
    for push_id, state, count in connection.execute(statement):
        found[push_id][state] = count
    return found


def ledger(connection: Connection, push_id: uuid.UUID, limit: int) -> list[Entry]:
    """Its instances, those that failed first."""
    statement = (
        select(PushInstance.sop_instance_uid, PushInstance.state, PushInstance.reason)
        .where(PushInstance.push_id == push_id)
        .order_by(case((PushInstance.state == FAILED, 0), else_=1), PushInstance.sop_instance_uid)
        .limit(limit)
    )
    rows = connection.execute(statement)
    return [Entry(uid, state, reason) for uid, state, reason in rows]


def begin(connection: Connection, push_id: uuid.UUID) -> bool:
    """An attempt begins; False where it has ended meanwhile."""
    return _change(connection, push_id, (QUEUED, SENDING), state=SENDING)


def postpone(connection: Connection, push_id: uuid.UUID, reason: str, seconds: float) -> None:
    """What is left is tried again after this time."""
    _change(
        connection,
        push_id,
        (SENDING, AWAITING),
        state=case((Table.state == SENDING, QUEUED), else_=Table.state),
        reason=reason,
        attempt=Table.attempt + 1,
        due_at=func.clock_timestamp() + dt.timedelta(seconds=seconds),
    )


def await_commitment(
    connection: Connection, push_id: uuid.UUID, transaction_uid: str, seconds: float
) -> None:
    """The peer has been asked, or is about to be; looked at again after this time."""
    _change(
        connection,
        push_id,
        (SENDING, AWAITING),
        state=AWAITING,
        transaction_uid=transaction_uid,
        due_at=func.clock_timestamp() + dt.timedelta(seconds=seconds),
    )


def end(connection: Connection, push_id: uuid.UUID, state: str, reason: str = "") -> bool:
    """It has ended; False where it had before."""
    return _change(
        connection,
        push_id,
        (QUEUED, SENDING, AWAITING),
        state=state,
        reason=reason,
        due_at=None,
        ended_at=func.clock_timestamp(),
    )


def ask_again(connection: Connection, push_id: uuid.UUID) -> bool:
    """Queue what has failed or been canceled once more; False where it is on its way or done."""
    again = _change(
        connection,
        push_id,
        (FAILED, CANCELED),
        state=QUEUED,
        reason="",
        attempt=0,
        due_at=func.clock_timestamp(),
        asked_at=func.clock_timestamp(),
        ended_at=None,
    )
    if again:
        connection.execute(
            update(PushInstance)
            .where(PushInstance.push_id == push_id, PushInstance.state == FAILED)
            .values(state=QUEUED, reason="")
        )
    return again


def fail_queued(connection: Connection, push_id: uuid.UUID, reason: str) -> None:
    """What has not been sent will not be."""
    connection.execute(
        update(PushInstance)
        .where(PushInstance.push_id == push_id, PushInstance.state == QUEUED)
        .values(state=FAILED, reason=reason)
    )


def of_transaction(connection: Connection, ae_title: str, transaction_uid: str) -> Push | None:
    """The push for which a peer was asked for commitment; locked until the transaction ends."""
    statement = (
        select(*_COLUMNS)
        .where(Table.ae_title == ae_title, Table.transaction_uid == transaction_uid)
        .with_for_update()
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else Push(*tuple(row))


def remove_ended(connection: Connection, push_id: uuid.UUID) -> bool:
    """Take one that has ended, and its ledger, off the list."""
    statement = delete(Table).where(Table.id == push_id, Table.state.in_((DONE, FAILED, CANCELED)))
    return connection.execute(statement).rowcount == 1


def _change(
    connection: Connection, push_id: uuid.UUID, states: Sequence[str], **values: Any
) -> bool:
    statement = update(Table).where(Table.id == push_id, Table.state.in_(states))
    return connection.execute(statement.values(**values)).rowcount == 1

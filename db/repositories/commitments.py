"""Storage commitment that we owe, and the instances for which we have given it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Text,
    any_,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from hounsfield.db.repositories.deletions import WITHIN, Resource
from hounsfield.db.tables import CommitmentRequest as Table
from hounsfield.db.tables import CommittedInstance, Instance, Study

_COMMITTED = f"""
SELECT count(*) FROM committed_instance
JOIN instance ON instance.id = committed_instance.instance_pk
JOIN series ON series.id = instance.series_pk
WHERE instance.study_pk = :study_pk AND
{WITHIN.format(series="series.series_instance_uid", instance="instance.sop_instance_uid")}
"""  # noqa: S608 - names of columns from above


@dataclass(frozen=True, slots=True)
class Commitment:
    """A request that has not been answered yet."""

    id: int
    ae_title: str
    transaction_uid: str
    asked: list[list[str]]
    result: list[int] | None
    attempt: int
    created_at: dt.datetime


_COLUMNS = (
    Table.id,
    Table.ae_title,
    Table.transaction_uid,
    Table.asked,
    Table.result,
    Table.attempt,
    Table.created_at,
)


def add(
    connection: Connection,
    ae_title: str,
    transaction_uid: str,
    asked: Sequence[tuple[str, str]],
    seconds: float,
) -> int | None:
    """Owe an answer, from now on in so many seconds; None where the transaction is known."""
    statement = (
        insert(Table)
        .values(
            ae_title=ae_title,
            transaction_uid=transaction_uid,
            asked=[list(each) for each in asked],
            state="pending",
            due_at=_in(seconds),
        )
        .on_conflict_do_nothing()
        .returning(Table.id)
    )
    return connection.execute(statement).scalar_one_or_none()


def due(connection: Connection, limit: int) -> list[int]:
    """Those that wait for an attempt, the longest first."""
    statement = (
        select(Table.id)
        .where(Table.state == "pending", Table.due_at <= func.clock_timestamp())
        .order_by(Table.due_at)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def find(connection: Connection, request_id: int) -> Commitment | None:
    """A request that has not been answered yet."""
    statement = select(*_COLUMNS).where(Table.id == request_id, Table.state == "pending")
    row = connection.execute(statement).one_or_none()
    return None if row is None else Commitment(*row)


def checked(connection: Connection, request_id: int, result: Sequence[int]) -> None:
    """What the answer will be."""
    _change(connection, request_id, result=list(result))


def reported(connection: Connection, request_id: int) -> None:
    """The answer has been heard."""
    _change(connection, request_id, state="reported", reason="", ended_at=func.clock_timestamp())


def postponed(connection: Connection, request_id: int, reason: str, seconds: float) -> None:
    """The answer could not be given: later."""
    _change(connection, request_id, reason=reason, due_at=_in(seconds), attempt=Table.attempt + 1)


def given_up(connection: Connection, request_id: int, reason: str) -> None:
    """The answer will not be given."""
    _change(connection, request_id, state="failed", reason=reason, ended_at=func.clock_timestamp())


def objects_of(
    connection: Connection, sop_instance_uids: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """SOP class, object and digests of those that are stored, by UID."""
    columns = (
        Instance.sop_instance_uid,
        Instance.sop_class_uid,
        Instance.object_key,
        Instance.object_size,
        Instance.digest,
        Instance.file_meta_digest,
        Instance.dataset_offset,
    )
    rows = connection.execute(select(*columns).where(_is_one_of(sop_instance_uids)))
    return {row["sop_instance_uid"]: dict(row) for row in rows.mappings()}


def hold_studies(connection: Connection, sop_instance_uids: Sequence[str]) -> None:
    """Keep deletions away from these instances until the transaction ends."""
    wanted = select(Instance.study_pk).where(_is_one_of(sop_instance_uids))
    connection.execute(
        select(Study.id)
        .where(Study.id.in_(wanted))
        .order_by(Study.id)
        .with_for_update(read=True, key_share=True)
    )


def commit(connection: Connection, kept: Sequence[tuple[str, str]], ae_title: str) -> set[str]:
    """Remember that these are committed (UID and object); the UIDs of those still there."""
    by_uid = dict(kept)
    rows = connection.execute(
        select(Instance.id, Instance.sop_instance_uid, Instance.object_key).where(
            _is_one_of(list(by_uid))
        )
    ).all()
    found = [(pk, uid) for pk, uid, key in rows if by_uid[uid] == key]
    if found:
        values = [{"instance_pk": pk, "ae_title": ae_title} for pk, _ in found]
        connection.execute(insert(CommittedInstance).on_conflict_do_nothing(), values)
    return {uid for _, uid in found}


def committed_within(connection: Connection, study_pk: int, resource: Resource) -> int:
    """How many instances of the resource are committed."""
    values = {"study_pk": study_pk, **resource.values()}
    return int(connection.execute(text(_COMMITTED), values).scalar_one())


def _is_one_of(sop_instance_uids: Sequence[str]) -> ColumnElement[bool]:
    return Instance.sop_instance_uid == any_(literal(list(sop_instance_uids), ARRAY(Text)))


def _in(seconds: float) -> Any:
    return func.clock_timestamp() + dt.timedelta(seconds=seconds)


def _change(connection: Connection, request_id: int, **values: Any) -> None:
    connection.execute(update(Table).where(Table.id == request_id).values(**values))

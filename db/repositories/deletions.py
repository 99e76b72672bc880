"""Taking rows away: instances, with the series and the study that they leave empty.

Whoever stores holds a key-share lock on study and series by its foreign keys. A deletion takes
both for itself before it looks, so that each instance is either seen by it, or finds its study
gone and is placed anew.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, func, select, text, update

from hounsfield.db.repositories.retrieve import Statement
from hounsfield.db.tables import DiscardedObject, Instance, Series, Settling, Study


@dataclass(frozen=True, slots=True)
class Resource:
    """A study, a series of it, or one instance."""

    study: str
    series: str | None = None
    instance: str | None = None

    def values(self) -> dict[str, str | None]:
        """For the statements below."""
        return {"study": self.study, "series": self.series, "instance": self.instance}


WITHIN = """
    (CAST(:series AS text) IS NULL OR {series} = :series)
    AND (CAST(:instance AS text) IS NULL OR {instance} = :instance)
"""
"""Condition of a resource below its study."""

_TAKE_INSTANCES = f"""
WITH gone AS (
    DELETE FROM instance USING series
    WHERE instance.study_pk = :study_pk AND series.id = instance.series_pk AND
    {WITHIN.format(series="series.series_instance_uid", instance="instance.sop_instance_uid")}
    RETURNING series_instance_uid, sop_instance_uid, object_key
), remembered AS (
    INSERT INTO deleted_instance (study_instance_uid, series_instance_uid, sop_instance_uid)
    SELECT :study, series_instance_uid, sop_instance_uid FROM gone
    ON CONFLICT (study_instance_uid, series_instance_uid, sop_instance_uid)
    DO UPDATE SET deleted_at = EXCLUDED.deleted_at
), discarded AS (
    INSERT INTO discarded_object SELECT object_key, clock_timestamp() + :grace FROM gone
)
SELECT series_instance_uid, object_key FROM gone
"""  # noqa: S608 - names of columns from above
_TAKE_QUARANTINED = f"""
WITH gone AS (
    DELETE FROM quarantine WHERE study_instance_uid = :study AND
    {WITHIN.format(series="series_instance_uid", instance="sop_instance_uid")}
    RETURNING object_key
), discarded AS (
    INSERT INTO discarded_object SELECT object_key, clock_timestamp() + :grace FROM gone
)
SELECT object_key FROM gone
"""  # noqa: S608


def lock_study(connection: Connection, resource: Resource) -> int | None:
    """Keep stores away from the resource until the transaction ends; the study's key, or None.

    In the order in which others take these rows: settling, series, study.
    """
    settling = (
        select(Settling.series_pk)
        .where(Settling.study_instance_uid == resource.study)
        .order_by(Settling.series_pk)
        .with_for_update()
    )
    series = (
        select(Series.id)
        .join(Study, Study.id == Series.study_pk)
        .where(Study.study_instance_uid == resource.study)
        .order_by(Series.id)
        .with_for_update(of=Series)
    )
    if resource.series is not None:
        series = series.where(Series.series_instance_uid == resource.series)
    connection.execute(settling)
    connection.execute(series)
    study = select(Study.id).where(Study.study_instance_uid == resource.study).with_for_update()
    return connection.execute(study).scalar_one_or_none()


def take_instances(
    connection: Connection, study_pk: int, resource: Resource, grace: dt.timedelta
) -> list[tuple[str, str]]:
    """Delete the rows and remember their names; series UID and object key of each."""
    values = {"study_pk": study_pk, "grace": grace, **resource.values()}
    rows = connection.execute(text(_TAKE_INSTANCES), values)
    return [(series, key) for series, key in rows]


def take_quarantined(connection: Connection, resource: Resource, grace: dt.timedelta) -> list[str]:
    """What lies in quarantine under the same names goes too; the object keys."""
    values = {"grace": grace, **resource.values()}
    return [key for (key,) in connection.execute(text(_TAKE_QUARANTINED), values)]


def drop_empty_series(connection: Connection, study_pk: int) -> list[str]:
    """Delete the series of the study that hold nothing; their UIDs.

    One that a store holds is left: it waits for the study with an instance for that series, and
    to wait for it in turn would be a deadlock.
    """
    holds = exists().where(Instance.series_pk == Series.id)
    empty = (
        select(Series.id)
        .where(Series.study_pk == study_pk, ~holds)
        .order_by(Series.id)
        .with_for_update(skip_locked=True)
    )
    statement = delete(Series).where(Series.id.in_(empty)).returning(Series.series_instance_uid)
    return list(connection.execute(statement).scalars())


def drop_empty_study(connection: Connection, study_pk: int) -> bool:
    """Delete the study if it holds nothing; whether it did."""
    holds = exists().where(Series.study_pk == Study.id)
    statement = delete(Study).where(Study.id == study_pk, ~holds).returning(Study.id)
    return connection.execute(statement).scalar_one_or_none() is not None


def settle_anew(
    connection: Connection, study_pk: int, series_uids: Sequence[str], seconds: float
) -> None:
    """Have these series decided on again once they have been quiet."""
    connection.execute(
        text(
            "INSERT INTO settling (series_pk, study_instance_uid, series_instance_uid, "
            "first_stored_at, last_stored_at, due_at) "
            "SELECT series.id, study_instance_uid, series_instance_uid, clock_timestamp(), "
            "clock_timestamp(), clock_timestamp() + :wait "
            "FROM series JOIN study ON study.id = study_pk "
            "WHERE study_pk = :study_pk AND series_instance_uid = ANY(:uids) "
            "ON CONFLICT (series_pk) DO UPDATE SET due_at = EXCLUDED.due_at"
        ),
        {
            "study_pk": study_pk,
            "uids": list(series_uids),
            "wait": dt.timedelta(seconds=seconds),
        },
    )


def held_patient(connection: Connection, study_pk: int) -> tuple[str, str] | None:
    """Patient ID and issuer of a study with a conflict; None where it has none."""
    statement = select(Study.patient_id, Study.issuer_of_patient_id)
    held = statement.where(Study.id == study_pk, Study.conflict.is_not(None))
    row = connection.execute(held).one_or_none()
    return None if row is None else (row[0], row[1])


def metadata_of_study(connection: Connection, study_pk: int) -> Iterator[bytes]:
    """The kept metadata (archive.metadata) of its instances."""
    statement = select(Instance.metadata_json).where(Instance.study_pk == study_pk)
    yield from connection.execute(statement).scalars()


def release(connection: Connection, study_pk: int) -> None:
    """The conflict is over."""
    connection.execute(update(Study).where(Study.id == study_pk).values(conflict=None))


def was_deleted(study: str, series: str | None, instance: str | None) -> Statement:
    """Whether something of this name was stored once and deleted."""
    named = {
        "study_instance_uid": study,
        "series_instance_uid": series,
        "sop_instance_uid": instance,
    }
    given = {column: uid for column, uid in named.items() if uid is not None}
    where = " AND ".join(f"{column} = %s" for column in given)
    text = f"SELECT EXISTS (SELECT 1 FROM deleted_instance WHERE {where})"  # noqa: S608 - columns
    return Statement(text, tuple(given.values()))


def discarded(connection: Connection, keys: Iterable[str]) -> set[str]:
    """Which of these objects wait to be removed."""
    statement = select(DiscardedObject.object_key).where(DiscardedObject.object_key.in_(keys))
    return set(connection.execute(statement).scalars())


def due_objects(connection: Connection, limit: int) -> list[str]:
    """Keys of objects whose grace period is over, locked; those of another sweep are left out."""
    statement = (
        select(DiscardedObject.object_key)
        .where(DiscardedObject.remove_after <= func.clock_timestamp())
        .order_by(DiscardedObject.remove_after)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(connection.execute(statement).scalars())


def forget_objects(connection: Connection, keys: Sequence[str]) -> None:
    """These objects have been removed."""
    connection.execute(delete(DiscardedObject).where(DiscardedObject.object_key.in_(keys)))


def postpone_objects(connection: Connection, keys: Sequence[str], seconds: float) -> None:
    """These could not be removed: later."""
    later = func.clock_timestamp() + dt.timedelta(seconds=seconds)
    statement = update(DiscardedObject).where(DiscardedObject.object_key.in_(keys))
    connection.execute(statement.values(remove_after=later))

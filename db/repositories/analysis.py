"""What the rules want to know of a series, read in the transaction that decides on it."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Connection, cast, func, select, text

from hounsfield.db.repositories.retrieve import kept_metadata
from hounsfield.db.tables import Instance, Series, Settling, Study


@dataclass(frozen=True, slots=True)
class SeriesState:
    """A series as it is stored now."""

    study_instance_uid: str
    series_instance_uid: str
    modality: str
    series_description: str
    conflict: str | None
    """Why no model may run on its study."""
    instance_count: int
    frame_count: int
    has_own_results: bool
    """At least one of its instances was made by a job of ours."""


def hold_series(connection: Connection, study_uid: str, series_uid: str) -> None:
    """Keep others from deciding on this series until we have.

    Instances may still be added to it meanwhile (their foreign key takes a weaker lock).
    """
    statement = (
        select(Series.id)
        .join(Study, Study.id == Series.study_pk)
        .where(*_is(study_uid, series_uid))
        .with_for_update(of=Series, key_share=True)
    )
    connection.execute(statement)


def state_of_series(connection: Connection, study_uid: str, series_uid: str) -> SeriesState | None:
    """One series, or None where it is not stored."""
    found = states(connection, _is(study_uid, series_uid))
    return found[0] if found else None


def states_of_study(connection: Connection, study_uid: str) -> list[SeriesState]:
    """All series of a study."""
    return states(connection, [Study.study_instance_uid == study_uid])


def states(connection: Connection, conditions: list[ColumnElement[bool]]) -> list[SeriesState]:
    """The series that meet the conditions, in the order in which they came."""
    rows = connection.execute(
        select(
            Study.study_instance_uid,
            Series.series_instance_uid,
            Series.modality,
            Series.series_description,
            Study.conflict,
            func.count(),
            cast(func.sum(func.coalesce(Instance.number_of_frames, 1)), BigInteger),
            func.bool_or(func.coalesce(Instance.source["protocol"].astext == "INFERENCE", False)),
        )
        .select_from(Series)
        .join(Study, Study.id == Series.study_pk)
        .join(Instance, Instance.series_pk == Series.id)
        .where(*conditions)
        .group_by(Study.id, Series.id)
        .order_by(Series.id)
    )
    return [SeriesState(*tuple(row)) for row in rows]


def metadata_of_series(
    connection: Connection, study_uid: str, series_uid: str, limit: int | None = None
) -> list[bytes]:
    """Kept metadata (archive.metadata) of its instances, in the order of their arrival."""
    statement = kept_metadata(study_uid, series_uid, limit=limit)
    rows = connection.exec_driver_sql(statement.text, statement.values)
    return [bytes(kept) for (kept,) in rows]


def conflict_of(connection: Connection, study_uid: str) -> str | None:
    """Why no model may run on this study; None where one may."""
    statement = select(Study.conflict).where(Study.study_instance_uid == study_uid)
    return connection.execute(statement).scalar_one_or_none()


def settling_series(connection: Connection) -> list[tuple[int, str, str]]:
    """Series that may still grow: key, study and series UID."""
    columns = (Settling.series_pk, Settling.study_instance_uid, Settling.series_instance_uid)
    return [(pk, study, series) for pk, study, series in connection.execute(select(*columns))]


def events_wait(connection: Connection, series_pk: int) -> bool:
    """True where instances of this series are stored that settling has not heard of yet."""
    statement = text("SELECT EXISTS (SELECT 1 FROM event_outbox WHERE series_pk = :pk)")
    return bool(connection.execute(statement, {"pk": series_pk}).scalar())


def seconds_since(connection: Connection, moment: dt.datetime) -> float:
    """How long ago that was, by the clock of the database alone."""
    passed = func.extract("epoch", func.clock_timestamp() - moment)
    return float(connection.execute(select(passed)).scalar_one())


def _is(study_uid: str, series_uid: str) -> list[ColumnElement[bool]]:
    return [
        Study.study_instance_uid == study_uid,
        Series.series_instance_uid == series_uid,
    ]

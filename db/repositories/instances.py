"""Writing instances: studies, series, instances and their events, a batch in one transaction.

Rows go in UID order, so that two batches never wait for one another in a circle. A whole batch
goes in one statement and one round trip.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Connection, RowMapping, text

Attributes = dict[str, str]

STUDY_TEXT = (
    "study_instance_uid",
    "patient_id",
    "issuer_of_patient_id",
    "patient_name",
    "patient_name_folded",
    "patient_birth_date",
    "patient_sex",
    "study_date",
    "study_time",
    "accession_number",
    "referring_physician_name",
    "referring_physician_name_folded",
    "study_id",
    "study_description",
)
SERIES_TEXT = (
    "series_instance_uid",
    "modality",
    "series_number",
    "series_description",
    "body_part_examined",
    "performed_procedure_step_start_date",
    "performed_procedure_step_start_time",
)
INSTANCE_COLUMNS = {
    "study_pk": "bigint",
    "series_pk": "bigint",
    "sop_instance_uid": "text",
    "sop_class_uid": "text",
    "transfer_syntax_uid": "text",
    "instance_number": "text",
    "rows": "bigint",
    "columns": "bigint",
    "bits_allocated": "bigint",
    "number_of_frames": "bigint",
    "object_key": "text",
    "object_size": "bigint",
    "digest": "bytea",
    "file_meta_digest": "bytea",
    "dataset_offset": "bigint",
    "frame_table": "bytea",
    "bulkdata": "bytea",
    "attributes": "bytea",
    "metadata_json": "bytea",
    "metadata_version": "smallint",
    "source": "jsonb",
}


class Levels(Protocol):
    """What a search returns of the study and of the series, if this instance is their first."""

    @property
    def study_json(self) -> bytes:
        """DICOM JSON members without braces, tags ascending."""

    @property
    def series_json(self) -> bytes:
        """The same of the series."""


@dataclass(slots=True)
class NewInstance:
    """The rows of one instance, before its study and series have keys."""

    attributes: Attributes
    levels: Levels
    columns: dict[str, object]
    """Values of INSTANCE_COLUMNS; ``study_pk`` and ``series_pk`` are filled in here."""
    event_data: str

    @property
    def study_uid(self) -> str:
        """Study Instance UID."""
        return self.attributes["study_instance_uid"]

    @property
    def series_uid(self) -> str:
        """Series Instance UID."""
        return self.attributes["series_instance_uid"]

    @property
    def sop_uid(self) -> str:
        """SOP Instance UID."""
        return str(self.columns["sop_instance_uid"])


@dataclass(frozen=True, slots=True)
class StudyKey:
    """A study's row, and the patient that it was stored for."""

    pk: int
    patient_id: str
    issuer_of_patient_id: str


_INSERT_STUDIES = f"""
INSERT INTO study ({", ".join(STUDY_TEXT)}, attributes)
SELECT * FROM unnest({", ".join(["%s::text[]"] * len(STUDY_TEXT))}, %s::bytea[])
ON CONFLICT (study_instance_uid) DO NOTHING
"""  # noqa: S608 - names from the tuples above
_INSERT_SERIES = f"""
INSERT INTO series (study_pk, {", ".join(SERIES_TEXT)}, attributes)
SELECT * FROM unnest(%s::bigint[], {", ".join(["%s::text[]"] * len(SERIES_TEXT))}, %s::bytea[])
ON CONFLICT (study_pk, series_instance_uid) DO NOTHING
"""  # noqa: S608
_NAMES = ", ".join(f'"{name}"' for name in INSTANCE_COLUMNS)
_EVENT_COLUMNS = {"study_uid": "text", "series_uid": "text", "event_data": "jsonb"}
_KINDS = [*INSTANCE_COLUMNS.values(), *_EVENT_COLUMNS.values()]


@cache
def _insert_instances(count: int) -> str:
    """The statement for so many rows. Values stand one by one: the driver takes four times as
    long to write them as arrays, which was half of what a store cost."""
    width = len(_KINDS)
    values = ", ".join(
        "(" + ", ".join(f"${row * width + n}::{kind}" for n, kind in enumerate(_KINDS, 1)) + ")"
        for row in range(count)
    )
    return f"""
        WITH new({_NAMES}, {", ".join(_EVENT_COLUMNS)}) AS (VALUES {values}), stored AS (
            INSERT INTO instance ({_NAMES}) SELECT {_NAMES} FROM new
            ON CONFLICT (sop_instance_uid) DO NOTHING
            RETURNING object_key
        ), announced AS (
            INSERT INTO event_outbox
                (type, series_pk, study_instance_uid, series_instance_uid, sop_instance_uid, data)
            SELECT 'stored', series_pk, study_uid, series_uid, sop_instance_uid, event_data
            FROM new JOIN stored USING (object_key)
        )
        SELECT object_key FROM stored
        """  # noqa: S608 - names and types from the tables above


def find_studies(connection: Connection, uids: Sequence[str]) -> dict[str, StudyKey]:
    """Keys of the studies that exist, by Study Instance UID."""
    rows = connection.exec_driver_sql(
        "SELECT study_instance_uid, id, patient_id, issuer_of_patient_id FROM study "
        "WHERE study_instance_uid = ANY(%s)",
        (list(uids),),
    )
    return {uid: StudyKey(pk, patient, issuer) for uid, pk, patient, issuer in rows}


def insert_studies(connection: Connection, items: Iterable[NewInstance]) -> dict[str, StudyKey]:
    """Make sure that each item's study exists; the first item of a new one gives its row."""
    firsts = _firsts(items, lambda item: (item.study_uid,))
    columns = [[item.attributes[name] for item in firsts] for name in STUDY_TEXT]
    connection.exec_driver_sql(
        _INSERT_STUDIES, (*columns, [item.levels.study_json for item in firsts])
    )
    return find_studies(connection, columns[0])


def hold_series(connection: Connection, pks: Iterable[int]) -> None:
    """Keep series that get instances, before a new one beside them holds the study.

    A deletion takes series before studies; a store that took them the other way round would wait
    for it while it waits for the store.
    """
    connection.exec_driver_sql(
        "SELECT FROM series WHERE id = ANY(%s::bigint[]) ORDER BY id FOR KEY SHARE", (sorted(pks),)
    )


def insert_series(
    connection: Connection, items: Iterable[NewInstance]
) -> dict[tuple[int, str], int]:
    """Make sure that each item's series exists; items carry their ``study_pk``."""
    firsts = _firsts(items, lambda item: (item.columns["study_pk"], item.series_uid))
    study_pks = [item.columns["study_pk"] for item in firsts]
    columns = [[item.attributes[name] for item in firsts] for name in SERIES_TEXT]
    connection.exec_driver_sql(
        _INSERT_SERIES, (study_pks, *columns, [item.levels.series_json for item in firsts])
    )
    rows = connection.exec_driver_sql(
        "SELECT study_pk, series_instance_uid, id FROM series "
        "JOIN unnest(%s::bigint[], %s::text[]) AS k(study_pk, series_instance_uid) "
        "USING (study_pk, series_instance_uid)",
        (study_pks, columns[0]),
    )
    return {(study_pk, uid): pk for study_pk, uid, pk in rows}


Run = Callable[[str, Sequence[Any]], Iterable[tuple[Any, ...]]]
"""Runs a statement with ``$1``, ``$2``, … inside a transaction, or as one by itself."""


def insert_instances(run: Run, items: Sequence[NewInstance]) -> set[str]:
    """Insert with one event each; the object keys of those whose UID was not taken."""
    values: list[object] = []
    for item in sorted(items, key=lambda item: item.sop_uid):
        values += map(_as_sent, map(item.columns.__getitem__, INSTANCE_COLUMNS))
        values += (item.study_uid, item.series_uid, item.event_data)
    return {key for (key,) in run(_insert_instances(len(items)), values)}


def _as_sent(value: object) -> object:
    """A number as text, so that its size does not make another statement of the same words."""
    return str(value) if isinstance(value, int) else value


def flag_conflict(connection: Connection, study_pk: int, reason: str) -> None:
    """Hold the jobs of a study whose instances name different patients."""
    connection.execute(
        text("UPDATE study SET conflict = :reason WHERE id = :pk AND conflict IS NULL"),
        {"reason": reason, "pk": study_pk},
    )


def lock_instance(connection: Connection, sop_instance_uid: str) -> RowMapping | None:
    """The stored row of a UID, locked until the transaction ends."""
    rows = connection.execute(
        text(
            "SELECT id, object_key, object_size, digest, file_meta_digest, dataset_offset, "
            "transfer_syntax_uid, metadata_json FROM instance "
            "WHERE sop_instance_uid = :uid FOR UPDATE"
        ),
        {"uid": sop_instance_uid},
    )
    return rows.mappings().one_or_none()


def replace_object(connection: Connection, pk: int, item: NewInstance) -> None:
    """Point a row whose object is damaged to an equal one that has just arrived."""
    names = (
        "object_key",
        "object_size",
        "file_meta_digest",
        "dataset_offset",
        "frame_table",
        "bulkdata",
    )
    connection.execute(
        text(f"UPDATE instance SET {', '.join(f'{n} = :{n}' for n in names)} WHERE id = :pk"),  # noqa: S608
        {"pk": pk, **{name: item.columns[name] for name in names}},
    )


def insert_quarantine(connection: Connection, item: NewInstance, reason: str) -> bool:
    """Keep an instance apart, with an event; False where the same bytes already lie there."""
    values = {
        "study_uid": item.study_uid,
        "series_uid": item.series_uid,
        "reason": reason,
        **{
            name: item.columns[name]
            for name in ("sop_instance_uid", "object_key", "object_size", "digest", "source")
        },
    }
    row = connection.execute(
        text(
            "INSERT INTO quarantine (study_instance_uid, series_instance_uid, sop_instance_uid, "
            "object_key, object_size, digest, reason, source) VALUES (:study_uid, :series_uid, "
            ":sop_instance_uid, :object_key, :object_size, :digest, :reason, "
            "CAST(:source AS jsonb)) ON CONFLICT (sop_instance_uid, digest) DO NOTHING RETURNING id"
        ),
        values,
    ).one_or_none()
    return row is not None


def _firsts(items: Iterable[NewInstance], key: object) -> list[NewInstance]:
    """The first item of each key, in key order."""
    seen: dict[object, NewInstance] = {}
    for item in items:
        seen.setdefault(key(item), item)  # type: ignore[operator]
    return [seen[found] for found in sorted(seen)]  # type: ignore[type-var]

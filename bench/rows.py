"""Rows of many instances, made in the database itself: to store a million takes the hours it takes.

Each is what the archive would have written: header, members and compressed metadata come from its
own code, once for each study, and the UIDs and numbers of its slices are then put in place. There
are no objects behind them; searches and metadata need none.
"""

from collections.abc import Iterator

import orjson
import psycopg
from psycopg.types.json import Jsonb

from bench.searches import SLICES_A_SERIES
from bench.slices import SMALL, Slice, make_series
from hounsfield.archive.header import read_header
from hounsfield.archive.metadata import compress, members_of
from hounsfield.archive.prepared import make_row
from hounsfield.archive.types import Source
from hounsfield.db.repositories.instances import (
    INSTANCE_COLUMNS,
    SERIES_TEXT,
    STUDY_TEXT,
    NewInstance,
)

STUDIES_A_TRANSACTION = 100
NUMBER_OF = '"00200013":{"vr":"IS","Value":[%d]}'
POSITION_OF = '"00200032":{"vr":"DS","Value":[0.0,0.0,%d.0]}'

TABLES = {
    "study": {"id": "bigint", **dict.fromkeys(STUDY_TEXT, "text"), "attributes": "bytea"},
    "series": {
        "id": "bigint",
        "study_pk": "bigint",
        **dict.fromkeys(SERIES_TEXT, "text"),
        "attributes": "bytea",
    },
    "instance": INSTANCE_COLUMNS,
}
Rows = dict[str, list[list[object]]]


def make_rows(database_url: str, first: int, until: int) -> None:
    """Studies of the patients ``first`` up to ``until``, of 100 instances each."""
    with psycopg.connect(database_url) as connection:
        key = _free_key(connection)
        for start in range(first, until, STUDIES_A_TRANSACTION):
            rows: Rows = {name: [] for name in TABLES}
            for number in range(start, min(until, start + STUDIES_A_TRANSACTION)):
                _add_study(rows, key + number - first, number)
            for name, columns in TABLES.items():
                _copy(connection, name, columns, rows[name])
            connection.commit()
        for name in ("study", "series"):
            sequence = f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}"
            connection.execute(sequence.encode())
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _free_key(connection: psycopg.Connection) -> int:
    statement = "SELECT greatest((SELECT max(id) FROM study), (SELECT max(id) FROM series), 0) + 1"
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 1


def _copy(
    connection: psycopg.Connection, table: str, columns: dict[str, str], rows: list[list[object]]
) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    statement = f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


def _add_study(rows: Rows, key: int, patient_number: int) -> None:
    made = list(make_series(SLICES_A_SERIES, SMALL, patient_number=patient_number))
    model = _row_of(made[0])
    texts = model.attributes
    rows["study"].append([key, *(texts[name] for name in STUDY_TEXT), model.levels.study_json])
    of_series = [texts[name] for name in SERIES_TEXT]
    rows["series"].append([key, key, *of_series, model.levels.series_json])
    rows["instance"] += _instances(model, made, key)


def _row_of(made: Slice) -> NewInstance:
    return make_row(
        read_header(made.data),
        Source("STOW-RS", address="127.0.0.1"),
        object_key="",
        object_size=len(made.data),
        digest=bytes(32),
        file_meta_digest=bytes(32),
    )


def _instances(model: NewInstance, made: list[Slice], key: int) -> Iterator[list[object]]:
    columns = {**model.columns, "study_pk": key, "series_pk": key}
    columns["source"] = Jsonb(orjson.loads(str(columns["source"])))
    metadata = members_of(_bytes(columns["metadata_json"]))
    members = _bytes(columns["attributes"])
    for number, one in enumerate(made, 1):
        columns["sop_instance_uid"] = one.instance
        columns["instance_number"] = str(number)
        columns["object_key"] = f"made/{one.instance}"
        columns["attributes"] = _put(members, made[0], one, number)
        columns["metadata_json"] = compress(_put(metadata, made[0], one, number))
        yield [columns[name] for name in INSTANCE_COLUMNS]


def _put(members: bytes, model: Slice, one: Slice, number: int) -> bytes:
    """The members of the first slice, as those of another."""
    for kept, new in (
        (model.instance, one.instance),
        (NUMBER_OF % 1, NUMBER_OF % number),
        (POSITION_OF % 1, POSITION_OF % number),
    ):
        members = members.replace(kept.encode(), new.encode())
    return members


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value

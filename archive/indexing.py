"""Values of indexed attributes, written together with the instances that bring them."""

from collections.abc import Sequence

from sqlalchemy import Connection

from hounsfield.archive.index_values import find_values
from hounsfield.db.repositories import index_attributes as statements
from hounsfield.db.repositories.index_attributes import FoundValue, IndexAttribute
from hounsfield.db.repositories.instances import NewInstance


def still_known(
    connection: Connection, remembered: list[IndexAttribute] | None
) -> list[IndexAttribute]:
    """The attributes that the instances of this transaction come with; read anew if need be.

    Where none was added, nobody asks: one that is added meanwhile makes the insert fail.
    """
    if remembered is not None and statements.declare(connection, remembered):
        return remembered
    attributes = statements.read_to_store(connection)
    statements.declare(connection, attributes)
    return attributes


def index_parents(
    connection: Connection,
    level: str,
    attributes: Sequence[IndexAttribute],
    rows: Sequence[NewInstance],
) -> None:
    """Of studies or series that are new: like their other attributes, from the first instance."""
    wanted = [each for each in attributes if each.level == level]
    firsts: dict[int, NewInstance] = {}
    for row in rows if wanted else ():
        firsts.setdefault(int(str(row.columns[f"{level}_pk"])), row)
    found = [(key, _values(row, wanted)) for key, row in firsts.items()]
    statements.insert_values_of_new(connection, level, found)


def index_instances(
    connection: Connection,
    attributes: Sequence[IndexAttribute],
    rows: Sequence[NewInstance],
    stored: set[str],
) -> None:
    """Of instances, those whose object keys were stored."""
    wanted = [each for each in attributes if each.level == "instance"]
    if not wanted:
        return
    found = {
        row.sop_uid: values
        for row in rows
        if row.columns["object_key"] in stored and (values := _values(row, wanted))
    }
    keys = statements.keys_of(connection, list(found)) if found else {}
    statements.insert_values(connection, "instance", [(keys[uid], found[uid]) for uid in keys])


def _values(row: NewInstance, attributes: Sequence[IndexAttribute]) -> list[FoundValue]:
    kept = row.columns["metadata_json"]
    return find_values(kept, attributes) if isinstance(kept, bytes) else []

"""Administered attributes: which there are, their values, and how far what is stored is indexed.

An instance is stored with its values by whoever knows of all attributes; a trigger (third
migration) refuses everybody else, who then looks again. So what was stored before an attribute
was added, up to its ``until``, is all that is left to be indexed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from hounsfield.db.reader import Fetching

PATIENCE = "5s"
REMOVED_AT_ONCE = 5000
_COLUMNS = "id, path, vr, level, private_creator, state, reason, built_in, done, total"
_TABLES = {level: f"{level}_value" for level in ("study", "series", "instance")}


@dataclass(frozen=True, slots=True)
class IndexAttribute:
    """One attribute that searches may name."""

    id: int
    path: str
    vr: str
    level: str
    private_creator: str
    state: str
    reason: str | None
    built_in: bool
    done: int
    total: int | None

    @property
    def progress(self) -> str:
        """Its state in words."""
        if self.state == "indexing":
            of = "" if self.total is None else f" of {self.total}"
            return f"what is stored is being indexed ({self.done}{of})"
        return self.state if self.reason is None else f"{self.state}: {self.reason}"


@dataclass(frozen=True, slots=True)
class FoundValue:
    """One value, and the number of the item in each sequence on the way to it."""

    attribute_id: int
    item: tuple[int, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Step:
    """Metadata of the next owners that have to be indexed, by their keys."""

    attribute: IndexAttribute
    kept: dict[int, bytes | None]


async def find_indexed(reader: Fetching, paths: list[str]) -> list[IndexAttribute]:
    """The attributes with these paths."""
    statement = (
        f"SELECT {_COLUMNS} FROM index_attribute "  # noqa: S608
        "WHERE path = ANY(%s) AND state <> 'removing'"
    )
    return [IndexAttribute(*row) for row in await reader.fetch(statement, [paths])]


def read(connection: Connection, which: str = "state <> 'removing'") -> list[IndexAttribute]:
    """All of them, oldest first."""
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM index_attribute WHERE {which} ORDER BY id")  # noqa: S608
    )
    return [IndexAttribute(*row) for row in rows]


def read_to_store(connection: Connection) -> list[IndexAttribute]:
    """All of them; none is added or removed before this transaction has ended."""
    connection.execute(text("LOCK TABLE instance IN ROW EXCLUSIVE MODE"))
    return read(connection)


def declare(connection: Connection, attributes: Sequence[IndexAttribute]) -> bool:
    """Say in this transaction which added attributes its instances come with; is it still so?"""
    known = ",".join(str(each.id) for each in attributes if not each.built_in)
    if not known:
        return True
    return bool(
        connection.scalar(
            text(
                "SELECT set_config('hounsfield.indexed', :known, true) = "
                "(SELECT string_agg(id::text, ',' ORDER BY id) FROM index_attribute "
                "WHERE NOT built_in AND state <> 'removing')"
            ),
            {"known": known},
        )
    )


def insert_values_of_new(
    connection: Connection, level: str, found: Iterable[tuple[int, Sequence[FoundValue]]]
) -> None:
    """Values of studies or series by key, of those that hold no instance yet."""
    _insert(
        connection,
        level,
        found,
        f"WHERE NOT EXISTS (SELECT FROM instance WHERE {level}_pk = new.owner_pk)",
    )


def insert_values(
    connection: Connection, level: str, found: Iterable[tuple[int, Sequence[FoundValue]]]
) -> None:
    """Values of owners by key."""
    _insert(connection, level, found, "")


def _insert(
    connection: Connection,
    level: str,
    found: Iterable[tuple[int, Sequence[FoundValue]]],
    where: str,
) -> None:
    rows = sorted({(owner, each) for owner, values in found for each in values}, key=_order)
    if not rows:
        return
    connection.exec_driver_sql(
        f"INSERT INTO {_TABLES[level]} (owner_pk, attribute_id, item, value) "  # noqa: S608
        "SELECT owner_pk, attribute_id, item::integer[], value "
        "FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) "
        f"AS new(owner_pk, attribute_id, item, value) {where} ON CONFLICT DO NOTHING",
        (
            [owner for owner, _ in rows],
            [each.attribute_id for _, each in rows],
            ["{" + ",".join(map(str, each.item)) + "}" for _, each in rows],
            [each.value for _, each in rows],
        ),
    )


def _order(row: tuple[int, FoundValue]) -> tuple[int, int, tuple[int, ...], str]:
    owner, found = row
    return owner, found.attribute_id, found.item, found.value


def keys_of(connection: Connection, sop_instance_uids: list[str]) -> dict[str, int]:
    """Keys of stored instances."""
    rows = connection.exec_driver_sql(
        "SELECT sop_instance_uid, id FROM instance WHERE sop_instance_uid = ANY(%s)",
        (sop_instance_uids,),
    )
    return {str(uid): int(key) for uid, key in rows}


def add(
    connection: Connection, path: str, vr: str, level: str, private_creator: str
) -> IndexAttribute:
    """Add an attribute, or find the one that is there already.

    Waits for the stores that are under way: they may not know of it, and ``until`` has to be
    beyond them. The rest of the transaction holds all others up: it is short.
    """
    _be_patient(connection)
    _hold_stores(connection)
    connection.execute(
        text(
            "INSERT INTO index_attribute (path, vr, level, private_creator, state, built_in, "  # noqa: S608
            "done, next, until) VALUES (:path, :vr, :level, :private_creator, 'indexing', false, "
            f"0, 0, (SELECT coalesce(max(id), 0) FROM {level})) ON CONFLICT DO NOTHING"
        ),
        {"path": path, "vr": vr, "level": level, "private_creator": private_creator},
    )
    _switch(connection, on=True)
    return _one(connection, path, level)


def _one(connection: Connection, path: str, level: str) -> IndexAttribute:
    row = connection.execute(
        text(
            f"SELECT {_COLUMNS} FROM index_attribute "  # noqa: S608
            "WHERE path = :path AND level = :level AND state <> 'removing'"
        ),
        {"path": path, "level": level},
    ).one()
    return IndexAttribute(*row)


def remove(connection: Connection, attribute_id: int) -> bool:
    """No search may name it from now on; its values go by and by. False where there is none.

    A step that is under way is waited for first: stores are not held up meanwhile.
    """
    _be_patient(connection)
    found = connection.execute(
        text(
            "UPDATE index_attribute SET state = 'removing' "
            "WHERE id = :id AND NOT built_in AND state <> 'removing' RETURNING id"
        ),
        {"id": attribute_id},
    ).one_or_none()
    _hold_stores(connection)
    if all(each.built_in for each in read(connection)):
        _switch(connection, on=False)
    return found is not None


def _be_patient(connection: Connection) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))


def _hold_stores(connection: Connection) -> None:
    connection.execute(text("LOCK TABLE instance IN SHARE ROW EXCLUSIVE MODE"))


def _switch(connection: Connection, *, on: bool) -> None:
    word = "ENABLE" if on else "DISABLE"
    connection.execute(text(f"ALTER TABLE instance {word} TRIGGER knows_index_attributes"))


def next_step(connection: Connection, count: int) -> Step | None:
    """The next owners to be indexed, for whoever asks first; None where nothing waits."""
    taken = _take(connection, "indexing")
    if taken is None:
        return None
    attribute, following, until = taken
    if attribute.total is None:
        connection.execute(
            text(
                "UPDATE index_attribute SET total = "  # noqa: S608
                f"(SELECT count(*) FROM {attribute.level} WHERE id <= :until) WHERE id = :id"
            ),
            {"until": until, "id": attribute.id},
        )
    rows = connection.execute(
        text(_OWNERS[attribute.level]), {"after": following, "until": until, "count": count}
    )
    return Step(attribute, {int(key): kept for key, kept in rows})


def _take(connection: Connection, state: str) -> tuple[IndexAttribute, int, int] | None:
    """The first in a state, with the keys after which and until which to go on; held."""
    row = connection.execute(
        text(
            f"SELECT {_COLUMNS}, next, until FROM index_attribute WHERE state = :state "  # noqa: S608
            "ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
        ),
        {"state": state},
    ).one_or_none()
    return row and (IndexAttribute(*row[:-2]), row[-2], row[-1])


def end_step(connection: Connection, step: Step) -> None:
    """Go on behind these owners, or be ready where there were none."""
    if not step.kept:
        values = "state = 'ready', done = coalesce(total, done)"
    else:
        values = "next = :last, done = done + :count"
    connection.execute(
        text(f"UPDATE index_attribute SET {values} WHERE id = :id"),  # noqa: S608
        {"id": step.attribute.id, "last": max(step.kept, default=0), "count": len(step.kept)},
    )


def fail(connection: Connection, attribute_id: int, reason: str) -> None:
    """Searches are told; what is removed and added again starts anew."""
    connection.execute(
        text("UPDATE index_attribute SET state = 'failed', reason = :reason WHERE id = :id"),
        {"id": attribute_id, "reason": reason},
    )


def clear_removed(connection: Connection) -> bool:
    """Delete some values of an attribute that was removed, at last itself; False: none waits."""
    taken = _take(connection, "removing")
    if taken is None:
        return False
    attribute = taken[0]
    table = _TABLES[attribute.level]
    deleted = connection.execute(
        text(
            f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} "  # noqa: S608
            "WHERE attribute_id = :id LIMIT :count))"
        ),
        {"id": attribute.id, "count": REMOVED_AT_ONCE},
    )
    if not deleted.rowcount:
        connection.execute(text("DELETE FROM index_attribute WHERE id = :id"), {"id": attribute.id})
    return True


_FIRST_INSTANCE = """
SELECT owner.id, (SELECT metadata_json FROM instance
    WHERE instance.{level}_pk = owner.id ORDER BY instance.id + 0 LIMIT 1)
FROM {level} AS owner WHERE owner.id > :after AND owner.id <= :until
ORDER BY owner.id LIMIT :count FOR KEY SHARE OF owner
"""
_OWNERS = {
    "study": _FIRST_INSTANCE.format(level="study"),
    "series": _FIRST_INSTANCE.format(level="series"),
    "instance": "SELECT id, metadata_json FROM instance WHERE id > :after AND id <= :until "
    "ORDER BY id LIMIT :count FOR KEY SHARE",
}
"""Owners with the metadata that speak for them; nothing of them is deleted meanwhile."""

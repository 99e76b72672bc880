"""Attributes that an administrator adds to the index, and the thread that indexes what is stored.

Its progress is kept in the database after every few hundred instances: whoever is killed, another
one goes on. Until an attribute is ready, a search that names it is refused: it would find half.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import structlog
from psycopg.errors import LockNotAvailable
from pydicom.datadict import dictionary_VR
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hounsfield.archive.background import Background
from hounsfield.archive.errors import InvalidQuery, NotFound, Unavailable
from hounsfield.archive.index_values import find_values
from hounsfield.archive.match_values import INDEXABLE
from hounsfield.archive.matching import SEARCHABLE, name_of
from hounsfield.db.engine import is_server_state
from hounsfield.db.repositories import index_attributes as statements
from hounsfield.db.repositories.conditions import Level
from hounsfield.db.repositories.index_attributes import IndexAttribute

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

__all__ = ["IndexAttribute", "Indexer", "add", "index_some", "read", "remove"]

T = TypeVar("T")

log = structlog.get_logger()

BATCH = 200
POLL_SECONDS = 1.0
MOST_ATTRIBUTES = 100


def read(archive: "Archive") -> list[IndexAttribute]:
    """Every attribute beyond the columns, with its state."""
    return archive.database.run(statements.read)


def add(
    archive: "Archive",
    path: tuple[str, ...],
    level: Level,
    *,
    vr: str | None = None,
    private_creator: str = "",
) -> IndexAttribute:
    """Index an attribute; the one that is there already where somebody was first.

    Raises InvalidQuery where it cannot be indexed, and Unavailable while stores are too busy.
    """
    found = _vr_of(path, vr, private_creator)

    def work(connection: Connection) -> IndexAttribute:
        if len(statements.read(connection)) >= MOST_ATTRIBUTES:
            raise InvalidQuery(f"there are {MOST_ATTRIBUTES} attributes; remove one first")
        return statements.add(connection, ".".join(path), found, level.value, private_creator)

    added = _run(archive, work)
    if (added.vr, added.private_creator) != (found, private_creator):
        raise InvalidQuery(f"{name_of(path)} is indexed already, as {added.vr}; remove it first")
    return added


def remove(archive: "Archive", attribute_id: int) -> None:
    """Take an attribute out of the index. Raises NotFound."""
    if not _run(archive, lambda connection: statements.remove(connection, attribute_id)):
        raise NotFound("no such attribute, or one that the standard requires")


def _run(archive: "Archive", work: Callable[[Connection], T]) -> T:
    try:
        return archive.database.run(work)
    except DBAPIError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise Unavailable("stores do not pause for long enough; try again") from error
        raise


def _vr_of(path: tuple[str, ...], vr: str | None, private_creator: str) -> str:
    """The value representation of the attribute at the end of a path. Raises InvalidQuery."""
    name = name_of(path)
    if len(path) == 1 and path[0] in SEARCHABLE:
        raise InvalidQuery(f"{name} can be searched for as it is")
    for tag in path[:-1]:
        if not _is_private(tag) and _dictionary_vr(tag) != "SQ":
            raise InvalidQuery(f"{name_of((tag,))} is no sequence")
    if _is_private(path[-1]) and vr is None:
        raise InvalidQuery(f"{name} is private: its VR has to be given")
    if any(map(_is_private, path)) != bool(private_creator):
        raise InvalidQuery("a private attribute, and no other, needs its private creator")
    known = None if _is_private(path[-1]) else _dictionary_vr(path[-1])
    if vr is not None and known is not None and vr not in known.split(" or "):
        raise InvalidQuery(f"{name} has the VR {known}")
    found = vr or (known or "UN").split(" or ")[0]
    if found not in INDEXABLE:
        raise InvalidQuery(f"{name} cannot be indexed: values of VR {found} are not matched")
    return found


def _is_private(tag: str) -> bool:
    return int(tag[3], 16) % 2 == 1


def _dictionary_vr(tag: str) -> str | None:
    try:
        return dictionary_VR(int(tag, 16))
    except KeyError:
        return None


def index_some(archive: "Archive") -> bool:
    """Index the next few, or clear away what was removed; False where nothing waits."""
    taken: list[IndexAttribute] = []

    def work(connection: Connection) -> bool:
        taken.clear()
        step = statements.next_step(connection, BATCH)
        if step is None:
            return statements.clear_removed(connection)
        taken.append(step.attribute)
        found = [
            (key, find_values(kept, [step.attribute]))
            for key, kept in step.kept.items()
            if kept is not None
        ]
        statements.insert_values(connection, step.attribute.level, found)
        statements.end_step(connection, step)
        return True

    try:
        return archive.database.run(work)
    except Exception as error:
        if not taken or is_server_state(error):
            raise
        log.exception("index.failed", attribute=taken[0].path)
        reason = "an internal error; the log has the details. Remove it and add it again"
        archive.database.run(lambda connection: statements.fail(connection, taken[0].id, reason))
        return True


class Indexer(Background):
    """Indexes what is stored. Any number may run: each step belongs to who takes it first."""

    def __init__(self, archive: "Archive") -> None:
        super().__init__("indexer")
        self._archive = archive

    def run(self) -> None:
        """Until stopped; a database that is away is waited for."""
        while not self._ended.is_set():
            try:
                if index_some(self._archive):
                    continue
            except Exception as error:
                log.warning("index.database_lost", error=type(error).__name__)
            self._ended.wait(POLL_SECONDS)

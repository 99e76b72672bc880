"""Pushes of studies and series to peers: asked for here, carried out by the DIMSE process."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from hounsfield.archive import peers
from hounsfield.archive.errors import InvalidPeer, InvalidQuery, NotFound
from hounsfield.archive.retrieve import find_instances_sync
from hounsfield.db.repositories import pushes
from hounsfield.db.repositories.peers import find_peer
from hounsfield.db.repositories.pushes import Entry, Push

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

__all__ = [
    "Entry",
    "Progress",
    "Push",
    "ask_again",
    "cancel",
    "create",
    "find",
    "page",
    "queue_results",
]

MOST_ENTRIES = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """A push, and how many of its instances stand where."""

    push: Push
    counts: dict[str, int]
    failed: tuple[Entry, ...] = ()
    """Instances that have failed, a hundred at the most."""


def create(
    archive: "Archive",
    ae_title: str,
    study_instance_uid: str,
    series_instance_uid: str | None = None,
    *,
    commit: bool | None = None,
) -> Progress:
    """Queue a push. Raises NotFound, InvalidPeer.

    ``commit``: storage commitment is asked for afterwards; without it where the AE book has that
    between the peer and us.
    """
    peer = peers.find(archive, ae_title)
    if not peer.may_receive:
        raise InvalidPeer(f"{ae_title} may not be sent anything: the AE book does not allow it")
    find_instances_sync(archive, study_instance_uid, series_instance_uid)
    wants_commitment = peer.may_commit if commit is None else commit

    def work(connection: Connection) -> uuid.UUID:
        return pushes.add(
            connection,
            ae_title,
            study_instance_uid,
            series_instance_uid,
            trigger="person",
            commit=wants_commitment,
        )

    return find(archive, archive.database.run(work))


def queue_results(
    connection: Connection, ae_titles: Sequence[str], study: str, series: Sequence[str]
) -> None:
    """Queue results of a model for the peers that get each of them, in the transaction that
    publishes them. Nothing else that we have made or received is sent by itself."""
    for ae_title in ae_titles:
        peer = find_peer(connection, ae_title)
        commit = peer is not None and peer.may_commit
        for uid in series:
            pushes.add(connection, ae_title, study, uid, trigger="rule", commit=commit)


def find(archive: "Archive", push_id: uuid.UUID) -> Progress:
    """One push. Raises NotFound."""

    def work(connection: Connection) -> Progress | None:
        push = pushes.find(connection, push_id)
        if push is None:
            return None
        entries = pushes.ledger(connection, push_id, MOST_ENTRIES)
        failed = tuple(entry for entry in entries if entry.state == pushes.FAILED)
        return Progress(push, pushes.counts(connection, [push_id])[push_id], failed)

    found = archive.database.run(work)
    if found is None:
        raise NotFound("no such push")
    return found


def page(
    archive: "Archive", limit: int, offset: int, study_instance_uid: str | None = None
) -> list[Progress]:
    """The newest first."""

    def work(connection: Connection) -> list[Progress]:
        found = pushes.newest(connection, limit, offset, study_instance_uid)
        counts = pushes.counts(connection, [push.id for push in found])
        return [Progress(push, counts[push.id]) for push in found]

    return archive.database.run(work)


def cancel(archive: "Archive", push_id: uuid.UUID) -> Progress:
    """End it after the instances that are being sent. Raises NotFound, InvalidQuery."""
    find(archive, push_id)
    if not archive.database.run(lambda c: pushes.end(c, push_id, pushes.CANCELED)):
        raise InvalidQuery("it has ended already")
    return find(archive, push_id)


def ask_again(archive: "Archive", push_id: uuid.UUID) -> Progress:
    """Try again what has failed or been canceled. Raises NotFound, InvalidQuery."""
    find(archive, push_id)
    if not archive.database.run(lambda connection: pushes.ask_again(connection, push_id)):
        raise InvalidQuery("it is on its way, or done: there is nothing to try again")
    return find(archive, push_id)

"""Storage commitment: for what we answer that we keep it, and what follows (PS3.4 J.3).

Nothing is said on the word of a row: each object is read and held against its digests. What is
committed is deleted only by somebody who says that he knows (:mod:`hounsfield.archive.delete`).
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from hounsfield.archive.digests import object_fits
from hounsfield.db.repositories import commitments

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

BATCH = 500

Reference = tuple[str, str]
"""SOP class and SOP instance."""


class Finding(Enum):
    """What an instance is found to be that somebody wants to have committed."""

    KEPT = "kept"
    UNKNOWN = "not stored here, or deleted"
    OTHER_CLASS = "stored under another SOP class"
    DAMAGED = "its stored bytes have changed"


def examine(archive: "Archive", asked: Sequence[Reference]) -> tuple[list[Finding], dict[str, str]]:
    """A finding for each, and the objects of those that are kept, by SOP instance UID."""
    findings: list[Finding] = []
    kept: dict[str, str] = {}
    for batch in _batches(asked):
        uids = [uid for _, uid in batch]
        rows = archive.database.run(lambda connection: commitments.objects_of(connection, uids))  # noqa: B023 - run at once
        for sop_class, uid in batch:
            row = rows.get(uid)
            if row is None:
                findings.append(Finding.UNKNOWN)
            elif row["sop_class_uid"] != sop_class:
                findings.append(Finding.OTHER_CLASS)
            elif not object_fits(archive.objects, row):
                findings.append(Finding.DAMAGED)
            else:
                findings.append(Finding.KEPT)
                kept[uid] = row["object_key"]
    return findings, kept


def commit(connection: Connection, kept: dict[str, str], ae_title: str) -> set[str]:
    """Commit what has been examined; the UIDs of what has not been deleted since.

    Within one transaction with what is answered. Deletions wait for its end, and then know.
    """
    there: set[str] = set()
    for batch in _batches(list(kept.items())):
        commitments.hold_studies(connection, [uid for uid, _ in batch])
        there |= commitments.commit(connection, batch, ae_title)
    return there


def _batches(items: Sequence[Reference]) -> Iterator[Sequence[Reference]]:
    return (items[offset : offset + BATCH] for offset in range(0, len(items), BATCH))

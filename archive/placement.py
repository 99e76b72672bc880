"""Finds or makes the study and series rows of a batch, and inserts the batch beneath them.

Keys of studies and series that were seen are remembered, so that the usual batch is one
statement. A remembered row that has been deleted meanwhile shows as a broken foreign key: the
memory is dropped and the batch goes through once more, and makes the study anew. So it is where
an administrator has changed the index attributes meanwhile, which are remembered too.
"""

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from hounsfield.archive.errors import OutOfResources
from hounsfield.archive.indexing import index_instances, index_parents, still_known
from hounsfield.archive.prepared import Prepared
from hounsfield.db.engine import Database, fetch_by_driver
from hounsfield.db.repositories import instances
from hounsfield.db.repositories.deletions import discarded
from hounsfield.db.repositories.index_attributes import IndexAttribute
from hounsfield.db.repositories.instances import NewInstance, StudyKey

REMEMBERED = 20_000
MOST_TRIES = 8


class JustDeleted(OutOfResources):
    """The study or series was there, and was deleted before anything could be put into it."""

    def __init__(self) -> None:
        super().__init__("the study is being deleted again and again; send again")


class DeletedMeanwhile(Exception):
    """Objects with these keys were stored by an earlier try, and deleted."""

    def __init__(self, keys: set[str]) -> None:
        super().__init__()
        self.keys = keys


class Placement:
    """The memory of one committer. Used by one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._studies: dict[str, StudyKey] = {}
        self._series: dict[tuple[int, str], int] = {}
        self._attributes: list[IndexAttribute] | None = None

    def store(self, items: Sequence[Prepared], *, again: bool = False) -> set[str]:
        """Insert in one transaction; object keys of the instances whose UID was free.

        ``again``: an earlier try may have been committed, unheard. What it stored may even have
        been deleted since: that counts as stored, and is not put back under a removed object.
        """
        rows = [item.row for item in items]
        deleted: set[str] = set()
        for _ in range(MOST_TRIES):
            if not rows:
                return deleted
            try:
                return self._insert(rows, again) | deleted
            except DeletedMeanwhile as found:
                deleted |= found.keys
                rows = [row for row in rows if row.columns["object_key"] not in deleted]
            except (IntegrityError, JustDeleted):
                self._forget()
        return self._insert(rows, again) | deleted

    def is_usual(self, rows: Sequence[NewInstance]) -> bool:
        """True for one known series of a known study whose patient does not differ: one statement.

        Several series are first held, see :func:`instances.hold_series`.
        """
        if _are_added(self._attributes) or len({row.series_uid for row in rows}) != 1:
            return False
        return all(
            (study := self._studies.get(row.study_uid)) is not None
            and (study.pk, row.series_uid) in self._series
            and _patient(row) == (study.patient_id, study.issuer_of_patient_id)
            for row in rows
        )

    def insert_usual(
        self, rows: Sequence[NewInstance], before_commit: Callable[[], None] | None = None
    ) -> set[str]:
        """Insert what is usual; see :meth:`Database.write` for ``before_commit``."""
        for row in rows:
            study_pk = self._studies[row.study_uid].pk
            row.columns["study_pk"] = study_pk
            row.columns["series_pk"] = self._series[study_pk, row.series_uid]
        run = partial(self._database.write, before_commit=before_commit)
        return instances.insert_instances(run, rows)

    def _insert(self, rows: list[NewInstance], again: bool) -> set[str]:
        if not again and self.is_usual(rows):
            return self.insert_usual(rows)
        studies, series = dict(self._studies), dict(self._series)
        attributes = self._attributes

        def work(connection: Connection) -> set[str]:
            nonlocal attributes
            attributes = still_known(connection, attributes)
            stored = place(connection, rows, studies, series, attributes)
            if again and (deleted := discarded(connection, stored)):
                raise DeletedMeanwhile(deleted)
            return stored

        stored = self._database.run(work)
        self._attributes = attributes
        self._remember(studies, series)
        return stored

    def _remember(self, studies: dict[str, StudyKey], series: dict[tuple[int, str], int]) -> None:
        if len(studies) > REMEMBERED or len(series) > REMEMBERED:
            self._studies, self._series = {}, {}
        else:
            self._studies, self._series = studies, series

    def _forget(self) -> None:
        self._studies, self._series, self._attributes = {}, {}, None


def _are_added(attributes: list[IndexAttribute] | None) -> bool:
    """True where an administrator has added attributes, or nobody has looked yet."""
    return attributes is None or not all(each.built_in for each in attributes)


def _patient(row: NewInstance) -> tuple[str, str]:
    return row.attributes["patient_id"], row.attributes["issuer_of_patient_id"]


def place(
    connection: Connection,
    rows: list[NewInstance],
    studies: dict[str, StudyKey],
    series: dict[tuple[int, str], int],
    attributes: Sequence[IndexAttribute],
) -> set[str]:
    """Insert rows inside the caller's transaction, filling in the known studies and series."""
    missing = [row for row in rows if row.study_uid not in studies]
    if missing:
        studies.update(instances.insert_studies(connection, missing))
    if any(row.study_uid not in studies for row in rows):
        raise JustDeleted
    for row in rows:
        row.columns["study_pk"] = studies[row.study_uid].pk
    new = [row for row in rows if (studies[row.study_uid].pk, row.series_uid) not in series]
    known = {pk for row in rows if (pk := series.get((studies[row.study_uid].pk, row.series_uid)))}
    if new or len(known) > 1:
        instances.hold_series(connection, known)
    if new:
        series.update(instances.insert_series(connection, new))
    if any((studies[row.study_uid].pk, row.series_uid) not in series for row in rows):
        raise JustDeleted
    for row in rows:
        row.columns["series_pk"] = series[studies[row.study_uid].pk, row.series_uid]
    _flag_conflicts(connection, rows, studies)
    index_parents(connection, "study", attributes, missing)
    index_parents(connection, "series", attributes, new)
    stored = instances.insert_instances(partial(fetch_by_driver, connection), rows)
    index_instances(connection, attributes, rows, stored)
    return stored


def _flag_conflicts(
    connection: Connection, rows: list[NewInstance], studies: dict[str, StudyKey]
) -> None:
    for row in rows:
        study = studies[row.study_uid]
        if _patient(row) != (study.patient_id, study.issuer_of_patient_id):
            reason = "its instances carry different patient IDs"
            instances.flag_conflict(connection, study.pk, reason)

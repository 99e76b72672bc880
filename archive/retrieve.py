"""Reading what is stored: instances, their frames and bulk data as byte ranges, their metadata.

Nothing is decoded here. Integrity is checked by :func:`verify`, against the digest kept with
each object.
"""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.exc import DBAPIError

from hounsfield.archive.delete import why_missing
from hounsfield.archive.digests import object_fits
from hounsfield.archive.errors import NotFound, ObjectDamaged, Unavailable
from hounsfield.archive.frames import BulkdataTable, FrameTable
from hounsfield.archive.metadata import expand
from hounsfield.archive.objects.port import ObjectReader
from hounsfield.db.reader import Rows
from hounsfield.db.repositories import retrieve as statements
from hounsfield.db.repositories.deletions import was_deleted
from hounsfield.db.repositories.retrieve import Statement

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One stored SOP instance: its names, and where each part of it lies in its object."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: str
    object_key: str
    object_size: int
    digest: bytes
    file_meta_digest: bytes
    dataset_offset: int
    number_of_frames: int | None
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    frame_table: bytes | None
    bulkdata_table: bytes | None
    stored_at: dt.datetime
    modality: str

    @property
    def frames(self) -> FrameTable | None:
        """Byte ranges of its frames; None where it has no pixel data."""
        return None if self.frame_table is None else FrameTable.decode(self.frame_table)

    @property
    def bulkdata(self) -> BulkdataTable | None:
        """Byte ranges of its large values."""
        return None if self.bulkdata_table is None else BulkdataTable.decode(self.bulkdata_table)

    def as_row(self) -> dict[str, Any]:
        """What the digest check asks of a row."""
        names = ("object_key", "object_size", "digest", "file_meta_digest", "dataset_offset")
        return {name: getattr(self, name) for name in names}


async def find_instances(
    archive: "Archive",
    study_instance_uid: str | None,
    series_instance_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> list[StoredInstance]:
    """The instances of a resource, in order of arrival.

    Raises NotFound when there are none, and Gone when there were some.
    """
    uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
    rows = await _fetch(archive, statements.stored_instances(*uids))
    if not rows:
        raise await missing(archive, *uids)
    return [StoredInstance(*row) for row in rows]


def find_instances_sync(
    archive: "Archive",
    study_instance_uid: str | None,
    series_instance_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> list[StoredInstance]:
    """The same, for a worker's thread."""
    uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
    statement = statements.stored_instances(*uids)
    try:
        with archive.database.transaction() as connection:
            rows = connection.exec_driver_sql(statement.text, statement.values).all()
    except DBAPIError as error:
        raise Unavailable("the database does not answer") from error
    if not rows:
        raise NotFound("no such study, series or instance")
    return [StoredInstance(*tuple(row)) for row in rows]


async def read_metadata(
    archive: "Archive",
    study_instance_uid: str,
    series_instance_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> list[bytes]:
    """DICOM JSON objects of the instances; byte FF stands where the base URL goes."""
    uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
    rows = await _fetch(archive, statements.kept_metadata(*uids))
    if not rows:
        raise await missing(archive, *uids)
    return [expand(row[0]) for row in rows]


async def missing(
    archive: "Archive", study: str | None, series: str | None = None, instance: str | None = None
) -> NotFound:
    """Why nothing is found under these names: deleted, or never stored here."""
    if study is None:
        return why_missing(False)
    (row,) = await _fetch(archive, was_deleted(study, series, instance))
    return why_missing(row[0])


def open_object(archive: "Archive", instance: StoredInstance) -> ObjectReader:
    """The instance's object. Raises ObjectDamaged where it is missing or cut short."""
    reader = archive.objects.open(instance.object_key)
    if reader.map().nbytes != instance.object_size:
        reader.close()
        raise ObjectDamaged("a stored object does not have the size that it was stored with")
    return reader


def verify(archive: "Archive", instance: StoredInstance) -> None:
    """Compare the stored bytes with their digest. Raises ObjectDamaged."""
    if not object_fits(archive.objects, instance.as_row()):
        raise ObjectDamaged(f"the stored bytes of {instance.sop_instance_uid} have changed")


async def _fetch(archive: "Archive", statement: Statement) -> Rows:
    try:
        return await archive.database.reader.fetch(statement.text, statement.values)
    except psycopg.Error as error:
        raise Unavailable("the database does not answer") from error

"""The same SOP Instance UID again.

Equal data set: the stored object is verified under the row's lock, and written anew where it is
damaged. Same values in another lossless transfer syntax: the first is kept. Anything else goes
to quarantine, and the first is kept.
"""

from sqlalchemy import Connection, RowMapping

from hounsfield.archive.digests import object_fits
from hounsfield.archive.errors import OutOfResources
from hounsfield.archive.events import add_event
from hounsfield.archive.lossless import same_values
from hounsfield.archive.objects.port import ObjectStore
from hounsfield.archive.prepared import Prepared
from hounsfield.archive.types import Outcome, StoreResult
from hounsfield.db.engine import Database
from hounsfield.db.repositories import instances

QUARANTINED = "another instance with this SOP Instance UID is stored; this one is in quarantine"


def settle_duplicate(database: Database, objects: ObjectStore, item: Prepared) -> StoreResult:
    """Decide what becomes of an instance whose UID is taken, and do it."""
    obsolete: list[str] = []

    def work(connection: Connection) -> StoreResult:
        obsolete.clear()
        stored = instances.lock_instance(connection, item.header.sop_instance_uid)
        if stored is None:
            raise OutOfResources("the stored instance is just being deleted; send again")
        if stored["object_key"] == item.writer.key:
            return item.result(Outcome.STORED)
        if stored["digest"] == item.row.columns["digest"]:
            return _again(connection, objects, stored, item, obsolete)
        if same_values(objects, stored, item):
            obsolete.append(item.writer.key)
            return item.result(Outcome.FIRST_KEPT)
        return _quarantine(connection, item, obsolete)

    result = database.run(work)
    for key in obsolete:
        objects.remove(key)
    return result


def _again(
    connection: Connection,
    objects: ObjectStore,
    stored: RowMapping,
    item: Prepared,
    obsolete: list[str],
) -> StoreResult:
    if object_fits(objects, stored):
        obsolete.append(item.writer.key)
    else:
        instances.replace_object(connection, stored["id"], item.row)
        obsolete.append(stored["object_key"])
    return item.result(Outcome.ALREADY_STORED)


def _quarantine(connection: Connection, item: Prepared, obsolete: list[str]) -> StoreResult:
    if instances.insert_quarantine(connection, item.row, QUARANTINED):
        add_event(
            connection,
            "quarantined",
            study_instance_uid=item.header.study_instance_uid,
            series_instance_uid=item.header.series_instance_uid,
            sop_instance_uid=item.header.sop_instance_uid,
            data={"reason": QUARANTINED},
        )
    else:
        obsolete.append(item.writer.key)
    return item.result(Outcome.QUARANTINED, QUARANTINED)

"""The single write path: every instance, by whatever protocol, comes in through :func:`receive`.

Bytes are kept as received: they go to their object as they arrive, and the object is mapped, not
read, when its header is wanted. Success is said once object and rows are on stable storage
(PS3.4 B.2.3).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog
from sqlalchemy import Connection

from hounsfield.archive.errors import (
    CannotUnderstand,
    DataSetMismatch,
    HounsfieldError,
    TooLarge,
)
from hounsfield.archive.file_meta import FileMeta, encode_file_meta
from hounsfield.archive.header import Header, read_header
from hounsfield.archive.indexing import still_known
from hounsfield.archive.objects.port import Bytes, ObjectReader, ObjectWriter
from hounsfield.archive.placement import place
from hounsfield.archive.prepared import Prepared, make_row
from hounsfield.archive.running_digests import RunningDigests
from hounsfield.archive.types import Outcome, Source, StoreResult
from hounsfield.db.engine import is_connection_loss

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

PREAMBLE_BYTES = 132


class Reception:
    """One instance being received. Leaving its block without ``submit`` removes it."""

    def __init__(self, archive: "Archive", source: Source, expected: dict[str, str]) -> None:
        self._archive = archive
        self._source = source
        self._expected = expected
        self._beginning = bytearray()
        self._writer: ObjectWriter | None = None
        self._digests = RunningDigests()
        self._size = 0
        self._handed_over = False

    def begin_data_set(self, transfer_syntax_uid: str, file_meta: bytes) -> None:
        """What follows is a bare data set: write this File Meta before it."""
        self._digests.begin(file_meta, FileMeta(transfer_syntax_uid, len(file_meta)))
        self._write_on(file_meta)

    def write(self, data: Bytes) -> None:
        """Take the next bytes. Raises OutOfResources or TooLarge."""
        if self._writer is not None:
            self._write_on(data)
            self._digests.update(data)
        elif self._beginning or len(data) < PREAMBLE_BYTES:
            self._beginning += data
            if len(self._beginning) >= PREAMBLE_BYTES:
                self._begin_file(self._beginning)
        else:
            self._begin_file(data)

    def _begin_file(self, beginning: Bytes) -> None:
        """Write the first bytes, and before them what some senders leave out: without it no reader
        takes the object for a file.

        PS3.10 7.1: 128 bytes and DICM before the File Meta. A bare data set stays as it is.
        """
        if beginning[:2] == b"\x02\x00" and beginning[128:132] != b"DICM":
            beginning = bytes(128) + b"DICM" + beginning
        elif beginning[:4] == b"DICM":
            beginning = bytes(128) + beginning
        self._digests.begin(beginning)
        self._write_on(beginning)

    def _write_on(self, data: Bytes) -> None:
        self._size += len(data)
        if self._size > self._archive.settings.archive.max_instance_bytes:
            raise TooLarge("the instance is larger than this archive accepts")
        if self._writer is None:
            self._writer = self._archive.objects.create()
        self._writer.write(data)

    def submit(self) -> Future[StoreResult]:
        """Read the header, hand over to the committer; the future carries what it says."""
        return self._archive.committer.submit(self._prepare())

    def commit(self) -> StoreResult:
        """Wait until the instance is on stable storage and indexed."""
        return self._archive.committer.commit(self._prepare())

    def abort(self) -> None:
        """Drop what was received."""
        if self._writer is not None and not self._handed_over:
            self._writer.abort()

    def _prepare(self) -> Prepared:
        if self._writer is None:
            self._begin_file(self._beginning)
        writer = self._writer
        if writer is None or not self._size:
            raise CannotUnderstand("an instance without a byte")
        writer.begin_sync()
        with writer.open() as reader:
            header, digests = self._read(reader)
        row = make_row(
            header,
            self._source,
            object_key=writer.key,
            object_size=self._size,
            file_meta_digest=digests[0],
            digest=digests[1],
        )
        self._handed_over = True
        return Prepared(header, writer, row, self._source.association_id)

    def _read(self, reader: ObjectReader) -> tuple[Header, tuple[bytes, bytes]]:
        try:
            header = read_header(reader.map(), file_meta=self._digests.file_meta)
        except HounsfieldError:
            raise
        except Exception as error:
            log.exception("header.unreadable")
            raise CannotUnderstand("the data set cannot be read") from error
        self._compare(header)
        return header, self._digests.both(reader, header.dataset_offset, self._size)

    def _compare(self, header: Header) -> None:
        """PS3.4 B.2.3, A900: what the request says of the data set has to be true."""
        for name, expected in self._expected.items():
            if (found := getattr(header, name)) != expected:
                tag = EXPECTED_TAGS[name]
                raise DataSetMismatch(
                    f"the request says {name} {expected}, the data set {found}",
                    offending_tags=(tag,),
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()


EXPECTED_TAGS = {
    "sop_class_uid": 0x00080016,
    "sop_instance_uid": 0x00080018,
    "study_instance_uid": 0x0020000D,
}


def receive(
    archive: "Archive",
    source: Source,
    *,
    transfer_syntax_uid: str | None = None,
    sop_class_uid: str | None = None,
    sop_instance_uid: str | None = None,
    study_instance_uid: str | None = None,
) -> Reception:
    """Begin to receive one instance.

    With ``transfer_syntax_uid`` the bytes to come are a bare data set (C-STORE) and the File
    Meta is written here; without it they are a PS3.10 file. What else is given must agree with
    the data set, or the store fails with DataSetMismatch.
    """
    expected = {
        "sop_class_uid": sop_class_uid,
        "sop_instance_uid": sop_instance_uid,
        "study_instance_uid": study_instance_uid,
    }
    reception = Reception(archive, source, {k: v for k, v in expected.items() if v is not None})
    if transfer_syntax_uid is not None:
        file_meta = encode_file_meta(
            sop_class_uid or "",
            sop_instance_uid or "",
            transfer_syntax_uid,
            source.calling_ae_title,
        )
        reception.begin_data_set(transfer_syntax_uid, file_meta)
    return reception


def store_bytes(archive: "Archive", source: Source, data: Bytes) -> StoreResult:
    """Store one PS3.10 file that is in memory."""
    with receive(archive, source) as reception:
        reception.write(data)
        return reception.commit()


def publish(
    archive: "Archive",
    source: Source,
    files: Sequence[Bytes],
    *,
    guard: Callable[[Connection], None],
) -> list[StoreResult]:
    """Make several instances visible in one transaction, or none of them.

    ``guard`` runs first inside the transaction; what it raises undoes everything. It is where a
    worker shows its fencing token, and writes what must become true together with the results.
    """
    items: list[Prepared] = []
    try:
        for data in files:
            items.append(_prepared(archive, source, data))
        archive.objects.sync_folders(item.writer.key for item in items)
        archive.database.run(lambda connection: _publish(connection, items, guard))
    except BaseException as error:
        # After a lost connection the commit may stand: an object too many is for fsck.
        if not is_connection_loss(error):
            for item in items:
                item.writer.abort()
        raise
    return [item.result(Outcome.STORED) for item in items]


def _prepared(archive: "Archive", source: Source, data: Bytes) -> Prepared:
    with receive(archive, source) as reception:
        reception.write(data)
        item = reception._prepare()
    item.make_durable()
    return item


def _publish(
    connection: Connection, items: list[Prepared], guard: Callable[[Connection], None]
) -> None:
    guard(connection)
    attributes = still_known(connection, None)
    stored = place(connection, [item.row for item in items], {}, {}, attributes)
    taken = [item for item in items if item.writer.key not in stored]
    if taken:
        raise DataSetMismatch(f"{taken[0].header.sop_instance_uid} is stored already")

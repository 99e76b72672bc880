"""Data sets of storage commitment: the request, and the report of what came of it (PS3.4 J.3)."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import UID

from hounsfield.archive.commitment import Reference
from hounsfield.archive.errors import CannotUnderstand
from hounsfield.dimse.sop_classes import UID as UID_PATTERN

MOST_BYTES = 2 * 1024 * 1024
MOST_REFERENCES = 10_000

ALL_COMMITTED = 1
SOME_FAILED = 2
"""Event types (PS3.4 Table J.3-2); 1 is also the action type of a request."""


class TooMany(CannotUnderstand):
    """More references than we take at once."""

    def __init__(self) -> None:
        super().__init__("more references than are taken at once")


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a transaction."""

    transaction_uid: str
    committed: list[Reference] = field(default_factory=list)
    failed: list[tuple[str, str, int]] = field(default_factory=list)
    """SOP class, SOP instance and Failure Reason of each."""

    @property
    def event_type(self) -> int:
        """Of the N-EVENT-REPORT."""
        return SOME_FAILED if self.failed else ALL_COMMITTED


def decode_request(data: bytes, transfer_syntax: str) -> tuple[str, list[Reference]]:
    """Transaction UID and references. Raises CannotUnderstand, and TooMany."""
    dataset = _read(data, transfer_syntax)
    asked = _references(dataset, "ReferencedSOPSequence")
    if not asked:
        raise CannotUnderstand("no Referenced SOP Sequence", offending_tags=(0x00081199,))
    return _transaction_uid(dataset), asked


def decode_report(data: bytes, transfer_syntax: str) -> Report:
    """What a peer says of a transaction of ours. Raises CannotUnderstand, and TooMany."""
    dataset = _read(data, transfer_syntax)
    failed = [
        (*_reference(item), int(item.get("FailureReason") or 0x0110))
        for item in dataset.get("FailedSOPSequence") or ()
    ]
    committed = _references(dataset, "ReferencedSOPSequence")
    return Report(_transaction_uid(dataset), committed, failed)


def encode_request(transaction_uid: str, asked: Sequence[Reference], transfer_syntax: str) -> bytes:
    """The data set of an N-ACTION-RQ."""
    dataset = Dataset()
    dataset.TransactionUID = transaction_uid
    dataset.ReferencedSOPSequence = [_item(*reference) for reference in asked]
    return _write(dataset, transfer_syntax)


def encode_report(report: Report, ae_title: str, transfer_syntax: str) -> bytes:
    """The data set of an N-EVENT-REPORT-RQ."""
    dataset = Dataset()
    dataset.RetrieveAETitle = ae_title
    dataset.TransactionUID = report.transaction_uid
    if report.committed:
        dataset.ReferencedSOPSequence = [_item(*reference) for reference in report.committed]
    if report.failed:
        dataset.FailedSOPSequence = [_item(*each) for each in report.failed]
    return _write(dataset, transfer_syntax)


def _item(sop_class: str, sop_instance: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = sop_instance
    if reason is not None:
        item.FailureReason = reason
    return item


def _transaction_uid(dataset: Dataset) -> str:
    uid = str(dataset.get("TransactionUID") or "")
    if not UID_PATTERN.fullmatch(uid):
        raise CannotUnderstand("Transaction UID is not a UID", offending_tags=(0x00081195,))
    return uid


def _references(dataset: Dataset, keyword: str) -> list[Reference]:
    items = dataset.get(keyword) or ()
    if len(items) > MOST_REFERENCES:
        raise TooMany
    return [_reference(item) for item in items]


def _reference(item: Dataset) -> Reference:
    sop_class = str(item.get("ReferencedSOPClassUID") or "")
    sop_instance = str(item.get("ReferencedSOPInstanceUID") or "")
    if not UID_PATTERN.fullmatch(sop_class) or not UID_PATTERN.fullmatch(sop_instance):
        message = "a reference without its SOP class or instance"
        raise CannotUnderstand(message, offending_tags=(0x00081150, 0x00081155))
    return sop_class, sop_instance


def _read(data: bytes, transfer_syntax: str) -> Dataset:
    uid = UID(transfer_syntax)
    try:
        dataset = read_dataset(io.BytesIO(data), uid.is_implicit_VR, uid.is_little_endian)
        for _ in dataset.iterall():
            pass  # values are converted when they are looked at
    except Exception as error:  # whatever a parser stumbles over
        raise CannotUnderstand("the data set cannot be read") from error
    return dataset


def _write(dataset: Dataset, transfer_syntax: str) -> bytes:
    uid = UID(transfer_syntax)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = uid.is_implicit_VR, uid.is_little_endian
    write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())

"""A stranger's SCU: pynetdicom, asked as its users ask it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from hounsfield.archive.archive import Archive
from hounsfield.archive.retrieve import find_instances_sync

EXPLICIT = "1.2.840.10008.1.2.1"
PATIENT_ROOT_FIND = PatientRootQueryRetrieveInformationModelFind
STUDY_ROOT_FIND = StudyRootQueryRetrieveInformationModelFind
PATIENT_ROOT_GET = PatientRootQueryRetrieveInformationModelGet
STUDY_ROOT_GET = StudyRootQueryRetrieveInformationModelGet
PATIENT_ROOT_MOVE = PatientRootQueryRetrieveInformationModelMove
STUDY_ROOT_MOVE = StudyRootQueryRetrieveInformationModelMove


def dataset_of(keys: dict[str, Any]) -> Dataset:
    """A data set by its keywords."""
    dataset = Dataset()
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


def extended_negotiation(sop_class: str, information: bytes) -> SOPClassExtendedNegotiation:
    """An item of extended negotiation."""
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = sop_class
    item.service_class_application_information = information
    return item


@contextmanager
def associated(
    port: int,
    contexts: Sequence[tuple[str, Sequence[str]]],
    items: Sequence[Any] = (),
    handlers: Sequence[Any] = (),
    called: str = "HOUNSFIELD",
) -> Iterator[Association]:
    """An association that was accepted."""
    entity = AE("STRANGER")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
    for sop_class, syntaxes in contexts:
        entity.add_requested_context(sop_class, list(syntaxes))
    association = entity.associate(
        "127.0.0.1",
        port,
        ae_title=called,
        ext_neg=list(items) or None,
        evt_handlers=list(handlers),
    )
    assert association.is_established
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


Found = tuple[list[Dataset], list[int], Dataset]
"""What was found, the pending statuses, and the last response."""


def find(
    port: int,
    level: str,
    *,
    model: str = STUDY_ROOT_FIND,
    options: bytes = b"",
    syntax: str = EXPLICIT,
    **keys: Any,
) -> Found:
    """One C-FIND on an association of its own."""
    items = [extended_negotiation(model, options)] if options else []
    identifier = dataset_of({"QueryRetrieveLevel": level} | keys)
    with associated(port, [(model, [syntax])], items) as association:
        return find_on(association, identifier, model)


def find_on(association: Association, identifier: Dataset, model: str = STUDY_ROOT_FIND) -> Found:
    """One C-FIND on an open association."""
    found, pending, last = [], [], Dataset()
    for status, answer in association.send_c_find(identifier, model):
        last = status
        if status.Status in (0xFF00, 0xFF01):
            assert answer is not None
            pending.append(status.Status)
            found.append(answer)
    return found, pending, last


def kept(archive: Archive, uid: str) -> bytes:
    """The stored data set."""
    (instance,) = find_instances_sync(archive, None, None, uid)
    with archive.objects.open(instance.object_key) as reader:
        return bytes(reader.map()[instance.dataset_offset :])


def counters(status: Dataset) -> tuple[int | None, ...]:
    """Remaining, completed, failed and warning sub-operations, as a response says them."""
    return tuple(
        status.get(f"NumberOf{kind}Suboperations")
        for kind in ("Remaining", "Completed", "Failed", "Warning")
    )

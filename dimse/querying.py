"""Queries that we send: C-FIND as SCU (PS3.4 C.4.1, PS3.7 9.1.2)."""

from collections.abc import Iterator, Mapping

from pydicom.datadict import dictionary_VR, tag_for_keyword

from hounsfield.archive.dataset_writer import ASCII_TEXT
from hounsfield.archive.dicom_json import Element, Members
from hounsfield.archive.errors import InvalidQuery, PeerRefused
from hounsfield.archive.file_meta import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hounsfield.archive.search import Level
from hounsfield.dimse.associate import ProposedContext
from hounsfield.dimse.command import (
    C_CANCEL_RQ,
    C_FIND_RQ,
    COMMAND_DATA_SET_TYPE,
    COMMAND_FIELD,
    MESSAGE_ID_RESPONDED_TO,
    NO_DATA_SET,
    UINT16,
    command_set,
    element,
)
from hounsfield.dimse.identifier import IdentifierWriter, Incoming
from hounsfield.dimse.negotiation import STUDY_ROOT_FIND, AcceptedContext
from hounsfield.dimse.requestor import Requestor
from hounsfield.dimse.requests import MEDIUM, encode_request
from hounsfield.dimse.status import CANCELED, SUCCESS_CODE, Status

UNCOMPRESSED: tuple[str, ...] = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
FIND_CONTEXT = ProposedContext(1, STUDY_ROOT_FIND, UNCOMPRESSED)
UTF_8 = ("ISO_IR 192",)
QUERY_RETRIEVE_LEVEL = "00080052"
ASCII = ASCII_TEXT | {"DS", "IS"}

NAMES: Mapping[Level, str] = {
    Level.STUDY: "STUDY",
    Level.SERIES: "SERIES",
    Level.INSTANCE: "IMAGE",
}
"""The Query/Retrieve Level of each of our levels (PS3.4 C.6.2.1)."""

RETURNED: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "StudyInstanceUID",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyDescription",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "Modality",
        "SeriesNumber",
        "SeriesDescription",
        "BodyPartExamined",
        "NumberOfSeriesRelatedInstances",
    ),
    Level.INSTANCE: (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "SOPClassUID",
        "InstanceNumber",
    ),
}
"""What we like to know of a match."""

ABOVE: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (),
    Level.SERIES: ("StudyInstanceUID",),
    Level.INSTANCE: ("StudyInstanceUID", "SeriesInstanceUID"),
}
"""Unique keys of the levels above, which need one value each (PS3.4 C.4.1.2.2.1)."""


def find(
    requestor: Requestor, level: Level, keys: Mapping[str, str], most: int
) -> Iterator[Members]:
    """Matches as they come, ``most`` of them: then the rest is canceled.

    ``keys``: keyword to value, as in a query. Raises InvalidQuery, PeerRefused and what the
    requestor raises.
    """
    identifier = identifier_of(level, keys)
    context = requestor.context_for(STUDY_ROOT_FIND)
    if context is None:
        raise PeerRefused(f"{requestor.destination} accepts no C-FIND of the study root")
    message_id = 1
    command = encode_request(
        C_FIND_RQ, message_id, STUDY_ROOT_FIND, has_data_set=True, priority=MEDIUM
    )
    data_set = IdentifierWriter(context.transfer_syntax, UTF_8).write(identifier)
    requestor.send(context, command, [data_set])
    count = 0
    while True:
        _, response, found = requestor.receive()
        if not response.is_pending:
            _check(requestor, response.status)
            return
        if found is not None and count < most:
            count += 1
            yield _decoded(context, found)
            if count == most:
                requestor.send(context, encode_cancel(message_id))


def identifier_of(level: Level, keys: Mapping[str, str]) -> Members:
    """The identifier of a query. Raises InvalidQuery."""
    for above in ABOVE[level]:
        if not keys.get(above):
            raise InvalidQuery(f"a search for {NAMES[level]} needs a {above}")
    members: Members = {QUERY_RETRIEVE_LEVEL: {"vr": "CS", "Value": [NAMES[level]]}}
    for keyword in (*RETURNED[level], *keys):
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise InvalidQuery(f"{keyword} is no keyword of an attribute")
        members[f"{tag:08X}"] = _element(dictionary_VR(tag), keys.get(keyword, ""))
    return members


def encode_cancel(message_id: int) -> bytes:
    """A C-CANCEL-RQ, which has no Message ID of its own (PS3.7 9.3.2.3)."""
    return command_set(
        (
            element(COMMAND_FIELD, UINT16.pack(C_CANCEL_RQ)),
            element(MESSAGE_ID_RESPONDED_TO, UINT16.pack(message_id)),
            element(COMMAND_DATA_SET_TYPE, UINT16.pack(NO_DATA_SET)),
        )
    )


def said(status: Status) -> str:
    """A status in words: its number, and the comment that came with it."""
    return f"{status.code:04X}H" + (f" ({status.comment})" if status.comment else "")


def _element(vr: str, value: str) -> Element:
    if not value:
        return {"vr": vr}
    if vr in ASCII and not value.isascii():
        raise InvalidQuery(f"{value!r} is no value of an attribute with the VR {vr}")
    if vr == "SQ":
        raise InvalidQuery("a sequence is not searched for by a single value")
    return {"vr": vr, "Value": value.split("\\")}


def _decoded(context: AcceptedContext, data: bytearray) -> Members:
    incoming = Incoming(context.transfer_syntax)
    incoming.write(memoryview(data))
    return incoming.decode().members


def _check(requestor: Requestor, status: Status) -> None:
    if status.code not in (SUCCESS_CODE, CANCELED):
        raise PeerRefused(f"{requestor.destination} answers the query with {said(status)}")

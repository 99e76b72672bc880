"""Command sets: always Implicit VR Little Endian, always short (PS3.7 6.3.1, E.1).

Of a request only what a service needs is read; every operation that this room does not know is
read well enough to be answered.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from struct import Struct, error

from hounsfield.dimse.pdu import AbortReason, ProtocolError
from hounsfield.dimse.status import Status

C_STORE_RQ = 0x0001
C_GET_RQ = 0x0010
C_FIND_RQ = 0x0020
C_MOVE_RQ = 0x0021
C_ECHO_RQ = 0x0030
N_EVENT_REPORT_RQ = 0x0100
N_ACTION_RQ = 0x0130
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000

NO_DATA_SET = 0x0101
WITH_DATA_SET = 0x0001
MOST_COUNTED = 0xFFFF

AFFECTED_SOP_CLASS_UID = 0x0002
REQUESTED_SOP_CLASS_UID = 0x0003
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
MESSAGE_ID_RESPONDED_TO = 0x0120
COMMAND_DATA_SET_TYPE = 0x0800
STATUS = 0x0900
OFFENDING_ELEMENT = 0x0901
ERROR_COMMENT = 0x0902
AFFECTED_SOP_INSTANCE_UID = 0x1000
REQUESTED_SOP_INSTANCE_UID = 0x1001
EVENT_TYPE_ID = 0x1002
ACTION_TYPE_ID = 0x1008
COUNTERS = (0x1020, 0x1021, 0x1022, 0x1023)
"""Numbers of remaining, completed, failed and warning sub-operations."""

ELEMENT = Struct("<HHI")
UINT16 = Struct("<H")
UINT32 = Struct("<I")


@dataclass(frozen=True, slots=True)
class Request:
    """The command set of a request."""

    command_field: int
    message_id: int
    has_data_set: bool
    sop_class_uid: str
    sop_instance_uid: str
    elements: Mapping[int, bytes]
    """All of its elements by number, for what one service alone asks of them."""


def decode_request(data: bytes | bytearray) -> Request:
    """Decode a request's command set. Raises ProtocolError where an answer is impossible."""
    try:
        elements = elements_of(data)
        return Request(
            command_field=number_of(elements[COMMAND_FIELD]),
            message_id=number_of(elements.get(MESSAGE_ID, b"\0\0")),
            has_data_set=number_of(elements[COMMAND_DATA_SET_TYPE]) != NO_DATA_SET,
            sop_class_uid=uid_of(
                elements.get(AFFECTED_SOP_CLASS_UID) or elements.get(REQUESTED_SOP_CLASS_UID, b"")
            ),
            sop_instance_uid=uid_of(
                elements.get(AFFECTED_SOP_INSTANCE_UID)
                or elements.get(REQUESTED_SOP_INSTANCE_UID, b"")
            ),
            elements=elements,
        )
    except (error, KeyError) as cause:
        message = "a command set that cannot be read"
        raise ProtocolError(AbortReason.INVALID_PARAMETER, message) from cause


def elements_of(data: bytes | bytearray) -> dict[int, bytes]:
    """Elements of group 0000 by element number."""
    elements: dict[int, bytes] = {}
    offset = 0
    while offset < len(data):
        group, number, length = ELEMENT.unpack_from(data, offset)
        offset += ELEMENT.size + length
        if group or offset > len(data):
            message = "a command set with an element that does not belong there"
            raise ProtocolError(AbortReason.INVALID_PARAMETER, message)
        elements[number] = bytes(data[offset - length : offset])
    return elements


def number_of(value: bytes) -> int:
    """A value of VR US."""
    number: int = UINT16.unpack(value)[0]
    return number


def uid_of(value: bytes) -> str:
    """A value of VR UI without its padding."""
    return value.decode("ascii", "replace").strip("\0 ")


def encode_response(request: Request, status: Status, *, has_data_set: bool = False) -> bytes:
    """The command set that answers a request."""
    data_set_type = WITH_DATA_SET if has_data_set else NO_DATA_SET
    counters = status.sub_operations.counters() if status.sub_operations else ()
    return command_set(
        (
            element(AFFECTED_SOP_CLASS_UID, padded(request.sop_class_uid, "\0")),
            element(COMMAND_FIELD, UINT16.pack(request.command_field | RESPONSE)),
            element(MESSAGE_ID_RESPONDED_TO, UINT16.pack(request.message_id)),
            element(COMMAND_DATA_SET_TYPE, UINT16.pack(data_set_type)),
            element(STATUS, UINT16.pack(status.code)),
            element(OFFENDING_ELEMENT, b"".join(map(_tag, status.offending_tags))),
            element(ERROR_COMMENT, padded(status.comment, " ")),
            element(AFFECTED_SOP_INSTANCE_UID, padded(request.sop_instance_uid, "\0")),
            *(
                element(number, UINT16.pack(min(count, MOST_COUNTED)))
                for number, count in zip(COUNTERS, counters, strict=False)
                if count is not None
            ),
        )
    )


def command_set(elements: Iterable[bytes]) -> bytes:
    """A command set of its elements, in the order of their numbers."""
    body = b"".join(elements)
    return ELEMENT.pack(0, 0, UINT32.size) + UINT32.pack(len(body)) + body


def element(number: int, value: bytes) -> bytes:
    """An element of the command set, or nothing where it has no value."""
    return ELEMENT.pack(0, number, len(value)) + value if value else b""


def padded(text: str, padding: str) -> bytes:
    """A text as a value of even length."""
    return (text + padding * (len(text) % 2)).encode("ascii", "replace")


def _tag(tag: int) -> bytes:
    return UINT16.pack(tag >> 16) + UINT16.pack(tag & 0xFFFF)

"""Responses as the one reads them who asked (PS3.7 9.3, 10.3, E.1)."""

from dataclasses import dataclass
from struct import error

from hounsfield.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_DATA_SET_TYPE,
    COMMAND_FIELD,
    ERROR_COMMENT,
    MESSAGE_ID_RESPONDED_TO,
    NO_DATA_SET,
    OFFENDING_ELEMENT,
    RESPONSE,
    STATUS,
    UINT16,
    elements_of,
    number_of,
    uid_of,
)
from hounsfield.dimse.pdu import AbortReason, ProtocolError
from hounsfield.dimse.status import Status

REMAINING = 0x1020
COMPLETED = 0x1021
FAILED = 0x1022
WARNING = 0x1023

PENDING = (0xFF00, 0xFF01)


@dataclass(frozen=True, slots=True)
class Response:
    """The command set of a response. Counters are None where it does not say them."""

    command_field: int
    message_id: int
    """Of the request that it answers."""
    status: Status
    has_data_set: bool
    sop_class_uid: str
    sop_instance_uid: str
    remaining: int | None
    completed: int | None
    failed: int | None
    warning: int | None

    @property
    def is_pending(self) -> bool:
        """More responses to the same request follow."""
        return self.status.code in PENDING


def is_request(data: bytes | bytearray) -> bool:
    """Whether a command set is one that asks for something."""
    command_field = elements_of(data).get(COMMAND_FIELD, b"")
    return len(command_field) == UINT16.size and not number_of(command_field) & RESPONSE


def decode_response(data: bytes | bytearray) -> Response:
    """Decode a response's command set. Raises ProtocolError, also where it is a request."""
    try:
        elements = elements_of(data)
        command_field = number_of(elements[COMMAND_FIELD])
        if not command_field & RESPONSE:
            message = f"request {command_field:04X}H from a peer that we asked something"
            raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, message)
        return Response(
            command_field=command_field,
            message_id=number_of(elements[MESSAGE_ID_RESPONDED_TO]),
            status=_status(elements),
            has_data_set=number_of(elements[COMMAND_DATA_SET_TYPE]) != NO_DATA_SET,
            sop_class_uid=uid_of(elements.get(AFFECTED_SOP_CLASS_UID, b"")),
            sop_instance_uid=uid_of(elements.get(AFFECTED_SOP_INSTANCE_UID, b"")),
            remaining=_counter(elements, REMAINING),
            completed=_counter(elements, COMPLETED),
            failed=_counter(elements, FAILED),
            warning=_counter(elements, WARNING),
        )
    except (error, KeyError) as cause:
        message = "a response whose command set cannot be read"
        raise ProtocolError(AbortReason.INVALID_PARAMETER, message) from cause


def _status(elements: dict[int, bytes]) -> Status:
    tags = elements.get(OFFENDING_ELEMENT, b"")
    return Status(
        number_of(elements[STATUS]),
        elements.get(ERROR_COMMENT, b"").decode("ascii", "replace").strip("\0 "),
        tuple(
            number_of(tags[n : n + 2]) << 16 | number_of(tags[n + 2 : n + 4])
            for n in range(0, len(tags) - 3, 4)
        ),
    )


def _counter(elements: dict[int, bytes], element: int) -> int | None:
    value = elements.get(element)
    return number_of(value) if value else None

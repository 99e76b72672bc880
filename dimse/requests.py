"""Command sets of the requests that we send (PS3.7 9.3, E.1)."""

from hounsfield.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_DATA_SET_TYPE,
    COMMAND_FIELD,
    MESSAGE_ID,
    NO_DATA_SET,
    UINT16,
    command_set,
    element,
    padded,
)

MOVE_DESTINATION = 0x0600
PRIORITY = 0x0700
MOVE_ORIGINATOR = 0x1030
MOVE_ORIGINATOR_MESSAGE_ID = 0x1031

WITH_DATA_SET = 0x0001
MEDIUM = 0x0000


def encode_request(
    command_field: int,
    message_id: int,
    sop_class_uid: str,
    *,
    sop_instance_uid: str = "",
    has_data_set: bool = False,
    priority: int | None = None,
    move_destination: str = "",
    move_originator: tuple[str, int] | None = None,
) -> bytes:
    """A request. ``move_originator``: who asked for the C-MOVE, and in which message."""
    elements = [
        element(AFFECTED_SOP_CLASS_UID, padded(sop_class_uid, "\0")),
        element(COMMAND_FIELD, UINT16.pack(command_field)),
        element(MESSAGE_ID, UINT16.pack(message_id)),
        element(MOVE_DESTINATION, padded(move_destination, " ")),
        element(PRIORITY, b"" if priority is None else UINT16.pack(priority)),
        element(COMMAND_DATA_SET_TYPE, UINT16.pack(WITH_DATA_SET if has_data_set else NO_DATA_SET)),
        element(AFFECTED_SOP_INSTANCE_UID, padded(sop_instance_uid, "\0")),
    ]
    if move_originator is not None:
        ae_title, asked_in = move_originator
        elements.append(element(MOVE_ORIGINATOR, padded(ae_title, " ")))
        elements.append(element(MOVE_ORIGINATOR_MESSAGE_ID, UINT16.pack(asked_in)))
    return command_set(elements)

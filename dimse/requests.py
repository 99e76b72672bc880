"""Command sets of the requests that we send (PS3.7 9.3, 10.3, E.1)."""

from hounsfield.dimse.command import (
    ACTION_TYPE_ID,
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_DATA_SET_TYPE,
    COMMAND_FIELD,
    EVENT_TYPE_ID,
    MESSAGE_ID,
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
    NO_DATA_SET,
    REQUESTED_SOP_CLASS_UID,
    REQUESTED_SOP_INSTANCE_UID,
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


def encode_event_report(
    message_id: int, sop_class_uid: str, sop_instance_uid: str, event_type: int
) -> bytes:
    """An N-EVENT-REPORT-RQ, with a data set (PS3.7 10.3.1)."""
    return command_set(
        (
            element(AFFECTED_SOP_CLASS_UID, padded(sop_class_uid, "\0")),
            element(COMMAND_FIELD, UINT16.pack(N_EVENT_REPORT_RQ)),
            element(MESSAGE_ID, UINT16.pack(message_id)),
            element(COMMAND_DATA_SET_TYPE, UINT16.pack(WITH_DATA_SET)),
            element(AFFECTED_SOP_INSTANCE_UID, padded(sop_instance_uid, "\0")),
            element(EVENT_TYPE_ID, UINT16.pack(event_type)),
        )
    )


def encode_action(
    message_id: int, sop_class_uid: str, sop_instance_uid: str, action_type: int
) -> bytes:
    """An N-ACTION-RQ, with a data set (PS3.7 10.3.4)."""
    return command_set(
        (
            element(REQUESTED_SOP_CLASS_UID, padded(sop_class_uid, "\0")),
            element(COMMAND_FIELD, UINT16.pack(N_ACTION_RQ)),
            element(MESSAGE_ID, UINT16.pack(message_id)),
            element(COMMAND_DATA_SET_TYPE, UINT16.pack(WITH_DATA_SET)),
            element(REQUESTED_SOP_INSTANCE_UID, padded(sop_instance_uid, "\0")),
            element(ACTION_TYPE_ID, UINT16.pack(action_type)),
        )
    )

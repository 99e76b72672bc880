"""Which service class performs a request, and whether its peer may ask for it."""

from collections.abc import Callable

from hounsfield.archive.archive import Archive
from hounsfield.archive.types import Source
from hounsfield.dimse.command import (
    C_ECHO_RQ,
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
    Request,
)
from hounsfield.dimse.commitment import CommitmentAsked
from hounsfield.dimse.commitment_heard import CommitmentHeard
from hounsfield.dimse.exchange import Exchange
from hounsfield.dimse.find import Find
from hounsfield.dimse.get import Get
from hounsfield.dimse.move import Move
from hounsfield.dimse.negotiation import (
    FIND_CLASSES,
    GET_CLASSES,
    MOVE_CLASSES,
    AcceptedContext,
    Service,
)
from hounsfield.dimse.operation import Operation, Refused, unrecognized
from hounsfield.dimse.sop_classes import STORAGE_COMMITMENT
from hounsfield.dimse.status import NOT_AUTHORIZED, SOP_CLASS_NOT_SUPPORTED, Status
from hounsfield.dimse.storage import Store
from hounsfield.dimse.verification import Echo

SERVICES: dict[int, Service] = {
    C_STORE_RQ: "store",
    C_FIND_RQ: "find",
    C_GET_RQ: "get",
    C_MOVE_RQ: "move",
    N_ACTION_RQ: "commit",
}

OPERATIONS: dict[tuple[int, str], Callable[..., Operation]] = {
    **{(C_FIND_RQ, uid): Find for uid in FIND_CLASSES},
    **{(C_GET_RQ, uid): Get for uid in GET_CLASSES},
    **{(C_MOVE_RQ, uid): Move for uid in MOVE_CLASSES},
    (N_ACTION_RQ, STORAGE_COMMITMENT): CommitmentAsked,
    (N_EVENT_REPORT_RQ, STORAGE_COMMITMENT): CommitmentHeard,
}


def perform(
    archive: Archive,
    source: Source,
    exchange: Exchange,
    request: Request,
    context: AcceptedContext,
) -> Operation:
    """Begin to perform a request."""
    service = SERVICES.get(request.command_field)
    if service is not None and service not in exchange.caller.allowed:
        return Refused(Status(NOT_AUTHORIZED, f"this AE title may not {service} here"))
    if not context.peer_is_scu and request.command_field != N_EVENT_REPORT_RQ:
        return Refused(Status(SOP_CLASS_NOT_SUPPORTED, "the requestor is not SCU of this class"))
    if request.command_field == C_STORE_RQ:
        return Store(archive, source, request, context)
    if request.command_field == C_ECHO_RQ:
        return Echo(request, context)
    kind = OPERATIONS.get((request.command_field, context.abstract_syntax))
    return kind(archive, exchange, request, context) if kind else unrecognized(request)

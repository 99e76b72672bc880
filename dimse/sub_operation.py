"""One stored instance as a C-STORE sub-operation (PS3.4 C.4.2, C.4.3, B.2): over the association of
a C-GET, or over one that we opened.

Its data set goes out from its object, a piece at a time, without being read, where the receiver
takes it as it is stored; else it is made anew. The File Meta never goes out.
"""

from collections.abc import Iterable
from typing import Protocol

import structlog

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import HounsfieldError, PeerFailed
from hounsfield.archive.retrieve import StoredInstance
from hounsfield.archive.transcoding.objects import MADE, can_be_made, data_set
from hounsfield.dimse.command import C_STORE_RQ
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.requests import MEDIUM, encode_request
from hounsfield.dimse.sending import Bytes
from hounsfield.dimse.status import SOP_CLASS_NOT_SUPPORTED, Status, status_of

log = structlog.get_logger()


class Receiver(Protocol):
    """Somebody who takes C-STORE requests from us."""

    def storage_contexts(self) -> Iterable[AcceptedContext]:
        """The contexts in which it is SCP of a storage class."""

    def next_message_id(self) -> int:
        """The Message ID of what is sent next."""

    def store(self, context: AcceptedContext, command: bytes, data_set: Iterable[Bytes]) -> Status:
        """Send a C-STORE and wait for its status. Raises what ends the association."""


def send_instance(
    archive: Archive,
    receiver: Receiver,
    instance: StoredInstance,
    originator: tuple[str, int] | None = None,
) -> Status:
    """Send one instance; how it went. ``originator`` is who asked by C-MOVE, in which message."""
    context = _choose(receiver.storage_contexts(), instance)
    if context is None:
        log.info("sub_operation.no_context", sop_instance_uid=instance.sop_instance_uid)
        return Status(SOP_CLASS_NOT_SUPPORTED, "accepted in no transfer syntax that fits")
    command = encode_request(
        C_STORE_RQ,
        receiver.next_message_id(),
        instance.sop_class_uid,
        sop_instance_uid=instance.sop_instance_uid,
        has_data_set=True,
        priority=MEDIUM,
        move_originator=originator,
    )
    try:
        with data_set(archive, instance, context.transfer_syntax) as pieces:
            return receiver.store(context, command, pieces)
    except PeerFailed:
        raise
    except HounsfieldError as error:
        log.warning(
            "sub_operation.failed",
            sop_instance_uid=instance.sop_instance_uid,
            reason=error.message,
        )
        return status_of(error)


def _choose(
    contexts: Iterable[AcceptedContext], instance: StoredInstance
) -> AcceptedContext | None:
    """A context of the instance's class: as it is stored, or in a syntax that can be made."""
    fitting = {
        context.transfer_syntax: context
        for context in contexts
        if context.abstract_syntax == instance.sop_class_uid
    }
    stored = instance.transfer_syntax_uid
    made = MADE if can_be_made(stored) else ()
    return next((fitting[uid] for uid in (stored, *made) if uid in fitting), None)

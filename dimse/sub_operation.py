"""One stored instance as a C-STORE sub-operation (PS3.4 C.4.2, C.4.3, B.2): over the association of
a C-GET, or over one that we opened.

Its data set goes out from its object, a piece at a time, without being read; the File Meta never
does.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

import structlog

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import HounsfieldError
from hounsfield.archive.objects.port import ObjectReader
from hounsfield.archive.retrieve import StoredInstance, open_object
from hounsfield.dimse.command import C_STORE_RQ
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.requests import MEDIUM, encode_request
from hounsfield.dimse.sending import Bytes
from hounsfield.dimse.status import SOP_CLASS_NOT_SUPPORTED, Status, status_of

log = structlog.get_logger()

PIECE = 1024 * 1024


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
        reader = open_object(archive, instance)
    except HounsfieldError as error:
        log.warning(
            "sub_operation.failed",
            sop_instance_uid=instance.sop_instance_uid,
            reason=error.message,
        )
        return status_of(error)
    with reader:
        return receiver.store(context, command, _pieces(reader, instance.dataset_offset))


def _choose(
    contexts: Iterable[AcceptedContext], instance: StoredInstance
) -> AcceptedContext | None:
    """The context of the instance's class in the transfer syntax that it has."""
    for context in contexts:
        if (
            context.abstract_syntax == instance.sop_class_uid
            and context.transfer_syntax == instance.transfer_syntax_uid
        ):
            return context
    return None


def _pieces(reader: ObjectReader, start: int) -> Iterator[Bytes]:
    view = reader.map()
    for offset in range(start, len(view), PIECE):
        end = min(offset + PIECE, len(view))
        yield view[offset:end]
        if len(view) > _LARGE:
            reader.release_pages(offset, end)


_LARGE = 64 * PIECE
"""What is larger would fill the memory with pages that nobody reads again."""

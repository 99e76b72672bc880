"""Storage service class as SCP: C-STORE (PS3.4 B, PS3.7 9.1.1).

Fragments go to the archive as they arrive. Success is answered once the archive has the
instance on stable storage and in its index; until then nothing of it is to be seen.
"""

import structlog

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import HounsfieldError
from hounsfield.archive.ingest import Reception, receive
from hounsfield.archive.types import Outcome, Source, StoreResult
from hounsfield.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    Request,
)
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.sop_classes import UID, may_be_storage
from hounsfield.dimse.status import (
    CANNOT_UNDERSTAND,
    COERCED,
    INVALID_SOP_INSTANCE,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    Status,
    comment,
    status_of,
)

log = structlog.get_logger()


class Store:
    """One C-STORE."""

    def __init__(
        self, archive: Archive, source: Source, request: Request, context: AcceptedContext
    ) -> None:
        self._request = request
        self._reception: Reception | None = None
        objection = _objection(request, context)
        self._answer = objection or Status(PROCESSING_FAILURE)
        if objection is None:
            try:
                self._reception = receive(
                    archive,
                    source,
                    transfer_syntax_uid=context.transfer_syntax,
                    sop_class_uid=request.sop_class_uid,
                    sop_instance_uid=request.sop_instance_uid,
                )
            except Exception as error:
                self._fail(error)

    def write(self, fragment: memoryview) -> None:
        """Hand the fragment on. After a failure the rest of the data set is let pass."""
        if self._reception is not None:
            try:
                self._reception.write(fragment)
            except Exception as error:
                self._fail(error)

    def finish(self) -> Status:
        """Commit."""
        if self._reception is not None:
            try:
                self._answer = _status(self._reception.commit())
            except Exception as error:
                self._fail(error)
        return self._answer

    def abort(self) -> None:
        """Remove what has arrived of an unfinished instance."""
        if self._reception is not None:
            self._reception.abort()
            self._reception = None

    def _fail(self, error: Exception) -> None:
        instance = self._request.sop_instance_uid
        if isinstance(error, HounsfieldError):
            log.warning("store.refused", sop_instance_uid=instance, reason=error.message)
        else:
            log.exception("store.failed", sop_instance_uid=instance, exc_info=error)
        self._answer = status_of(error)
        self.abort()


def _objection(request: Request, context: AcceptedContext) -> Status | None:
    """What is wrong with the command set alone."""
    if request.sop_class_uid != context.abstract_syntax:
        message = "not the SOP class of this context"
        return Status(SOP_CLASS_NOT_SUPPORTED, message, (AFFECTED_SOP_CLASS_UID,))
    if not may_be_storage(request.sop_class_uid):
        message = "not a storage SOP class"
        return Status(SOP_CLASS_NOT_SUPPORTED, message, (AFFECTED_SOP_CLASS_UID,))
    if not UID.fullmatch(request.sop_instance_uid):
        message = "Affected SOP Instance UID is not a UID"
        return Status(INVALID_SOP_INSTANCE, message, (AFFECTED_SOP_INSTANCE_UID,))
    if not request.has_data_set:
        return Status(CANNOT_UNDERSTAND, "a C-STORE without a data set")
    return None


def _status(result: StoreResult) -> Status:
    if result.outcome is Outcome.QUARANTINED:
        return Status(COERCED, comment(result.warning or ""))
    return SUCCESS

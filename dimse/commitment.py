"""Storage Commitment Push Model as SCP: a request, its answer on the same association (PS3.4 J).

A request is written down before it is accepted, so that its answer is owed through a restart.
The answer goes over the association that brought the request if that is still open and idle
then, and otherwise over one that we open (:mod:`hounsfield.dimse.commitment_reports`).
"""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import CannotUnderstand
from hounsfield.db.repositories import commitments
from hounsfield.dimse.command import (
    ACTION_TYPE_ID,
    REQUESTED_SOP_CLASS_UID,
    REQUESTED_SOP_INSTANCE_UID,
    UINT16,
    Request,
)
from hounsfield.dimse.commitment_data import (
    ALL_COMMITTED,
    MOST_BYTES,
    TooMany,
    decode_request,
    encode_report,
)
from hounsfield.dimse.commitment_reports import conclude
from hounsfield.dimse.exchange import Exchange
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.requests import encode_event_report
from hounsfield.dimse.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from hounsfield.dimse.status import (
    DUPLICATE_TRANSACTION_UID,
    INVALID_ARGUMENT,
    NO_SUCH_ACTION,
    NO_SUCH_SOP_CLASS,
    NO_SUCH_SOP_INSTANCE,
    RESOURCE_LIMITATION,
    SUCCESS,
    Status,
    comment,
)

log = structlog.get_logger()

HEAD_START_SECONDS = 60.0
"""For so long the association that brought a request has its answer to itself."""


class CommitmentAsked:
    """One N-ACTION."""

    def __init__(
        self,
        archive: Archive,
        exchange: Exchange,
        request: Request,
        context: AcceptedContext,
    ) -> None:
        self._archive = archive
        self._ae_title = exchange.agreement.calling_ae_title
        self._exchange = exchange
        self._request = request
        self._context = context
        self._data = bytearray()
        self._is_too_long = False
        self._owed: int | None = None

    def write(self, fragment: memoryview) -> None:
        """Gather the data set, as far as it is one that we would read."""
        if len(self._data) + len(fragment) > MOST_BYTES:
            self._is_too_long = True
        if not self._is_too_long:
            self._data += fragment

    def finish(self) -> Status:
        """Write the request down, or say what is wrong with it."""
        objection = _objection(self._request, self._context)
        if objection is not None:
            return objection
        if self._is_too_long:
            return Status(RESOURCE_LIMITATION, "more references than are taken at once")
        try:
            uid, asked = decode_request(bytes(self._data), self._context.transfer_syntax)
        except TooMany:
            return Status(RESOURCE_LIMITATION, "more references than are taken at once")
        except CannotUnderstand as error:
            return Status(INVALID_ARGUMENT, comment(error.message), error.offending_tags)
        return self._owe(uid, asked)

    def abort(self) -> None:
        """Nothing has been promised yet."""

    def afterwards(self) -> None:
        """It has been accepted: find out, and tell, if the peer is still there to hear it."""
        if self._owed is None:
            return
        if self._exchange.is_reporting:  # asked for while an earlier one is answered
            self._leave_to_another(self._owed, "")
            return
        self._exchange.is_reporting = True
        try:
            self._tell(self._owed)
        except SQLAlchemyError as error:
            self._leave_to_another(self._owed, type(error).__name__)
        except BaseException as error:
            # The association ends with this error; the answer takes another one.
            self._leave_to_another(self._owed, str(error) or "the association ended")
            raise
        finally:
            self._exchange.is_reporting = False

    def _owe(self, transaction_uid: str, asked: list[tuple[str, str]]) -> Status:
        try:
            self._owed = self._archive.database.run(
                lambda connection: commitments.add(
                    connection, self._ae_title, transaction_uid, asked, HEAD_START_SECONDS
                )
            )
        except SQLAlchemyError as error:
            log.warning("commitment.database", error=type(error).__name__)
            return Status(RESOURCE_LIMITATION, "the database does not answer")
        if self._owed is None:
            message = "this Transaction UID has been used before"
            return Status(DUPLICATE_TRANSACTION_UID, message, (0x00081195,))
        log.info("commitment.asked", ae_title=self._ae_title, instances=len(asked))
        return SUCCESS

    def _tell(self, owed: int) -> None:
        report = conclude(self._archive, owed)
        if report is None:
            return
        exchange = self._exchange
        exchange.is_canceled()  # hears whether the peer has left, or wants something else
        message_id = exchange.next_message_id()
        response = exchange.call(
            self._context,
            encode_event_report(
                message_id, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, report.event_type
            ),
            [encode_report(report, self._ours, self._context.transfer_syntax)],
        )
        if response.status.is_failure:
            self._leave_to_another(owed, f"answered with status {response.status.code:04X}H")
        else:
            self._archive.database.run(lambda connection: commitments.reported(connection, owed))

    @property
    def _ours(self) -> str:
        return self._archive.settings.dimse.ae_title.strip()

    def _leave_to_another(self, owed: int, reason: str) -> None:
        """The next one to look after what is owed opens an association for it."""
        try:
            self._archive.database.run(
                lambda connection: commitments.postponed(connection, owed, reason, 0)
            )
        except SQLAlchemyError as error:  # it comes up by itself, after the head start
            log.warning("commitment.database", error=type(error).__name__)


def _objection(request: Request, context: AcceptedContext) -> Status | None:
    """What is wrong with the command set alone (PS3.7 10.1.4.1.10)."""
    if request.sop_class_uid != STORAGE_COMMITMENT or context.abstract_syntax != STORAGE_COMMITMENT:
        message = "no SOP class with actions here"
        return Status(NO_SUCH_SOP_CLASS, message, (REQUESTED_SOP_CLASS_UID,))
    if request.sop_instance_uid != STORAGE_COMMITMENT_INSTANCE:
        message = "not the well-known instance of storage commitment"
        return Status(NO_SUCH_SOP_INSTANCE, message, (REQUESTED_SOP_INSTANCE_UID,))
    if request.elements.get(ACTION_TYPE_ID) != UINT16.pack(ALL_COMMITTED):
        message = "action type 1 is the only one"
        return Status(NO_SUCH_ACTION, message, (ACTION_TYPE_ID,))
    if not request.has_data_set:
        return Status(INVALID_ARGUMENT, "no references")
    return None

"""Storage Commitment Push Model as SCU: what a peer says of what we have sent it (PS3.4 J.3.3)."""

import structlog

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import CannotUnderstand
from hounsfield.dimse.command import Request
from hounsfield.dimse.commitment_data import MOST_BYTES, TooMany, decode_report
from hounsfield.dimse.exchange import Exchange
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.push_commitment import note
from hounsfield.dimse.status import (
    INVALID_ARGUMENT,
    NO_SUCH_SOP_INSTANCE,
    RESOURCE_LIMITATION,
    SUCCESS,
    Status,
    comment,
)

log = structlog.get_logger()


class CommitmentHeard:
    """One N-EVENT-REPORT."""

    def __init__(
        self, archive: Archive, exchange: Exchange, request: Request, context: AcceptedContext
    ) -> None:
        self._archive = archive
        self._ae_title = exchange.agreement.calling_ae_title
        self._request = request
        self._context = context
        self._data = bytearray()
        self._is_too_long = False

    def write(self, fragment: memoryview) -> None:
        """Gather the data set, as far as it is one that we would read."""
        if len(self._data) + len(fragment) > MOST_BYTES:
            self._is_too_long = True
        if not self._is_too_long:
            self._data += fragment

    def finish(self) -> Status:
        """Enter it in the ledger."""
        if self._is_too_long:
            return Status(RESOURCE_LIMITATION, "longer than a report can be")
        try:
            report = decode_report(bytes(self._data), self._context.transfer_syntax)
        except TooMany:
            return Status(RESOURCE_LIMITATION, "longer than a report can be")
        except CannotUnderstand as error:
            return Status(INVALID_ARGUMENT, comment(error.message), error.offending_tags)
        known = note(self._archive, self._ae_title, report)
        log.info(
            "commitment.heard", ae_title=self._ae_title, known=known, failed=len(report.failed)
        )
        if not known:
            return Status(NO_SUCH_SOP_INSTANCE, "a transaction that we do not know")
        return SUCCESS

    def abort(self) -> None:
        """Nothing has been entered yet."""

"""What C-GET and C-MOVE have in common: an identifier, a set of instances, and counters
(PS3.4 C.4.2, C.4.3).
"""

from dataclasses import dataclass, field

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import HounsfieldError, Retriable, TooLarge
from hounsfield.archive.retrieve_set import RetrieveSet
from hounsfield.dimse.command import Request
from hounsfield.dimse.exchange import Exchange
from hounsfield.dimse.identifier import IdentifierWriter, Incoming
from hounsfield.dimse.information_model import retrieve_query
from hounsfield.dimse.negotiation import RELATIONAL, AcceptedContext
from hounsfield.dimse.status import (
    CANCELED,
    CANNOT_COUNT_MATCHES,
    CANNOT_PERFORM_SUB_OPERATIONS,
    CANNOT_UNDERSTAND,
    PENDING_CODE,
    SOP_CLASS_NOT_SUPPORTED,
    SUB_OPERATIONS_FAILED,
    SUCCESS_CODE,
    Status,
    SubOperations,
    comment,
    status_of,
)

FAILED_SOP_INSTANCE_UID_LIST = "00080058"


@dataclass(slots=True)
class Tally:
    """How the sub-operations of one retrieval went so far."""

    total: int
    completed: int = 0
    warning: int = 0
    failed_uids: list[str] = field(default_factory=list)
    unreached: int = 0
    """Instances that were not come to, and whose UIDs are not known therefore."""

    def count(self, sop_instance_uid: str, status: Status) -> None:
        """One more has ended."""
        if status.is_failure:
            self.failed_uids.append(sop_instance_uid)
        elif status.is_warning:
            self.warning += 1
        else:
            self.completed += 1

    @property
    def failed(self) -> int:
        """How many were not sent or not taken."""
        return len(self.failed_uids) + self.unreached

    @property
    def ended(self) -> int:
        """How many have ended, one way or the other."""
        return self.completed + self.warning + self.failed

    def counters(self, *, final: bool = False) -> SubOperations:
        """As a response says them; a final one has none that remain."""
        remaining = None if final else max(self.total - self.ended, 0)
        return SubOperations(remaining, self.completed, self.failed, self.warning)

    def final_code(self) -> int:
        """Success where all went well, failure where none did, else a warning (C.4.2.3.1)."""
        if not self.failed and not self.warning:
            return SUCCESS_CODE
        if self.completed or self.warning:
            return SUB_OPERATIONS_FAILED
        return CANNOT_PERFORM_SUB_OPERATIONS


class Retrieval:
    """One C-GET or C-MOVE: reads its identifier, and says how it goes."""

    def __init__(
        self, archive: Archive, exchange: Exchange, request: Request, context: AcceptedContext
    ) -> None:
        self._archive = archive
        self._exchange = exchange
        self._request = request
        self._context = context
        self._incoming = Incoming(context.transfer_syntax)

    def write(self, fragment: memoryview) -> None:
        """Keep it: an identifier is short."""
        self._incoming.write(fragment)

    def finish(self) -> Status:
        """Send what is asked for."""
        if self._request.sop_class_uid != self._context.abstract_syntax:
            return Status(SOP_CLASS_NOT_SUPPORTED, "not the SOP class of this context")
        if not self._request.has_data_set:
            return Status(CANNOT_UNDERSTAND, "a retrieve without an identifier")
        try:
            instances = self._find()
        except (Retriable, TooLarge) as error:
            return Status(CANNOT_COUNT_MATCHES, comment(error.message))
        except HounsfieldError as error:
            return status_of(error)
        return self._perform(instances)

    def abort(self) -> None:
        """There is nothing to leave behind."""

    def _perform(self, instances: RetrieveSet) -> Status:
        raise NotImplementedError

    def _find(self) -> RetrieveSet:
        uid = self._request.sop_class_uid
        relational = RELATIONAL in self._exchange.agreement.options(uid)
        query = retrieve_query(self._incoming.decode(), uid, relational=relational)
        return RetrieveSet(self._archive, query)

    def _say(self, tally: Tally) -> None:
        """A pending response with the counters."""
        status = Status(PENDING_CODE, sub_operations=tally.counters())
        self._exchange.pending(self._request, self._context, status)

    def _canceled(self, tally: Tally) -> Status:
        counters = tally.counters()
        return Status(CANCELED, "canceled by the peer", (), counters, self._failed(tally))

    def _done(self, tally: Tally, why: str = "") -> Status:
        """The last response, with the UIDs of what has failed; ``why`` it ended early, if so."""
        tally.unreached = max(tally.total - tally.ended, 0) if why else 0
        code = tally.final_code()
        words = why or f"{tally.failed} of {tally.total} instances could not be sent"
        said = comment(words) if tally.failed else ""
        return Status(code, said, (), tally.counters(final=True), self._failed(tally))

    def _failed(self, tally: Tally) -> bytes:
        if not tally.failed_uids:
            return b""
        writer = IdentifierWriter(self._context.transfer_syntax)
        return writer.write(
            {FAILED_SOP_INSTANCE_UID_LIST: {"vr": "UI", "Value": tally.failed_uids}}
        )

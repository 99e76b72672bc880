"""Query service class as SCP: C-FIND of Patient and Study root (PS3.4 C.4.1, PS3.7 9.1.2).

The same query builder as QIDO-RS answers. Matches are read and sent one after the other; between
two of them the peer is heard, so that a C-CANCEL ends the answer before the next match.
"""

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import HounsfieldError
from hounsfield.archive.matches import Matches
from hounsfield.dimse.command import Request
from hounsfield.dimse.exchange import Exchange
from hounsfield.dimse.find_query import RETRIEVE_AE_TITLE, parse_find
from hounsfield.dimse.identifier import IdentifierWriter, Incoming
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.status import (
    CANCELED,
    CANNOT_UNDERSTAND,
    PENDING_CODE,
    PENDING_WITHOUT_KEYS,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    Status,
    status_of,
)

PENDING = Status(PENDING_CODE)
PENDING_WITHOUT = Status(PENDING_WITHOUT_KEYS)


class Find:
    """One C-FIND."""

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
        """Answer every match, and then that this was all."""
        if self._request.sop_class_uid != self._context.abstract_syntax:
            return Status(SOP_CLASS_NOT_SUPPORTED, "not the SOP class of this context")
        if not self._request.has_data_set:
            return Status(CANNOT_UNDERSTAND, "a C-FIND without an identifier")
        try:
            return self._answer()
        except HounsfieldError as error:
            return status_of(error)

    def abort(self) -> None:
        """There is nothing to leave behind."""

    def _answer(self) -> Status:
        exchange, request, context = self._exchange, self._request, self._context
        options = exchange.agreement.options(request.sop_class_uid)
        identifier = self._incoming.decode()
        asked = parse_find(identifier, request.sop_class_uid, options)
        matches = Matches(self._archive, asked.query, asked.kind, asked.wanted)
        status = PENDING_WITHOUT if matches.warnings or asked.lacks_keys else PENDING
        title = self._archive.settings.dimse.ae_title.strip()
        fixed = asked.fixed | {RETRIEVE_AE_TITLE: {"vr": "AE", "Value": [title]}}
        writer = IdentifierWriter(context.transfer_syntax, identifier.character_set, fixed)
        for match in matches:
            if exchange.is_canceled():
                exchange.drop()
                return Status(CANCELED, "canceled by the peer")
            exchange.pending(request, context, status, writer.write(asked.answer(match)))
        return SUCCESS

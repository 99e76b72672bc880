"""One association, seen by its acceptor, in a thread of its own (PS3.8 7 and 9.2).

States of PS3.8 Table 9-10 that stand here: Sta3 while it negotiates, Sta6 while it reads, Sta8
for the length of an answer. Sta2, before a whole A-ASSOCIATE-RQ has come, and Sta13, until the
peer has closed, belong to the listener: they need no thread.
"""

import socket
import uuid
from collections.abc import Callable
from dataclasses import replace

import structlog

from hounsfield.archive.archive import Archive
from hounsfield.archive.settling import association_ended
from hounsfield.archive.types import Source
from hounsfield.dimse.associate import decode_request, encode_reject
from hounsfield.dimse.callers import Caller, Callers
from hounsfield.dimse.command import C_STORE_RQ, Request
from hounsfield.dimse.exchange import Exchange
from hounsfield.dimse.messages import Messages
from hounsfield.dimse.negotiation import AcceptedContext, Rejected, negotiate
from hounsfield.dimse.operation import Operation
from hounsfield.dimse.pdu import (
    ABORT_BY_USER,
    RELEASE_RP,
    AbortReason,
    AbortReceived,
    PduReader,
    PduType,
    ProtocolError,
    ReleaseReceived,
    abort_by_provider,
)
from hounsfield.dimse.services import perform
from hounsfield.dimse.status import Status

log = structlog.get_logger()

Retire = Callable[[socket.socket, str], None]


class Association:
    """What follows an A-ASSOCIATE-RQ. ``retire`` takes the socket back when all is said."""

    def __init__(
        self,
        archive: Archive,
        callers: Callers,
        sock: socket.socket,
        host: str,
        request: bytes,
        retire: Retire,
    ) -> None:
        self.host = host
        self._archive = archive
        self._callers = callers
        self._caller: Caller | None = None
        self._settings = archive.settings.dimse
        self._socket = sock
        self._request = request
        self._retire = retire
        self._source = Source("C-STORE", host, association_id=str(uuid.uuid4()))
        self._log = log.bind(association=self._source.association_id, peer=host)
        self._exchange: Exchange | None = None
        self._stored = 0
        self._ending = False

    def run(self) -> None:
        """From the request to the end, however it ends."""
        try:
            self._serve(self._negotiate())
        except Exception as error:
            farewell = self._farewell(error)
        if self._exchange is not None:
            self._exchange.messages.abort()
        if self._caller is not None:  # before the peer knows, who may come again at once
            self._caller.leave()
        self._say(farewell)
        self._retire(self._socket, self.host)
        self._tell_archive()

    def end_soon(self) -> None:
        """End with an abort, as soon as no message is in progress."""
        self._ending = True
        if self._exchange is not None:
            self._exchange.ending = True
        if self._exchange is None or not self._exchange.messages.in_progress:
            self._shut(socket.SHUT_RD)

    def end_now(self) -> None:
        """End in the middle of whatever is in progress."""
        self._ending = True
        self._shut(socket.SHUT_RDWR)

    def _negotiate(self) -> Exchange:
        self._socket.settimeout(self._settings.idle_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        agreement = negotiate(decode_request(self._request), self._settings)
        self._request = b""
        self._source = replace(
            self._source,
            calling_ae_title=agreement.calling_ae_title,
            called_ae_title=agreement.called_ae_title,
        )
        self._log = self._log.bind(calling_ae_title=agreement.calling_ae_title)
        caller = self._callers.admit(agreement.calling_ae_title, self.host, self._socket)
        self._caller = caller
        messages = Messages(agreement.contexts, self._perform, self._answer)
        reader = PduReader(self._socket, self._settings.maximum_length)
        exchange = Exchange(self._socket, reader, messages, agreement, caller, self._take)
        self._exchange = exchange
        self._socket.sendall(agreement.answer)
        self._log.info("association.accepted", contexts=len(agreement.contexts))
        return exchange

    def _serve(self, exchange: Exchange) -> None:
        """Take PDUs until the association ends, which is always an exception (Sta6)."""
        while True:
            self._take(exchange)

    def _take(self, exchange: Exchange) -> None:
        """Take one PDU, which may be a whole message: then it is performed and answered."""
        messages = exchange.messages
        kind, body = exchange.reader.read()
        if kind == PduType.DATA:
            messages.take(body)
            if self._ending and not messages.is_partial:
                raise EOFError
        elif kind == PduType.RELEASE_RQ and not messages.is_partial:
            raise ReleaseReceived
        elif kind == PduType.ABORT:
            raise AbortReceived
        else:
            message = f"{PduType(kind).name} where it has no place"
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, message)

    def _perform(self, request: Request, context: AcceptedContext) -> Operation:
        assert self._exchange is not None  # noqa: S101 - made by _negotiate
        return perform(self._archive, self._source, self._exchange, request, context)

    def _answer(self, request: Request, context: AcceptedContext, status: Status) -> None:
        if request.command_field == C_STORE_RQ and not status.is_failure:
            self._stored += 1
        assert self._exchange is not None  # noqa: S101 - made by _negotiate
        self._exchange.answer(request, context, status)

    def _farewell(self, error: Exception) -> bytes:
        """Our last PDU after an end that is no release; nothing where nobody would hear it."""
        how, farewell = "association.lost", b""
        match error:
            case Rejected():
                how, farewell = "association.rejected", encode_reject(*error.codes)
            case ProtocolError():
                how, farewell = "association.aborted", abort_by_provider(error.reason)
            case ReleaseReceived():
                how, farewell = "association.released", RELEASE_RP
            case AbortReceived():
                how = "association.aborted_by_peer"
            case TimeoutError():
                how, farewell = "association.idle", abort_by_provider(AbortReason.NOT_SPECIFIED)
            case EOFError() if self._ending:
                how, farewell = "association.ended_by_stop", ABORT_BY_USER
            case EOFError() | OSError():
                pass
            case _:
                self._log.exception("association.failed", exc_info=error)
                return abort_by_provider(AbortReason.NOT_SPECIFIED)
        self._log.info(how, stored=self._stored, reason=str(error))
        return farewell

    def _say(self, farewell: bytes) -> None:
        if farewell:
            try:
                self._socket.sendall(farewell)
            except OSError:
                self._log.info("association.lost")

    def _shut(self, how: int) -> None:
        """Wake the thread from what it waits for."""
        try:
            socket.socket.shutdown(self._socket, how)  # TLS above it would forget its keys
        except OSError:
            self._log.debug("association.gone")

    def _tell_archive(self) -> None:
        if self._stored:
            association_ended(self._archive, self._source.association_id)

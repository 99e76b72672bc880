"""An association as the operation in progress on it sees it (PS3.7 9.1, 10.1).

An operation answers as often as it has to, hears between two answers whether the peer has
canceled or left, and may send requests of its own and wait for their responses.
"""

import select
import socket
from collections.abc import Callable, Iterable

from hounsfield.archive.errors import HounsfieldError
from hounsfield.dimse.callers import Caller
from hounsfield.dimse.command import Request, encode_response
from hounsfield.dimse.messages import Messages
from hounsfield.dimse.negotiation import AcceptedContext, Agreement
from hounsfield.dimse.pdu import AbortReason, PduReader, ProtocolError, command_pdus, data_set_pdus
from hounsfield.dimse.response import Response
from hounsfield.dimse.sending import Bytes, send_message
from hounsfield.dimse.status import Status

GATHERED_BYTES = 32 * 1024
"""Pending responses go out together up to this size: a packet for each costs more than a row."""


class Exchange:
    """What goes over one association. Used by its thread alone."""

    def __init__(
        self,
        sock: socket.socket,
        reader: PduReader,
        messages: Messages,
        agreement: Agreement,
        caller: Caller,
        take: Callable[["Exchange"], None],
    ) -> None:
        self.reader = reader
        self.messages = messages
        self.agreement = agreement
        self.caller = caller
        self._socket = sock
        self._take = take
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._gathered = bytearray()
        self._last_status: Status | None = None
        self._last_pdus = b""
        self._message_id = 0
        self.ending = False
        """The server stops: what is in progress shall end. Set by another thread."""
        self.is_reporting = False
        """The answer to an earlier storage commitment is being given."""

    def answer(self, request: Request, context: AcceptedContext, status: Status) -> None:
        """Send the response that is the last one of its request."""
        self._gathered += self._response(request, context, status, status.data_set)
        self._last_status = None
        self.flush()

    def pending(
        self, request: Request, context: AcceptedContext, status: Status, data_set: bytes = b""
    ) -> None:
        """Send a response after which more will come, at the latest with the last one.

        The same ``status`` object again costs no encoding.
        """
        if status is self._last_status:
            self._gathered += self._last_pdus
            self._gathered += data_set_pdus(context.context_id, data_set, self._peer_maximum)
        else:
            self._gathered += self._response(request, context, status, data_set)
        if len(self._gathered) >= GATHERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what has been gathered."""
        if self._gathered:
            self._socket.sendall(self._gathered)
            self._gathered = bytearray()

    def drop(self) -> None:
        """Forget the responses that have not been sent: the peer has canceled."""
        self._gathered = bytearray()

    def is_canceled(self) -> bool:
        """Whether the peer has canceled; hears what has come meanwhile, without waiting for it.

        Raises what ends the association, should that have come.
        """
        if self.messages.has_rest:
            self.messages.take_rest()
        while self._has_input():
            self._take(self)
        if self.ending:
            raise EOFError
        return self.messages.is_canceled

    def call(
        self, context: AcceptedContext, command: bytes, data_set: Iterable[Bytes] = ()
    ) -> Response:
        """Send a request of ours, that of the last Message ID, and wait for its response.

        We have to have the role for it in that context (PS3.7 D.3.3.4).
        """
        self.flush()
        self.messages.wait_for(self._message_id)
        try:
            send_message(self._socket, context.context_id, command, data_set, self._peer_maximum)
        except HounsfieldError as error:
            # Half a message is out: there is no other way to end it.
            raise ProtocolError(AbortReason.NOT_SPECIFIED, error.message) from error
        while (response := self.messages.response()) is None:
            self._take(self)
        return response

    def next_message_id(self) -> int:
        """A Message ID for a request of ours: they are counted apart from the peer's."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    @property
    def _peer_maximum(self) -> int:
        return self.agreement.peer_maximum

    def _response(
        self, request: Request, context: AcceptedContext, status: Status, data_set: bytes
    ) -> bytes:
        response = encode_response(request, status, has_data_set=bool(data_set))
        command = command_pdus(context.context_id, response, self._peer_maximum)
        self._last_status, self._last_pdus = status, command
        return command + data_set_pdus(context.context_id, data_set, self._peer_maximum)

    def _has_input(self) -> bool:
        """Bytes are there: read ahead already, decrypted already, or in the socket."""
        pending: Callable[[], int] | None = getattr(self._socket, "pending", None)
        return (
            self.reader.has_bytes
            or bool(pending is not None and pending())
            or bool(self._poll.poll(0))
        )

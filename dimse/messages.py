"""DIMSE messages out of presentation data values, one at a time (PS3.7 6.3, PS3.8 9.3.5 and E).

An association here has an asynchronous operations window of 1,1: a message is taken whole and
answered before the next one begins, and a fragment of another one in between is an error. While
an operation is performed only what belongs to it may come: its C-CANCEL, and the responses to
requests that it sends itself.
"""

from collections.abc import Callable, Mapping

import structlog

from hounsfield.dimse.command import (
    C_CANCEL_RQ,
    MESSAGE_ID_RESPONDED_TO,
    RESPONSE,
    UINT16,
    Request,
    decode_request,
)
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.operation import Operation
from hounsfield.dimse.pdu import (
    PDV_HEADER,
    AbortReason,
    AssociationEnded,
    ProtocolError,
    data_values,
)
from hounsfield.dimse.response import Response, decode_response
from hounsfield.dimse.status import Status, status_of

log = structlog.get_logger()

MAX_COMMAND_BYTES = 16 * 1024
MAX_REPLY_BYTES = 64 * 1024
IS_COMMAND = 0x01
IS_LAST = 0x02

Perform = Callable[[Request, AcceptedContext], Operation]
Answer = Callable[[Request, AcceptedContext, Status], None]


class Messages:
    """The message in progress on an association, if there is one."""

    def __init__(
        self, contexts: Mapping[int, AcceptedContext], perform: Perform, answer: Answer
    ) -> None:
        self._contexts = contexts
        self._perform = perform
        self._answer = answer
        self._command = bytearray()
        self._context: AcceptedContext | None = None
        self._request: Request | None = None
        self._operation: Operation | None = None
        self._performing: tuple[Operation, Request] | None = None
        self._response: Response | None = None
        self._reply_bytes = 0
        self._waiting_for: int | None = None
        self._rest = b""
        self.is_canceled = False

    @property
    def in_progress(self) -> bool:
        """Whether a message has begun and not yet been answered."""
        return self._context is not None or self._performing is not None

    @property
    def is_partial(self) -> bool:
        """Whether the peer is in the middle of a message."""
        return self._context is not None

    @property
    def has_rest(self) -> bool:
        """Whether something came behind the request in its own PDU."""
        return bool(self._rest)

    def take(self, pdu: memoryview) -> None:
        """Take the presentation data values of a P-DATA-TF PDU."""
        while len(pdu):
            pdu = self._take_message(pdu)

    def _take_message(self, pdu: memoryview) -> memoryview:
        """Take values until they make a message whole, and perform it; what is left of the PDU."""
        end = 0
        for context_id, control, fragment in data_values(pdu):
            end += PDV_HEADER.size + len(fragment)
            if self._take_fragment(context_id, control, fragment):
                # The operation may read on, into the buffer that this PDU lies in.
                self._rest = bytes(pdu[end:])
                self._finish()
                rest, self._rest = self._rest, b""
                return memoryview(rest)
        return pdu[end:]

    def take_rest(self) -> None:
        """Take what came behind the request in its own PDU, while it is performed."""
        rest, self._rest = self._rest, b""
        self.take(memoryview(rest))

    def wait_for(self, message_id: int) -> None:
        """The operation has sent a request of its own: its response may come."""
        self._waiting_for = message_id

    def response(self) -> Response | None:
        """The response that was waited for, once it is whole."""
        response, self._response = self._response, None
        return response

    def abort(self) -> None:
        """The association ends: an unfinished message leaves nothing behind."""
        operation, self._operation = self._operation, None
        if self._performing is not None:
            operation, self._performing = self._performing[0], None
        if operation is not None:
            operation.abort()

    def _take_fragment(self, context_id: int, control: int, fragment: memoryview) -> bool:
        """Take a part of a message; whether a request is whole now."""
        context = self._contexts.get(context_id)
        if context is None:
            message = f"presentation context {context_id} was not accepted"
            raise ProtocolError(AbortReason.INVALID_PARAMETER, message)
        if self._reply_bytes:
            self._pass_reply(fragment, control)
            return False
        expects_command = self._operation is None
        if self._context not in (None, context) or bool(control & IS_COMMAND) != expects_command:
            message = "fragments of two messages are mixed"
            raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, message)
        self._context = context
        if self._operation is None:
            return self._take_command(context, fragment, bool(control & IS_LAST))
        self._operation.write(fragment)
        return bool(control & IS_LAST)

    def _take_command(self, context: AcceptedContext, fragment: memoryview, last: bool) -> bool:
        if len(self._command) + len(fragment) > MAX_COMMAND_BYTES:
            raise ProtocolError(AbortReason.INVALID_PARAMETER, "a command set without an end")
        self._command += fragment
        if not last:
            return False
        command, self._command = self._command, bytearray()
        request = decode_request(command)
        if request.command_field & RESPONSE:
            self._take_response(decode_response(command))
            return False
        if request.command_field == C_CANCEL_RQ:
            self._take_cancel(request)
            return False
        if self._performing is not None:
            message = "a request before the one in progress was answered"
            raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, message)
        self._request = request
        self._operation = self._perform(request, context)
        return not request.has_data_set

    def _take_cancel(self, request: Request) -> None:
        """One that comes after the last response has crossed it, and means nothing any more."""
        self._context = None
        if self._performing is not None:
            canceled = UINT16.pack(self._performing[1].message_id)
            self.is_canceled |= request.elements.get(MESSAGE_ID_RESPONDED_TO) == canceled

    def _take_response(self, response: Response) -> None:
        if self._waiting_for != response.message_id:
            raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, "a response to no request")
        self._waiting_for = None
        self._response = response
        self._context = None
        self._reply_bytes = int(response.has_data_set)

    def _pass_reply(self, fragment: memoryview, control: int) -> None:
        """A response's data set says nothing that is needed here: it is let pass."""
        self._reply_bytes += len(fragment)
        if control & IS_COMMAND or self._reply_bytes > MAX_REPLY_BYTES:
            message = "a response whose data set has no end"
            raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, message)
        if control & IS_LAST:
            self._reply_bytes = 0

    def _finish(self) -> None:
        operation, request, context = self._operation, self._request, self._context
        assert operation is not None and request is not None and context is not None  # noqa: S101
        self._operation = self._request = self._context = None
        self._performing = (operation, request)
        self.is_canceled = False
        self._answer(request, context, _performed(operation, request))
        # It is answered: what it says afterwards may cross the peer's next request.
        self._performing = None
        afterwards = getattr(operation, "afterwards", None)
        if afterwards is not None:
            afterwards()


def _performed(operation: Operation, request: Request) -> Status:
    try:
        return operation.finish()
    except (AssociationEnded, ProtocolError, EOFError, OSError):
        raise
    except Exception as error:
        log.exception("operation.failed", command=f"{request.command_field:04X}H", exc_info=error)
        return status_of(error)

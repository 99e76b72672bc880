"""DIMSE messages out of presentation data values, one at a time (PS3.7 6.3, PS3.8 9.3.5 and E).

An association here has an asynchronous operations window of 1,1: a message is taken whole and
answered before the next one begins, and a fragment of another one in between is an error.
"""

from collections.abc import Callable, Mapping

from hounsfield.dimse.command import C_CANCEL_RQ, RESPONSE, Request, decode_request
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.operation import Operation
from hounsfield.dimse.pdu import PDV_HEADER, AbortReason, ProtocolError
from hounsfield.dimse.status import Status

MAX_COMMAND_BYTES = 16 * 1024
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

    @property
    def in_progress(self) -> bool:
        """Whether a message has begun and not yet been answered."""
        return self._context is not None

    def take(self, pdu: memoryview) -> None:
        """Take the presentation data values of a P-DATA-TF PDU."""
        offset, size = 0, len(pdu)
        while offset < size:
            if size - offset < PDV_HEADER.size:
                raise ProtocolError(AbortReason.INVALID_PARAMETER, "a PDV without its header")
            length, context_id, control = PDV_HEADER.unpack_from(pdu, offset)
            end = offset + 4 + length
            if length < 2 or end > size:
                message = f"a PDV of {length} bytes in a PDU of {size}"
                raise ProtocolError(AbortReason.INVALID_PARAMETER, message)
            self._take_fragment(context_id, control, pdu[offset + PDV_HEADER.size : end])
            offset = end

    def abort(self) -> None:
        """The association ends: an unfinished message leaves nothing behind."""
        operation, self._operation = self._operation, None
        if operation is not None:
            operation.abort()

    def _take_fragment(self, context_id: int, control: int, fragment: memoryview) -> None:
        context = self._contexts.get(context_id)
        if context is None:
            message = f"presentation context {context_id} was not accepted"
            raise ProtocolError(AbortReason.INVALID_PARAMETER, message)
        expects_command = self._operation is None
        if self._context not in (None, context) or bool(control & IS_COMMAND) != expects_command:
            message = "fragments of two messages are mixed"
            raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, message)
        self._context = context
        if self._operation is None:
            self._take_command(context, fragment, bool(control & IS_LAST))
        else:
            self._operation.write(fragment)
            if control & IS_LAST:
                self._finish()

    def _take_command(self, context: AcceptedContext, fragment: memoryview, last: bool) -> None:
        if len(self._command) + len(fragment) > MAX_COMMAND_BYTES:
            raise ProtocolError(AbortReason.INVALID_PARAMETER, "a command set without an end")
        self._command += fragment
        if not last:
            return
        request = decode_request(self._command)
        self._command.clear()
        if request.command_field & RESPONSE:
            raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, "a response to no request")
        if request.command_field == C_CANCEL_RQ:
            self._context = None  # what it would cancel has been answered already
            return
        self._request = request
        self._operation = self._perform(request, context)
        if not request.has_data_set:
            self._finish()

    def _finish(self) -> None:
        operation, request, context = self._operation, self._request, self._context
        assert operation is not None and request is not None and context is not None  # noqa: S101
        status = operation.finish()
        self._operation = self._request = self._context = None
        self._answer(request, context, status)

"""An association that we open, for one user of it at a time (PS3.8 7.1.1, 7.2, 9.2).

States of PS3.8 Table 9-10 that stand here: Sta4 and Sta5 while it opens, Sta6 while messages go
out and come in, Sta7 while it is released. An operation is asked for, and answered, before the
next one begins.
"""

import select
import socket
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

import structlog

from hounsfield.archive.errors import (
    PeerAborted,
    PeerFailed,
    PeerRejected,
    PeerUnreachable,
    Unavailable,
)
from hounsfield.conf.settings import Settings
from hounsfield.dimse.associate import ProposedContext
from hounsfield.dimse.associate_requestor import (
    AssociateAccept,
    decode_accept,
    encode_request,
    reason_in_words,
)
from hounsfield.dimse.command import Request, decode_request, encode_response
from hounsfield.dimse.connecting import Destination, connect, failure
from hounsfield.dimse.negotiation import ACCEPTANCE, AcceptedContext
from hounsfield.dimse.operation import Operation
from hounsfield.dimse.pdu import (
    ABORT_BY_USER,
    PDV_HEADER,
    RELEASE_RP,
    RELEASE_RQ,
    AbortReason,
    PduReader,
    PduType,
    ProtocolError,
    abort_by_provider,
    data_values,
)
from hounsfield.dimse.response import Response, decode_response, is_request
from hounsfield.dimse.sending import Bytes, send_message

__all__ = ["Destination", "Requestor"]

log = structlog.get_logger()

Perform = Callable[[Request, AcceptedContext], Operation]

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Of a command set or an identifier: what is received is held in memory."""

LONGEST_ACCEPTANCE = 64 * 1024
IS_COMMAND = 0x01
IS_LAST = 0x02


class Requestor:
    """An association with a peer: opened by ``with``, released at the end of its block, and
    aborted where the block ends with an exception.

    Raises PeerUnreachable, PeerUntrusted, PeerRejected and PeerAborted; after any of them the
    association is over. For one thread; another one may call :meth:`interrupt`.
    """

    def __init__(
        self,
        destination: Destination,
        settings: Settings,
        contexts: Sequence[ProposedContext],
        *,
        roles: Mapping[str, tuple[bool, bool]] | None = None,
        extended: Mapping[str, bytes] | None = None,
        calling_ae_title: str | None = None,
        perform: Perform | None = None,
    ) -> None:
        """``perform`` begins what the peer asks of us meanwhile, in a role that we proposed."""
        self.destination = destination
        self.contexts: dict[int, AcceptedContext] = {}
        self.accept = AssociateAccept()
        self._settings = settings.dimse
        self._proposed = {context.context_id: context for context in contexts}
        self._roles = roles or {}
        self._extended = extended or {}
        self._perform = perform
        self._calling_ae_title = calling_ae_title or settings.dimse.ae_title
        self._socket: socket.socket | None = None
        self._maximum = max(settings.dimse.maximum_length, LONGEST_ACCEPTANCE)
        self._reader: PduReader | None = None
        self._values: Iterator[tuple[int, int, memoryview]] = iter(())

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.release()
        else:
            self.abort()

    def open(self) -> None:
        """Connect, and ask for the association."""
        self._socket = connect(self.destination, self._settings)
        self._reader = PduReader(self._socket, self._maximum)
        request = encode_request(
            self.destination.ae_title,
            self._calling_ae_title,
            list(self._proposed.values()),
            maximum_length=self._maximum,
            roles=self._roles,
            extended=self._extended,
        )
        with self._conversation() as sock:
            sock.sendall(request)
            self._take_answer(*self._reader.read())
            sock.settimeout(self._settings.idle_seconds)
        log.info("requestor.opened", peer=self.destination.ae_title, contexts=len(self.contexts))

    def context_for(
        self, sop_class_uid: str, transfer_syntaxes: Collection[str] | None = None
    ) -> AcceptedContext | None:
        """An accepted context for a SOP class, in one of these transfer syntaxes."""
        for context in self.contexts.values():
            if context.abstract_syntax == sop_class_uid and (
                transfer_syntaxes is None or context.transfer_syntax in transfer_syntaxes
            ):
                return context
        return None

    def send(
        self, context: AcceptedContext, command: bytes, data_set: Iterable[Bytes] = ()
    ) -> None:
        """Send a message: its command set, and its data set in pieces of any length."""
        with self._conversation() as sock:
            try:
                send_message(
                    sock,
                    context.context_id,
                    command,
                    _readable(data_set),
                    self.accept.maximum_length,
                )
            except OSError as error:
                self._hear_last_words(error)
                raise

    def receive(self) -> tuple[AcceptedContext, Response, bytearray | None]:
        """The next response, with its data set if it has one.

        Requests of the peer that come before it are performed, where somebody does that.
        """
        with self._conversation() as sock:
            context, command = self._receive_part(IS_COMMAND, None)
            while self._perform is not None and is_request(command):
                self._serve(sock, self._perform, context, decode_request(command))
                context, command = self._receive_part(IS_COMMAND, None)
            response = decode_response(command)
            data_set = None
            if response.has_data_set:
                _, data_set = self._receive_part(0, context)
            return context, response, data_set

    def hear(self, seconds: float) -> tuple[AcceptedContext, bytearray, bytearray | None] | None:
        """A request that the peer sends on this association, and its data set; None without one.

        Until it begins, so many seconds are waited.
        """
        with self._conversation() as sock:
            if not self._open_reader.has_bytes and not _has_input(sock, seconds):
                return None
            context, command = self._receive_part(IS_COMMAND, None)
            data_set = None
            if decode_request(command).has_data_set:
                _, data_set = self._receive_part(0, context)
            return context, command, data_set

    def release(self) -> None:
        """End in order (PS3.8 7.2). A peer that does not answer is left all the same."""
        if self._socket is None:
            return
        sock = self._socket
        try:
            sock.settimeout(self._settings.connect_seconds)
            sock.sendall(RELEASE_RQ)
            self._await_release(sock)
        except (OSError, EOFError, ProtocolError) as error:
            log.info("requestor.not_released", peer=str(self.destination), reason=str(error))
        self._close()

    def abort(self) -> None:
        """End at once."""
        self._close(ABORT_BY_USER)

    def interrupt(self) -> None:
        """Let the thread that waits for the peer fail, as if the connection were lost."""
        if self._socket is not None:
            _shut(self._socket)

    def _take_answer(self, kind: int, body: memoryview) -> None:
        if kind == PduType.ASSOCIATE_RJ:
            _, result, source, reason = bytes(body[:4])
            why = reason_in_words(
                result, source, reason, self.destination.ae_title, self._calling_ae_title
            )
            raise PeerRejected(f"{self.destination} rejects us: {why}", result, source, reason)
        if kind == PduType.ABORT:
            raise PeerAborted(f"{self.destination} aborted instead of answering")
        if kind != PduType.ASSOCIATE_AC:
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, "no answer to an A-ASSOCIATE-RQ")
        self.accept = decode_accept(bytes(body))
        if 0 < self.accept.maximum_length <= PDV_HEADER.size + 1:
            raise ProtocolError(AbortReason.INVALID_PARAMETER, "PDUs too short to hold anything")
        for answer in self.accept.results:
            proposed = self._proposed.get(answer.context_id)
            if (
                proposed is not None
                and answer.result == ACCEPTANCE
                and answer.transfer_syntax in proposed.transfer_syntaxes
            ):
                self.contexts[answer.context_id] = AcceptedContext(
                    answer.context_id, proposed.abstract_syntax, answer.transfer_syntax
                )

    def _serve(
        self, sock: socket.socket, perform: Perform, context: AcceptedContext, request: Request
    ) -> None:
        """Perform a request of the peer, whose data set is handed on as it comes, and answer it."""
        operation = perform(request, context)
        try:
            if request.has_data_set:
                self._hand_on(context, operation)
            status = operation.finish()
        except BaseException:
            operation.abort()
            raise
        response = encode_response(request, status)
        send_message(sock, context.context_id, response, (), self.accept.maximum_length)

    def _hand_on(self, context: AcceptedContext, operation: Operation) -> None:
        while True:
            context_id, control, fragment = self._next_value()
            if context_id != context.context_id or control & IS_COMMAND:
                message = "fragments of two messages are mixed"
                raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, message)
            operation.write(fragment)
            if control & IS_LAST:
                return

    def _receive_part(
        self, kind: int, context: AcceptedContext | None
    ) -> tuple[AcceptedContext, bytearray]:
        """A whole command set or data set, and the context that it came in."""
        part = bytearray()
        while True:
            context_id, control, fragment = self._next_value()
            found = self.contexts.get(context_id)
            if found is None or context not in (None, found) or control & IS_COMMAND != kind:
                message = "fragments of two messages are mixed, or have no context"
                raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER, message)
            if len(part) + len(fragment) > MAX_MESSAGE_BYTES:
                raise ProtocolError(AbortReason.INVALID_PARAMETER, "a message without an end")
            context = found
            part += fragment
            if control & IS_LAST:
                return context, part

    def _next_value(self) -> tuple[int, int, memoryview]:
        while True:
            for value in self._values:
                return value
            kind, body = self._open_reader.read()
            if kind == PduType.DATA:
                self._values = data_values(body)
            elif kind == PduType.ABORT:
                raise PeerAborted(f"{self.destination} aborted the association")
            elif kind == PduType.RELEASE_RQ:
                self._close(RELEASE_RP)
                raise PeerAborted(f"{self.destination} ended the association without an answer")
            else:
                message = f"{PduType(kind).name} where it has no place"
                raise ProtocolError(AbortReason.UNEXPECTED_PDU, message)

    def _await_release(self, sock: socket.socket) -> None:
        """Until the peer has answered; what it says before is of no use any more (Sta7)."""
        while True:
            kind, _ = self._open_reader.read()
            if kind in (PduType.RELEASE_RP, PduType.ABORT):
                return
            if kind == PduType.RELEASE_RQ:
                sock.sendall(RELEASE_RP)  # both asked at once (Sta9)

    @contextmanager
    def _conversation(self) -> Iterator[socket.socket]:
        """The open association; what goes wrong with it ends it, and is an error of ours."""
        sock = self._socket
        if sock is None:
            raise PeerAborted(f"the association with {self.destination} is not open")
        try:
            yield sock
        except ProtocolError as error:
            self._close(abort_by_provider(error.reason))
            message = f"{self.destination} breaks the protocol: {error}"
            if error.reason is AbortReason.UNRECOGNIZED_PDU:
                message = f"{self.destination} answers in another protocol; it may expect TLS"
            raise PeerAborted(message) from error
        except TimeoutError as error:
            self._close(ABORT_BY_USER)
            raise PeerUnreachable(f"{self.destination} does not answer") from error
        except (EOFError, OSError) as error:
            self._close()
            raise failure(self.destination, error) from error
        except PeerFailed:
            self._close()
            raise

    def _hear_last_words(self, error: OSError) -> None:
        """A peer that no longer listens may have said that it aborts."""
        if isinstance(error, TimeoutError):
            return
        with suppress(OSError, EOFError, ProtocolError):
            while self._open_reader.read()[0] != PduType.ABORT:
                pass
            raise PeerAborted(f"{self.destination} aborted the association") from error

    @property
    def _open_reader(self) -> PduReader:
        assert self._reader is not None  # noqa: S101 - made with the socket
        return self._reader

    def _close(self, farewell: bytes = b"") -> None:
        sock, self._socket = self._socket, None
        if sock is not None:
            with suppress(OSError):
                if farewell:
                    sock.sendall(farewell)
            sock.close()


def _has_input(sock: socket.socket, seconds: float) -> bool:
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    return bool(select.select([sock], [], [], seconds)[0])


def _shut(sock: socket.socket) -> None:
    """Of the socket below TLS too, whose own method would forget its keys."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _readable(pieces: Iterable[Bytes]) -> Iterator[Bytes]:
    """What goes wrong where the data set is read is not the peer's doing."""
    try:
        yield from pieces
    except OSError as error:
        raise Unavailable(f"the data set cannot be read: {error}") from error

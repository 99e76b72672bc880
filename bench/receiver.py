"""A destination of C-MOVE that answers every C-STORE at once and throws the data set away."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from pydicom.uid import ExplicitVRLittleEndian

from bench.association import LONGEST_PDU, SILENCE_SECONDS, Elements, messages
from hounsfield.dimse.associate import (
    AssociateRequest,
    ContextResult,
    ProposedContext,
    decode_request,
    encode_accept,
)
from hounsfield.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_STORE_RQ,
    MESSAGE_ID,
    Request,
    encode_response,
    number_of,
    uid_of,
)
from hounsfield.dimse.pdu import PDU_HEADER, RELEASE_RP, PduReader, command_pdus
from hounsfield.dimse.status import SUCCESS

IMPLEMENTATION_CLASS_UID = "1.2.826.0.1.3680043.8.498.1"


class Receiver:
    """Listens as long as its block runs, and counts what comes."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._lock = threading.Lock()
        self.received = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                accepted, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(EOFError):  # what a sender that hangs up owes, the count says
            sock.settimeout(SILENCE_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = PduReader(sock, LONGEST_PDU)
            _, body = reader.read()
            sock.sendall(_acceptance(decode_request(bytes(PDU_HEADER.size) + bytes(body))))
            for context_id, request in messages(reader):
                with self._lock:
                    self.received += 1
                sock.sendall(stored(context_id, request))
            sock.sendall(RELEASE_RP)


def stored(context_id: int, elements: Elements) -> bytes:
    """The PDU that says so to a C-STORE-RQ."""
    request = Request(
        C_STORE_RQ,
        number_of(elements[MESSAGE_ID]),
        True,
        uid_of(elements[AFFECTED_SOP_CLASS_UID]),
        uid_of(elements[AFFECTED_SOP_INSTANCE_UID]),
        elements,
    )
    return command_pdus(context_id, encode_response(request, SUCCESS), 0)


def _acceptance(request: AssociateRequest) -> bytes:
    """Every context: as the instances are stored where that is proposed."""
    return encode_accept(
        request,
        [ContextResult(each.context_id, 0, _syntax_of(each)) for each in request.contexts],
        maximum_length=LONGEST_PDU,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name="BENCH",
        roles={},
        extended={},
    )


def _syntax_of(context: ProposedContext) -> str:
    proposed = context.transfer_syntaxes
    return ExplicitVRLittleEndian if ExplicitVRLittleEndian in proposed else proposed[0]

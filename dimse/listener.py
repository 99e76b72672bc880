"""The guarded listener: what a stranger can do to us before there is an association.

One thread holds every connection until a whole A-ASSOCIATE-RQ has come, within its deadline and
its length, and again from our last PDU until the peer has closed (PS3.8 9.2, Sta2 and Sta13).
Anything that is not an A-ASSOCIATE-RQ is aborted at its first byte.

With TLS its handshake comes first, under the same deadline; one that waits for its client keeps
nobody else waiting.
"""

import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import structlog

from hounsfield.conf.settings import DimseSettings
from hounsfield.dimse.associate import FIXED, encode_reject
from hounsfield.dimse.pdu import PDU_HEADER, AbortReason, PduType, abort_by_provider
from hounsfield.dimse.visitors import Visitor, Visitors

log = structlog.get_logger()

MAX_REQUEST_BYTES = 256 * 1024
"""128 contexts of 45 transfer syntaxes are 157 KB."""

MAX_DISCARDED_BYTES = 16 * 1024 * 1024
SCRATCH_BYTES = 64 * 1024
PAUSE_SECONDS = 0.1
BACKLOG = 256

Admit = Callable[[socket.socket, str, bytes, "Retire"], bool]
Retire = Callable[[socket.socket, str], None]
Secure = Callable[[], ssl.SSLContext]


class Listener:
    """Accepts connections and hands those with an A-ASSOCIATE-RQ to ``admit``.

    ``admit`` answers False where there is no room: the peer is rejected for the time being.
    """

    def __init__(
        self,
        settings: DimseSettings,
        admit: Admit,
        host: str,
        port: int,
        secure: Secure | None = None,
    ) -> None:
        self._settings = settings
        self._admit = admit
        self._secure = secure
        self._visitors = Visitors(settings.max_handshakes_per_host, settings.max_associations)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self._waker, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._retiring: deque[tuple[socket.socket, str]] = deque()
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._stopped = False
        self._closed = False
        self.port: int = self._socket.getsockname()[1]

    def run(self) -> None:
        """Serve until :meth:`stop`."""
        while not self._stopped:
            for key, _ in self._selector.select(self._visitors.patience()):
                if key.fileobj is self._socket:
                    self._accept()
                elif key.fileobj is self._woken:
                    self._take_back()
                else:
                    self._hear(key.data)
            for visitor in self._visitors.expired():
                self._dismiss(visitor)
        self._close()

    def stop(self) -> None:
        """Accept nothing more; :meth:`run` returns soon. Any thread may call it."""
        self._stopped = True
        self._wake()

    def retire(self, sock: socket.socket, host: str) -> None:
        """Take a socket on which all is said, until its peer has closed. From any thread."""
        self._retiring.append((sock, host))
        self._wake()
        if self._closed:
            sock.close()

    def _wake(self) -> None:
        with suppress(OSError):  # closed: there is nobody to wake
            self._waker.send(b"\0")

    def _accept(self) -> None:
        try:
            sock, address = self._socket.accept()
        except BlockingIOError:
            return
        except OSError as error:
            log.warning("listener.cannot_accept", reason=str(error))
            time.sleep(PAUSE_SECONDS)  # out of descriptors, most likely
            return
        if self._secure is None:
            self._watch(sock, address[0], leaving=False)
            return
        sock.setblocking(False)
        try:
            secured = self._secure().wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
        except (OSError, ValueError):  # gone already
            sock.close()
            return
        self._watch(secured, address[0], leaving=False, handshaking=True)

    def _take_back(self) -> None:
        self._woken.recv(SCRATCH_BYTES)
        while self._retiring:
            sock, host = self._retiring.popleft()
            self._see_off(sock, host, b"")

    def _watch(
        self, sock: socket.socket, host: str, *, leaving: bool, handshaking: bool = False
    ) -> None:
        sock.setblocking(False)
        deadline = time.monotonic() + self._settings.handshake_seconds
        visitor = Visitor(sock, host, deadline, leaving, handshaking)
        self._selector.register(sock, selectors.EVENT_READ, visitor)
        if (evicted := self._visitors.add(visitor)) is not None:
            self._dismiss(evicted)

    def _hear(self, visitor: Visitor) -> None:
        if visitor not in self._visitors:
            return  # dismissed since the selector saw it
        if visitor.handshaking:
            self._shake_hands(visitor)
            return
        try:
            received = visitor.socket.recv_into(self._scratch)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            received = 0
        if not received:
            self._dismiss(visitor)
        elif visitor.leaving:
            visitor.discarded += received
            if visitor.discarded > MAX_DISCARDED_BYTES:
                self._dismiss(visitor)
        else:
            visitor.request += self._scratch[:received]
            self._judge(visitor)
        if isinstance(visitor.socket, ssl.SSLSocket) and visitor.socket.pending():
            self._hear(visitor)  # decrypted already: the selector would not tell

    def _shake_hands(self, visitor: Visitor) -> None:
        sock = visitor.socket
        assert isinstance(sock, ssl.SSLSocket)  # noqa: S101 - for the type checker
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            self._selector.modify(sock, selectors.EVENT_READ, visitor)
        except ssl.SSLWantWriteError:
            self._selector.modify(sock, selectors.EVENT_WRITE, visitor)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            log.warning("connection.no_tls", peer=visitor.host, reason=reason)
            self._dismiss(visitor)
        else:
            visitor.handshaking = False
            self._selector.modify(sock, selectors.EVENT_READ, visitor)
            self._hear(visitor)

    def _judge(self, visitor: Visitor) -> None:
        """Is it the beginning of an A-ASSOCIATE-RQ, a whole one, or something else?"""
        request = visitor.request
        if request[0] != PduType.ASSOCIATE_RQ:
            known = PduType.ASSOCIATE_RQ < request[0] <= PduType.ABORT
            self._abort(
                visitor, AbortReason.UNEXPECTED_PDU if known else AbortReason.UNRECOGNIZED_PDU
            )
        elif len(request) >= PDU_HEADER.size:
            length = PDU_HEADER.unpack_from(request)[1]
            size = PDU_HEADER.size + length
            if not FIXED.size <= length <= MAX_REQUEST_BYTES:
                self._abort(visitor, AbortReason.INVALID_PARAMETER)
            elif len(request) > size:
                self._abort(visitor, AbortReason.UNEXPECTED_PDU)
            elif len(request) == size:
                self._welcome(visitor)

    def _welcome(self, visitor: Visitor) -> None:
        self._forget(visitor)
        request = bytes(visitor.request)
        if not self._admit(visitor.socket, visitor.host, request, self.retire):
            log.warning("association.rejected", peer=visitor.host, reason="no room")
            self._see_off(visitor.socket, visitor.host, encode_reject(2, 3, 2))

    def _abort(self, visitor: Visitor, reason: AbortReason) -> None:
        log.info("connection.aborted", peer=visitor.host, reason=reason.name)
        self._forget(visitor)
        self._see_off(visitor.socket, visitor.host, abort_by_provider(reason))

    def _see_off(self, sock: socket.socket, host: str, farewell: bytes) -> None:
        """Say the last word and wait for the peer to close, no longer than ARTIM."""
        try:
            sock.setblocking(False)
            if farewell:
                sock.send(farewell)
            if isinstance(sock, ssl.SSLSocket):
                with suppress(ssl.SSLWantReadError):
                    sock.unwrap()  # says that nothing follows; the answer is not waited for
            socket.socket.shutdown(sock, socket.SHUT_WR)
        except (OSError, ValueError):
            sock.close()
        else:
            self._watch(sock, host, leaving=True)

    def _forget(self, visitor: Visitor) -> None:
        self._selector.unregister(visitor.socket)
        self._visitors.remove(visitor)

    def _dismiss(self, visitor: Visitor) -> None:
        self._forget(visitor)
        visitor.socket.close()

    def _close(self) -> None:
        self._closed = True  # what is retired from now on is closed there
        for visitor in self._visitors:
            self._dismiss(visitor)
        for sock, _ in self._retiring:
            sock.close()
        self._selector.close()
        for sock in (self._socket, self._waker, self._woken):
            sock.close()

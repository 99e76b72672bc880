"""Who may call us, from where, how often at once and what for: the AE book at our door.

An AE title is a claim. What shows that it is true is the address that the connection comes from,
or the certificate of its TLS session, whichever the book binds the peer to.

As long as DIMSE listens on loopback alone, whoever is not in the book may do everything: all of
them are on this machine. Beyond loopback, or where ``require_known_callers`` is set, they are
rejected (1/1/3), and so is a peer that is bound to nothing.
"""

import ipaddress
import socket
import ssl
import threading
from collections import Counter

import structlog

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import Unavailable
from hounsfield.archive.peers import Book, Peer
from hounsfield.conf.hosts import address_of, is_loopback, is_within
from hounsfield.conf.settings import DimseSettings
from hounsfield.dimse.negotiation import ALL_SERVICES, Rejected, Service
from hounsfield.dimse.tls import is_named_by

log = structlog.get_logger()

NOBODY: frozenset[Service] = frozenset()


def knows_callers_only(settings: DimseSettings) -> bool:
    """Whether a caller that is not in the AE book is rejected."""
    return settings.require_known_callers or not is_loopback(settings.host)


class Callers:
    """The peers that have associations with this process."""

    def __init__(self, archive: Archive) -> None:
        settings = archive.settings.dimse
        self._book = Book(archive)
        self._only_known = knows_callers_only(settings)
        self._beyond_loopback = not is_loopback(settings.host)
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    @property
    def is_anybody_bound(self) -> bool:
        """Whether there is a peer that can show who it is, and may do something."""
        return any(peer.is_bound and peer.may_call for peer in self._book.peers().values())

    def read_book(self) -> None:
        """Know the book before the first caller comes. Raises Unavailable."""
        self._book.peers()

    def admit(self, ae_title: str, host: str, sock: socket.socket) -> "Caller":
        """Let one in. Raises Rejected."""
        try:
            peer = self._book.peers().get(ae_title)
        except Unavailable as error:
            raise Rejected(2, 3, 1, error.message) from error
        if peer is None:
            if self._only_known:
                raise Rejected(1, 1, 3, "not in the AE book")
        elif (why_not := self._why_another(peer, host, sock)) is not None:
            raise Rejected(1, 1, 3, why_not)
        with self._lock:
            limit = peer.max_associations if peer is not None else None
            if limit is not None and self._open[ae_title] >= limit:
                raise Rejected(2, 3, 2, f"{ae_title} has {limit} associations, as many as it may")
            self._open[ae_title] += 1
        return Caller(self, ae_title)

    def allowed(self, ae_title: str) -> frozenset[Service]:
        """What a peer may do now."""
        peer = self._book.peers().get(ae_title)
        if peer is None:
            return NOBODY if self._only_known else ALL_SERVICES
        rights: tuple[tuple[Service, bool], ...] = (
            ("store", peer.may_store),
            ("find", peer.may_find),
            ("get", peer.may_get),
            ("move", peer.may_move),
            ("commit", peer.may_commit),
        )
        return frozenset(service for service, may in rights if may)

    def leave(self, ae_title: str) -> None:
        """One of its associations has ended."""
        with self._lock:
            self._open[ae_title] -= 1
            if not self._open[ae_title]:
                del self._open[ae_title]

    def _why_another(self, peer: Peer, host: str, sock: socket.socket) -> str | None:
        """Why a caller is not the peer that it says it is."""
        if not peer.is_bound and self._beyond_loopback:
            return "bound to no address and no certificate"
        if peer.addresses and not _is_from(host, peer.addresses):
            return f"not from the address that {peer.ae_title} is bound to"
        if peer.certificate and not (
            isinstance(sock, ssl.SSLSocket) and is_named_by(peer.certificate, sock)
        ):
            return f"without the certificate that {peer.ae_title} is bound to"
        return None


class Caller:
    """A peer on one association."""

    def __init__(self, callers: Callers, ae_title: str) -> None:
        self._callers = callers
        self._ae_title = ae_title

    @property
    def allowed(self) -> frozenset[Service]:
        """What it may do now: the book may have changed since it called."""
        return self._callers.allowed(self._ae_title)

    def leave(self) -> None:
        """The association has ended."""
        self._callers.leave(self._ae_title)


def _is_from(host: str, addresses: tuple[str, ...]) -> bool:
    address = address_of(host)
    return any(is_within(address, ipaddress.ip_network(each)) for each in addresses)

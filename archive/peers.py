"""The AE book: the DICOM nodes that we know, what they may do, and what we look up of them.

Every association asks it, and some modalities open one for every image: so each process keeps the
book, and reads it again once it is a second old.
"""

import ipaddress
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hounsfield.archive.errors import InvalidPeer, NotFound, Unavailable
from hounsfield.conf.hosts import is_loopback
from hounsfield.db.repositories import peers as statements
from hounsfield.db.repositories.peers import Peer

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

__all__ = ["Book", "Peer", "add", "bound_to_host", "change", "find", "read", "remove"]

log = structlog.get_logger()

FRESH_SECONDS = 1.0
FINGERPRINT = "sha256:"

AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")
HOST = re.compile(r"[0-9A-Za-z_.:-]{1,253}")
DIGEST = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[!-~]{1,253}")
UID = re.compile(r"[0-9.]{1,64}")


def read(archive: "Archive") -> list[Peer]:
    """All peers, by AE title."""
    return archive.database.run(statements.list_peers)


def find(archive: "Archive", ae_title: str) -> Peer:
    """One peer. Raises NotFound."""
    found = archive.database.run(lambda connection: statements.find_peer(connection, ae_title))
    if found is None:
        raise NotFound(f"the AE book has no peer {ae_title}")
    return found


def add(archive: "Archive", peer: Peer) -> Peer:
    """Add a peer; as it is kept. Raises InvalidPeer."""
    peer = _checked(archive, peer)
    if not archive.database.run(lambda connection: statements.add_peer(connection, peer)):
        raise InvalidPeer(f"the AE book has a peer {peer.ae_title}; change or remove that one")
    return peer


def change(archive: "Archive", peer: Peer) -> Peer:
    """Change a peer; as it is kept. Raises InvalidPeer, NotFound."""
    peer = _checked(archive, peer)
    if not archive.database.run(lambda connection: statements.save_peer(connection, peer)):
        raise NotFound(f"the AE book has no peer {peer.ae_title}")
    return peer


def remove(archive: "Archive", ae_title: str) -> None:
    """Remove a peer. Raises NotFound."""
    if not archive.database.run(lambda connection: statements.remove_peer(connection, ae_title)):
        raise NotFound(f"the AE book has no peer {ae_title}")


def bound_to_host(peer: Peer) -> Peer:
    """The peer, calling from the address at which we call it, where that is an address."""
    try:
        return replace(peer, addresses=(str(ipaddress.ip_address(peer.host)),))
    except ValueError:
        return peer


def _checked(archive: "Archive", peer: Peer) -> Peer:
    """The peer in the form in which it is kept. Raises InvalidPeer."""
    peer = replace(
        peer,
        ae_title=_matching(peer.ae_title.strip(), AE_TITLE, "AE title: 1 to 16 ASCII characters"),
        host=peer.host and _matching(peer.host.strip("[] "), HOST, "host: a name or an address"),
        addresses=tuple(map(_network, peer.addresses)),
        certificate=_certificate(peer.certificate.strip()),
        preferred_transfer_syntaxes=tuple(
            _matching(uid.strip(), UID, "transfer syntax: a UID")
            for uid in peer.preferred_transfer_syntaxes
        ),
        description=peer.description.strip(),
    )
    if not 1 <= peer.port <= 65535:
        raise InvalidPeer("port: 1 to 65535")
    if peer.max_associations is not None and peer.max_associations < 1:
        raise InvalidPeer("associations at once: 1 or more, or no limit of its own")
    if peer.may_receive and not peer.host:
        raise InvalidPeer(f"{peer.ae_title} cannot be sent anything: it has no host")
    dimse = archive.settings.dimse
    if peer.may_call and not peer.is_bound and not is_loopback(dimse.host):
        raise InvalidPeer(
            f"{peer.ae_title} has to be bound to an address or a certificate: DIMSE listens on "
            f"{dimse.host}, where anybody may say that his AE title is {peer.ae_title}"
        )
    return peer


def _matching(value: str, pattern: re.Pattern[str], wanted: str) -> str:
    if not pattern.fullmatch(value):
        raise InvalidPeer(f"{wanted} is needed, not {value!r}")
    return value


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value.strip(), strict=False)
    except ValueError:
        raise InvalidPeer(
            f"{value!r} is no address, such as 10.1.2.3, and no network, such as 10.1.0.0/16"
        ) from None
    single = network.num_addresses == 1
    return str(network.network_address if single else network)


def _certificate(value: str) -> str:
    """A fingerprint without the colons that tools print, or a name."""
    if not value:
        return ""
    if value.lower().startswith(FINGERPRINT):
        digest = value[len(FINGERPRINT) :].replace(":", "").lower()
        return FINGERPRINT + _matching(digest, DIGEST, "sha256: and 64 hexadecimal digits")
    return _matching(value, NAME, "sha256:… or a name in the certificate")


class Book:
    """The peers as this process knows them, a second old at the most while they are asked for."""

    def __init__(self, archive: "Archive") -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._peers: Mapping[str, Peer] | None = None
        self._read_at = 0.0

    def peers(self) -> Mapping[str, Peer]:
        """By AE title. A database that is away leaves what was known; Unavailable without any."""
        known = self._peers
        # Whoever comes while another one reads is served with what is known.
        if not self._is_fresh() and self._lock.acquire(blocking=known is None):
            try:
                known = self._peers if self._is_fresh() else self._read()
            finally:
                self._lock.release()
        if known is None:
            raise Unavailable("the AE book cannot be read: the database does not answer")
        return known

    def _is_fresh(self) -> bool:
        return self._peers is not None and time.monotonic() - self._read_at < FRESH_SECONDS

    def _read(self) -> Mapping[str, Peer] | None:
        try:
            peers = read(self._archive)
            self._peers = MappingProxyType({peer.ae_title: peer for peer in peers})
        except SQLAlchemyError as error:
            log.warning("peers.not_read", error=type(error).__name__)
        self._read_at = time.monotonic()
        return self._peers

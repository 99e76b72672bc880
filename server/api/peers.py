"""The AE book: peers, and calls to them that say whether they answer."""

from dataclasses import asdict

from fastapi import APIRouter, status

from hounsfield.archive import peers
from hounsfield.archive.errors import InvalidPeer
from hounsfield.dimse import probe
from hounsfield.dimse.callers import knows_callers_only
from hounsfield.server.api.common import OfArchive, problems
from hounsfield.server.api.peer_models import Peer, PeerProbe, PeerRequest, Peers

router = APIRouter(tags=["peers"], prefix="/peers")


@router.get("", responses=problems(503))
def list_peers(archive: OfArchive) -> Peers:
    """All of them, by AE title."""
    return Peers(
        items=[_view(peer) for peer in peers.read(archive)],
        only_known=knows_callers_only(archive.settings.dimse),
    )


@router.post("", status_code=status.HTTP_201_CREATED, responses=problems(400, 403, 503))
def add_peer(archive: OfArchive, wish: PeerRequest) -> Peer:
    """Add a peer. It counts within seconds, as every change of the book does."""
    return _view(peers.add(archive, _entry(wish)))


@router.put("/{ae_title:path}", responses=problems(400, 403, 404, 503))
def change_peer(archive: OfArchive, ae_title: str, wish: PeerRequest) -> Peer:
    """Change a peer: it is then as the request says."""
    if wish.ae_title.strip() != ae_title:
        raise InvalidPeer("an AE title is not changed: add another peer, and remove this one")
    return _view(peers.change(archive, _entry(wish)))


@router.delete(
    "/{ae_title:path}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(403, 404, 503),
)
def remove_peer(archive: OfArchive, ae_title: str) -> None:
    """Remove a peer."""
    peers.remove(archive, ae_title)


@router.post("/{ae_title:path}/echo", responses=problems(400, 403, 404, 503))
def echo_peer(archive: OfArchive, ae_title: str) -> PeerProbe:
    """Ask whether a peer is there (C-ECHO)."""
    found = probe.echo(archive.settings, peers.find(archive, ae_title))
    return PeerProbe.model_validate(asdict(found))


@router.post("/{ae_title:path}/test", responses=problems(400, 403, 404, 503))
def test_peer(archive: OfArchive, ae_title: str) -> PeerProbe:
    """Ask whether a peer is there, and which services it accepts from us."""
    found = probe.examine(archive.settings, peers.find(archive, ae_title))
    return PeerProbe.model_validate(asdict(found))


def _view(peer: peers.Peer) -> Peer:
    return Peer.model_validate(asdict(peer))


def _entry(wish: PeerRequest) -> peers.Peer:
    given = wish.model_dump()
    for name in ("addresses", "preferred_transfer_syntaxes"):
        given[name] = tuple(given[name] or ())
    entry = peers.Peer(**given)
    return peers.bound_to_host(entry) if wish.addresses is None else entry

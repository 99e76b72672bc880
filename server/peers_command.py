"""``hounsfield peers``: the AE book on the command line."""

import dataclasses
from collections.abc import Callable, Sequence

from hounsfield.archive import peers
from hounsfield.archive.errors import InvalidPeer
from hounsfield.archive.peers import Peer
from hounsfield.conf.hosts import is_loopback
from hounsfield.conf.settings import Settings
from hounsfield.dimse import probe
from hounsfield.dimse.callers import knows_callers_only
from hounsfield.dimse.probe import Probe
from hounsfield.server.administering import open_archive

Say = Callable[[str], None]

RIGHTS = ("store", "find", "get", "move", "commit", "receive")
ALL = "all"


def add(
    settings: Settings, say: Say, peer: Peer, rights: Sequence[str], *, bind: bool, replace: bool
) -> None:
    """Add a peer, or change the one that is there. ``bind``: to the address of its host."""
    with open_archive(settings) as archive:
        may = _rights(rights)
        peer = dataclasses.replace(
            peer,
            may_store="store" in may,
            may_find="find" in may,
            may_get="get" in may,
            may_move="move" in may,
            may_commit="commit" in may,
            may_receive="receive" in may,
        )
        peer = peers.bound_to_host(peer) if bind else peer
        known = {each.ae_title for each in peers.read(archive)}
        is_there = replace and peer.ae_title.strip() in known
        kept = (peers.change if is_there else peers.add)(archive, peer)
        say(_line(kept))
        for remark in _remarks(settings, kept):
            say(remark)


def show(settings: Settings, say: Say) -> None:
    """Every peer, a line each."""
    with open_archive(settings) as archive:
        for peer in peers.read(archive):
            say(_line(peer))
    others = "are rejected" if knows_callers_only(settings.dimse) else "on this machine may call"
    say(f"(callers that are not listed {others})")


def remove(settings: Settings, say: Say, ae_title: str) -> None:
    """Remove a peer."""
    with open_archive(settings) as archive:
        peers.remove(archive, ae_title)
        say(f"{ae_title} is no longer in the AE book")


def echo(settings: Settings, say: Say, ae_title: str) -> bool:
    """Whether a peer answers a C-ECHO."""
    with open_archive(settings) as archive:
        return _tell(say, probe.echo(settings, peers.find(archive, ae_title)))


def examine(settings: Settings, say: Say, ae_title: str) -> bool:
    """Whether a peer answers; and what it accepts from us."""
    with open_archive(settings) as archive:
        return _tell(say, probe.examine(settings, peers.find(archive, ae_title)))


def _tell(say: Say, found: Probe) -> bool:
    took = f" in {found.milliseconds:.0f} ms" if found.milliseconds else ""
    implementation = f" ({found.implementation})" if found.implementation else ""
    say(f"{found.message}{took}{implementation}")
    if found.advice:
        say(found.advice)
    for finding in found.findings:
        answer = f"yes: {finding.detail}" if finding.accepted else "no"
        say(f"  {finding.service:<8}{answer}")
    return found.answered


def _rights(given: Sequence[str]) -> Sequence[str]:
    for right in given:
        if right not in (*RIGHTS, ALL):
            raise InvalidPeer(f"--may is one of {', '.join((*RIGHTS, ALL))}, not {right}")
    if ALL in given:
        return (*given, *RIGHTS[:-1])
    return given


def _line(peer: Peer) -> str:
    may = [right for right in RIGHTS if getattr(peer, f"may_{right}")]
    bound = [*peer.addresses, *([peer.certificate] if peer.certificate else [])]
    parts = [
        f"{peer.host}, port {peer.port}{' with TLS' if peer.tls else ''}" if peer.host else "",
        f"may {', '.join(may)}" if may else "may nothing",
        f"bound to {', '.join(bound)}" if bound else "bound to nothing",
        f"{peer.max_associations} associations at most" if peer.max_associations else "",
        peer.description,
    ]
    return f"{peer.ae_title}: " + "; ".join(part for part in parts if part)


def _remarks(settings: Settings, peer: Peer) -> list[str]:
    remarks = []
    if peer.may_call and not peer.is_bound:
        remarks.append(
            "Nothing shows that a caller with this AE title is this peer: give it --address or "
            "--certificate before DIMSE listens beyond loopback."
        )
    if is_loopback(settings.dimse.host) and not all(map(is_loopback, peer.addresses)):
        remarks.append(
            "DIMSE listens on loopback alone: set HOUNSFIELD_DIMSE__HOST to let this peer call."
        )
    return remarks

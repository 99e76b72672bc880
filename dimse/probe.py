"""What a peer answers when we call it: C-ECHO (PS3.4 A), and which services it accepts.

A failure is a result here, in words for the person who has to do something about it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hounsfield.archive.errors import (
    InvalidPeer,
    PeerAborted,
    PeerFailed,
    PeerRejected,
    PeerUnreachable,
    PeerUntrusted,
)
from hounsfield.archive.file_meta import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hounsfield.archive.peers import Peer
from hounsfield.conf.settings import Settings
from hounsfield.dimse.associate import ProposedContext
from hounsfield.dimse.command import C_ECHO_RQ
from hounsfield.dimse.negotiation import (
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    Service,
)
from hounsfield.dimse.requestor import Destination, Requestor
from hounsfield.dimse.requests import encode_request
from hounsfield.dimse.sop_classes import STORAGE_COMMITMENT, VERIFICATION
from hounsfield.dimse.status import SUCCESS_CODE

ASKED: dict[Service, dict[str, str]] = {
    "store": {
        "1.2.840.10008.5.1.4.1.1.2": "CT",
        "1.2.840.10008.5.1.4.1.1.4": "MR",
        "1.2.840.10008.5.1.4.1.1.1": "CR",
        "1.2.840.10008.5.1.4.1.1.1.1": "DX",
        "1.2.840.10008.5.1.4.1.1.6.1": "US",
        "1.2.840.10008.5.1.4.1.1.128": "PET",
        "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
        "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
        "1.2.840.10008.5.1.4.1.1.88.34": "SR (Comprehensive 3D)",
    },
    "find": {STUDY_ROOT_FIND: "study root", PATIENT_ROOT_FIND: "patient root"},
    "get": {STUDY_ROOT_GET: "study root", PATIENT_ROOT_GET: "patient root"},
    "move": {STUDY_ROOT_MOVE: "study root", PATIENT_ROOT_MOVE: "patient root"},
    "commit": {STORAGE_COMMITMENT: "storage commitment"},
}
"""Services, and the SOP classes that we ask for to know whether a peer has them."""

REJECTED = {
    (1, 3): "Enter our AE title {ours}, with the address of this machine, at the peer.",
    (1, 7): "Ask for the peer's own AE title, and enter that in the AE book.",
    (3, 1): "Try again later.",
    (3, 2): "Try again later.",
}
"""What to do about a rejection, by its source and reason."""

UNCOMPRESSED = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a peer accepts a service, and what of it."""

    service: Service
    accepted: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Probe:
    """How a call went."""

    answered: bool
    message: str
    advice: str = ""
    """What to do about it, where it did not go well."""
    milliseconds: float = 0
    """From the connection to the answer."""
    implementation: str = ""
    findings: tuple[Finding, ...] = ()


def destination_of(peer: Peer) -> Destination:
    """Where a peer is called. Raises InvalidPeer."""
    if not peer.host:
        raise InvalidPeer(f"{peer.ae_title} has no host in the AE book: it calls us alone")
    return Destination(peer.ae_title, peer.host, peer.port, peer.tls, peer.certificate)


def echo(settings: Settings, peer: Peer) -> Probe:
    """Ask whether a peer is there (C-ECHO). Raises InvalidPeer."""
    return _probe(settings, peer, ())


def examine(settings: Settings, peer: Peer) -> Probe:
    """Ask whether a peer is there, and what it accepts from us. Raises InvalidPeer."""
    return _probe(settings, peer, [uid for classes in ASKED.values() for uid in classes])


def _probe(settings: Settings, peer: Peer, classes: Sequence[str]) -> Probe:
    contexts = [
        ProposedContext(2 * n + 1, uid, UNCOMPRESSED)
        for n, uid in enumerate((VERIFICATION, *classes))
    ]
    began = time.monotonic()
    try:
        with Requestor(destination_of(peer), settings, contexts) as requestor:
            probe = _echo(requestor)
            took = (time.monotonic() - began) * 1000
            findings = (_finding(service, requestor) for service in ASKED) if classes else ()
            return replace(probe, milliseconds=round(took, 1), findings=tuple(findings))
    except PeerFailed as error:
        return Probe(False, error.message, _advice(error, peer, settings.dimse.ae_title))


def _echo(requestor: Requestor) -> Probe:
    peer = str(requestor.destination)
    implementation = requestor.accept.implementation_version_name
    context = requestor.context_for(VERIFICATION)
    if context is None:
        return Probe(
            False,
            f"{peer} accepts the association, but no C-ECHO",
            "It may be one that does nothing but the services below.",
            implementation=implementation,
        )
    requestor.send(context, encode_request(C_ECHO_RQ, 1, VERIFICATION))
    status = requestor.receive()[1].status
    if status.code == SUCCESS_CODE:
        return Probe(True, f"{peer} answers", implementation=implementation)
    said = f", {status.comment}" if status.comment else ""
    return Probe(
        False,
        f"{peer} answers a C-ECHO with the status {status.code:04X}H{said}",
        "Its log says why.",
        implementation=implementation,
    )


def _finding(service: Service, requestor: Requestor) -> Finding:
    asked = ASKED[service]
    accepted = [name for uid, name in asked.items() if requestor.context_for(uid) is not None]
    refused = [name for name in asked.values() if name not in accepted]
    detail = ", ".join(accepted)
    if accepted and refused:
        detail += "; not " + ", ".join(refused)
    return Finding(service, bool(accepted), detail)


def _advice(error: PeerFailed, peer: Peer, ours: str) -> str:
    """What to do, and where."""
    if isinstance(error, PeerRejected):
        source_and_reason = error.codes[1:]
        return REJECTED.get(source_and_reason, "The peer's log may say more.").format(ours=ours)
    if isinstance(error, PeerUnreachable):
        return "Check host and port, that the peer runs, and firewalls on the way."
    if isinstance(error, PeerUntrusted):
        return (
            "Check that the peer speaks TLS on this port, that the CA of HOUNSFIELD_DIMSE__TLS "
            "signed its certificate, that a name in that is the host or what the AE book binds the "
            "peer to, and that the peer trusts our certificate."
        )
    if isinstance(error, PeerAborted) and not peer.tls:
        return (
            "The peer may expect TLS on this port, be no DICOM node at all, or not take calls from "
            f"this address; some want our AE title {ours} entered first."
        )
    return "The peer's log may say more."

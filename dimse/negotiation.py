"""What we accept of a proposed association, and why not the rest (PS3.8 7.1.1, PS3.7 D.3).

Of the transfer syntaxes offered for a context the first storable one is taken, in the sender's
order, for the sender knows in which one its pixels are; Implicit VR only where nothing else is
offered, for it loses the VR of every private element.
"""

import re
from dataclasses import dataclass

from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

from hounsfield.archive.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from hounsfield.conf.settings import DimseSettings
from hounsfield.dimse.associate import (
    APPLICATION_CONTEXT,
    AssociateRequest,
    ContextResult,
    ProposedContext,
    encode_accept,
)
from hounsfield.dimse.pdu import PDV_HEADER

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"

STORAGE_CLASSES = frozenset(str(c.abstract_syntax) for c in AllStoragePresentationContexts)

WITHOUT_PIXELS = frozenset(
    (
        "1.2.840.10008.1.2.4.94",  # JPIP Referenced
        "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
        "1.2.840.10008.1.2.4.204",  # JPIP HTJ2K Referenced
        "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
        "1.2.840.10008.1.2.7.1",  # SMPTE ST 2110-20
        "1.2.840.10008.1.2.7.2",  # SMPTE ST 2110-20
        "1.2.840.10008.1.2.7.3",  # SMPTE ST 2110-30
    )
)
"""Their pixels are elsewhere, at an address or in a stream: nothing that could be kept."""

STORABLE_SYNTAXES = frozenset(map(str, ALL_TRANSFER_SYNTAXES)) - WITHOUT_PIXELS

ACCEPTANCE = 0
USER_REJECTION = 1
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4

STORES_ALL_BITS = bytes((2, 0, 3, 0, 0, 0))
"""PS3.4 B.3.1: level 2 (full), digital signatures kept bit for bit, no element coerced."""

AE_TITLE = re.compile(rb"[\x20-\x5b\x5d-\x7e]{16}")


class Rejected(Exception):
    """The association is refused: result, source and reason of the A-ASSOCIATE-RJ."""

    def __init__(self, result: int, source: int, reason: int, message: str) -> None:
        super().__init__(message)
        self.codes = (result, source, reason)


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """A presentation context in use."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """What an association may do, and the A-ASSOCIATE-AC that says so."""

    calling_ae_title: str
    called_ae_title: str
    contexts: dict[int, AcceptedContext]
    peer_maximum: int
    answer: bytes


def negotiate(request: AssociateRequest, settings: DimseSettings) -> Agreement:
    """Decide on a request. Raises Rejected."""
    calling, called = _check(request, settings)
    classes = {context.abstract_syntax for context in request.contexts} & STORAGE_CLASSES
    roles = _roles(request)
    contexts, results = _contexts(request, roles)
    answer = encode_accept(
        request,
        results,
        maximum_length=settings.maximum_length,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        roles=roles,
        extended={uid: STORES_ALL_BITS for uid in request.extended if uid in classes},
    )
    return Agreement(calling, called, contexts, request.maximum_length, answer)


def _check(request: AssociateRequest, settings: DimseSettings) -> tuple[str, str]:
    """Calling and called AE title, once nothing stands against the association as such."""
    if not request.protocol_version & 1:
        raise Rejected(2, 2, 2, "no protocol version that we know")
    if request.application_context != APPLICATION_CONTEXT:
        raise Rejected(1, 1, 2, "not the DICOM application context")
    if 0 < request.maximum_length <= PDV_HEADER.size:
        raise Rejected(1, 1, 1, "the peer receives PDUs too short to hold anything")
    called = _ae_title(request.called_ae_title)
    if called != settings.ae_title.strip():
        raise Rejected(1, 1, 7, "called AE title not recognized")
    calling = _ae_title(request.calling_ae_title)
    if not calling:
        raise Rejected(1, 1, 3, "calling AE title not recognized")
    return calling, called


def _ae_title(value: bytes) -> str:
    """An AE title without its padding; nothing if it is not one (PS3.5 6.2, VR AE)."""
    value = value.replace(b"\0", b" ")
    return value.decode("ascii").strip() if AE_TITLE.fullmatch(value) else ""


def _roles(request: AssociateRequest) -> dict[str, tuple[bool, bool]]:
    """Our answer to role selection: we are SCP alone, so the requestor is at most SCU."""
    return {
        uid: (scu, False)
        for uid, (scu, _) in request.roles.items()
        if uid in STORAGE_CLASSES or uid == VERIFICATION
    }


def _contexts(
    request: AssociateRequest, roles: dict[str, tuple[bool, bool]]
) -> tuple[dict[int, AcceptedContext], list[ContextResult]]:
    accepted: dict[int, AcceptedContext] = {}
    results: dict[int, ContextResult] = {}
    for context in request.contexts:
        if context.context_id in results:
            continue  # a number given twice: the first one has it
        result, syntax = _judge(context, roles)
        results[context.context_id] = ContextResult(context.context_id, result, syntax)
        if result == ACCEPTANCE:
            accepted[context.context_id] = AcceptedContext(
                context.context_id, context.abstract_syntax, syntax
            )
    return accepted, list(results.values())


def _judge(context: ProposedContext, roles: dict[str, tuple[bool, bool]]) -> tuple[int, str]:
    """Result of one context and its transfer syntax (not significant where it is refused)."""
    uid = context.abstract_syntax
    if uid not in STORAGE_CLASSES and uid != VERIFICATION:
        return ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT_VR_LITTLE_ENDIAN
    if not roles.get(uid, (True, False))[0] or not context.context_id % 2:
        return USER_REJECTION, IMPLICIT_VR_LITTLE_ENDIAN
    syntax = choose_transfer_syntax(context.transfer_syntaxes)
    if syntax is None:
        return TRANSFER_SYNTAXES_NOT_SUPPORTED, IMPLICIT_VR_LITTLE_ENDIAN
    return ACCEPTANCE, syntax


def choose_transfer_syntax(offered: tuple[str, ...]) -> str | None:
    """The first storable syntax in the sender's order, Implicit VR only if it is alone."""
    storable = [uid for uid in offered if uid in STORABLE_SYNTAXES]
    explicit = [uid for uid in storable if uid != IMPLICIT_VR_LITTLE_ENDIAN]
    return next(iter(explicit or storable), None)

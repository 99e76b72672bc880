"""What we accept of a proposed association, and why not the rest (PS3.8 7.1.1, PS3.7 D.3).

Of the transfer syntaxes offered for a context the first storable one is taken, in the sender's
order, for the sender knows in which one its pixels are; Implicit VR only where nothing else is
offered, for it loses the VR of every private element. Data sets of queries and retrieves are
read and written in the uncompressed ones.
"""

import re
from dataclasses import dataclass
from typing import Literal

from pynetdicom import ALL_TRANSFER_SYNTAXES

from hounsfield.archive.file_meta import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_LITTLE,
)
from hounsfield.conf.settings import DimseSettings
from hounsfield.dimse.associate import (
    APPLICATION_CONTEXT,
    AssociateRequest,
    ContextResult,
    ProposedContext,
    encode_accept,
)
from hounsfield.dimse.pdu import PDV_HEADER
from hounsfield.dimse.sop_classes import STORAGE_COMMITMENT, VERIFICATION, is_storage

PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_ROOT = frozenset((PATIENT_ROOT_FIND, PATIENT_ROOT_MOVE, PATIENT_ROOT_GET))
FIND_CLASSES = frozenset((PATIENT_ROOT_FIND, STUDY_ROOT_FIND))
MOVE_CLASSES = frozenset((PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE))
GET_CLASSES = frozenset((PATIENT_ROOT_GET, STUDY_ROOT_GET))
QUERY_RETRIEVE_CLASSES = FIND_CLASSES | MOVE_CLASSES | GET_CLASSES
OTHER_CLASSES = QUERY_RETRIEVE_CLASSES | {VERIFICATION, STORAGE_COMMITMENT}
"""Those beside storage."""

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

UNCOMPRESSED_SYNTAXES = frozenset((IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED))
STORABLE_SYNTAXES = frozenset(map(str, ALL_TRANSFER_SYNTAXES)) - WITHOUT_PIXELS

ACCEPTANCE = 0
USER_REJECTION = 1
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4

STORES_ALL_BITS = bytes((2, 0, 3, 0, 0, 0))
"""PS3.4 B.3.1: level 2 (full), digital signatures kept bit for bit, no element coerced."""

RELATIONAL, COMBINED_DATETIME, FUZZY, TIMEZONE, MULTI_FRAME, EMPTY_VALUES, MULTIPLE_VALUES = range(
    7
)
FIND_OPTIONS = frozenset(
    (RELATIONAL, COMBINED_DATETIME, FUZZY, TIMEZONE, EMPTY_VALUES, MULTIPLE_VALUES)
)
"""Bytes of the application information of a FIND class that we support (PS3.4 C.5.1.1)."""
RETRIEVE_OPTIONS = frozenset((RELATIONAL,))
"""The same for MOVE and GET (PS3.4 C.5.2.1, C.5.3.1)."""

Service = Literal["store", "find", "get", "move", "commit"]
ALL_SERVICES: frozenset[Service] = frozenset(("store", "find", "get", "move", "commit"))

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
    peer_is_scu: bool = True
    """The peer may send requests here."""
    peer_is_scp: bool = False
    """We may send requests here (PS3.7 D.3.3.4)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What an association may do, and the A-ASSOCIATE-AC that says so."""

    calling_ae_title: str
    called_ae_title: str
    contexts: dict[int, AcceptedContext]
    peer_maximum: int
    answer: bytes
    extended: dict[str, bytes]
    """SOP class to the application information that both sides go by (PS3.7 D.3.3.5)."""

    def options(self, sop_class_uid: str) -> frozenset[int]:
        """Which bytes of a class's extended negotiation are on."""
        information = self.extended.get(sop_class_uid, b"")
        return frozenset(n for n, value in enumerate(information) if value)


def negotiate(request: AssociateRequest, settings: DimseSettings) -> Agreement:
    """Decide on a request. Raises Rejected."""
    calling, called = _check(request, settings)
    proposed = {context.abstract_syntax for context in request.contexts}
    unknown = settings.unknown_storage_classes
    classes = frozenset(uid for uid in proposed if is_storage(uid, request.common, unknown=unknown))
    roles = _roles(request, classes, gets=not proposed.isdisjoint(GET_CLASSES))
    contexts, results = _contexts(request, classes, roles)
    extended = {
        uid: answered
        for uid, asked in request.extended.items()
        if uid in proposed
        and (answered := _application_information(uid, asked, classes)) is not None
    }
    answer = encode_accept(
        request,
        results,
        maximum_length=settings.maximum_length,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        roles=roles,
        extended=extended,
    )
    return Agreement(calling, called, contexts, request.maximum_length, answer, extended)


def _application_information(uid: str, asked: bytes, classes: frozenset[str]) -> bytes | None:
    """Our answer to what a requestor would like of a class, as long as what it sent."""
    if uid in classes:
        return STORES_ALL_BITS
    if uid not in QUERY_RETRIEVE_CLASSES:
        return None
    ours = FIND_OPTIONS if uid in FIND_CLASSES else RETRIEVE_OPTIONS
    return bytes(int(value == 1 and n in ours) for n, value in enumerate(asked))


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


def _roles(
    request: AssociateRequest, classes: frozenset[str], *, gets: bool
) -> dict[str, tuple[bool, bool]]:
    """Our answer to role selection: the requestor is SCU; of storage also SCP where it gets, and
    of storage commitment where it brings the answer to a request of ours (PS3.4 J.3.3)."""
    return {
        uid: (scu, scp and (uid == STORAGE_COMMITMENT or (gets and uid in classes)))
        for uid, (scu, scp) in request.roles.items()
        if uid in classes or uid in OTHER_CLASSES
    }


def _contexts(
    request: AssociateRequest, classes: frozenset[str], roles: dict[str, tuple[bool, bool]]
) -> tuple[dict[int, AcceptedContext], list[ContextResult]]:
    accepted: dict[int, AcceptedContext] = {}
    results: dict[int, ContextResult] = {}
    for context in request.contexts:
        if context.context_id in results:
            continue  # a number given twice: the first one has it
        result, syntax = _judge(context, classes, roles)
        results[context.context_id] = ContextResult(context.context_id, result, syntax)
        if result == ACCEPTANCE:
            accepted[context.context_id] = AcceptedContext(
                context.context_id,
                context.abstract_syntax,
                syntax,
                *roles.get(context.abstract_syntax, (True, False)),
            )
    return accepted, list(results.values())


def _judge(
    context: ProposedContext, classes: frozenset[str], roles: dict[str, tuple[bool, bool]]
) -> tuple[int, str]:
    """Result of one context and its transfer syntax (not significant where it is refused)."""
    uid = context.abstract_syntax
    if uid in classes or uid == VERIFICATION:
        syntaxes = STORABLE_SYNTAXES
    elif uid == STORAGE_COMMITMENT:
        syntaxes = UNCOMPRESSED_SYNTAXES - {DEFLATED}
    elif uid in OTHER_CLASSES:
        syntaxes = UNCOMPRESSED_SYNTAXES
    else:
        return ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT_LITTLE
    if not any(roles.get(uid, (True, False))) or not context.context_id % 2:
        return USER_REJECTION, IMPLICIT_LITTLE
    syntax = choose_transfer_syntax(context.transfer_syntaxes, syntaxes)
    if syntax is None:
        return TRANSFER_SYNTAXES_NOT_SUPPORTED, IMPLICIT_LITTLE
    return ACCEPTANCE, syntax


def choose_transfer_syntax(
    offered: tuple[str, ...], supported: frozenset[str] = STORABLE_SYNTAXES
) -> str | None:
    """The first of these that we support in the sender's order, Implicit VR only if it is alone."""
    fitting = [uid for uid in offered if uid in supported]
    explicit = [uid for uid in fitting if uid != IMPLICIT_LITTLE]
    return next(iter(explicit or fitting), None)

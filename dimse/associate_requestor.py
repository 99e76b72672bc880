"""A-ASSOCIATE as its requestor writes and reads it: the request, the acceptance, the rejection
(PS3.8 9.3.2 to 9.3.4, PS3.7 D.3). The acceptor's side is :mod:`hounsfield.dimse.associate`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import error

from hounsfield.archive.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from hounsfield.dimse.associate import (
    APPLICATION_CONTEXT,
    FIXED,
    UINT32,
    ContextResult,
    ProposedContext,
    item,
    items_of,
    named,
    sop_class_of,
    text_of,
)
from hounsfield.dimse.pdu import PDU_HEADER, AbortReason, PduType, ProtocolError

REASONS: dict[tuple[int, int], str] = {
    (1, 1): "it gives no reason",
    (1, 2): "it does not know the DICOM application context",
    (1, 3): "it does not know our AE title, {calling}, or not from this address",
    (1, 7): "it is not called {called}",
    (2, 1): "it gives no reason",
    (2, 2): "it does not know our version of the protocol",
    (3, 1): "it is busy for the moment",
    (3, 2): "it has as many associations as it takes",
}
"""Source and reason of an A-ASSOCIATE-RJ in words (PS3.8 Table 9-21)."""


@dataclass(slots=True)
class AssociateAccept:
    """A decoded A-ASSOCIATE-AC."""

    results: list[ContextResult] = field(default_factory=list)
    maximum_length: int = 0
    implementation_version_name: str = ""
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: dict[str, bytes] = field(default_factory=dict)


def encode_request(
    called_ae_title: str,
    calling_ae_title: str,
    contexts: Sequence[ProposedContext],
    *,
    maximum_length: int,
    roles: Mapping[str, tuple[bool, bool]],
    extended: Mapping[str, bytes],
) -> bytes:
    """An A-ASSOCIATE-RQ. ``roles``: SOP class to whether we would be (SCU, SCP)."""
    user = item(0x51, UINT32.pack(maximum_length))
    user += item(0x52, IMPLEMENTATION_CLASS_UID.encode())
    for uid, role in roles.items():
        user += item(0x54, named(uid, bytes(role)))
    user += item(0x55, IMPLEMENTATION_VERSION_NAME.encode())
    for uid, information in extended.items():
        user += item(0x56, named(uid, information))
    body = FIXED.pack(1, _padded(called_ae_title), _padded(calling_ae_title))
    body += item(0x10, APPLICATION_CONTEXT.encode())
    for context in contexts:
        value = bytes((context.context_id, 0, 0, 0)) + item(0x30, context.abstract_syntax.encode())
        value += b"".join(item(0x40, uid.encode()) for uid in context.transfer_syntaxes)
        body += item(0x20, value)
    body += item(0x50, user)
    return PDU_HEADER.pack(PduType.ASSOCIATE_RQ, len(body)) + body


def decode_accept(body: bytes) -> AssociateAccept:
    """Decode what follows the header of an A-ASSOCIATE-AC."""
    accept = AssociateAccept()
    try:
        FIXED.unpack_from(body)
        for kind, value in items_of(body[FIXED.size :]):
            if kind == 0x21:
                accept.results.append(_result(value))
            elif kind == 0x50:
                for sub_kind, sub_value in items_of(value):
                    _take_user_item(accept, sub_kind, sub_value)
    except (error, IndexError) as cause:
        message = "an item of the A-ASSOCIATE-AC is cut short"
        raise ProtocolError(AbortReason.INVALID_PARAMETER, message) from cause
    return accept


def reason_in_words(result: int, source: int, reason: int, called: str, calling: str) -> str:
    """Why an association was rejected, for the person who has to do something about it."""
    words = REASONS.get((source, reason), "it gives a reason that the standard does not have")
    return f"{words.format(called=called, calling=calling)} ({result}/{source}/{reason})"


def _padded(ae_title: str) -> bytes:
    return ae_title.encode("ascii", "replace").ljust(16)


def _result(value: bytes) -> ContextResult:
    syntaxes = [text_of(name) for kind, name in items_of(value[4:]) if kind == 0x40]
    return ContextResult(value[0], value[2], syntaxes[0] if syntaxes else "")


def _take_user_item(accept: AssociateAccept, kind: int, value: bytes) -> None:
    if kind == 0x51:
        (accept.maximum_length,) = UINT32.unpack(value)
    elif kind == 0x54:
        uid, rest = sop_class_of(value)
        accept.roles[uid] = (bool(rest[0]), bool(rest[1]))
    elif kind == 0x55:
        accept.implementation_version_name = text_of(value)
    elif kind == 0x56:
        uid, rest = sop_class_of(value)
        accept.extended[uid] = rest

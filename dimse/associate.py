"""A-ASSOCIATE-RQ, -AC and -RJ: their encoding, no decision (PS3.8 9.3.2 to 9.3.4, PS3.7 D.3).

Written out here, since many modalities open an association for every image, and decoding a
request of 128 contexts with pynetdicom takes 15 ms.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from struct import Struct, error

from hounsfield.dimse.pdu import PDU_HEADER, AbortReason, PduType, ProtocolError
from hounsfield.dimse.sop_classes import CommonExtended

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

FIXED = Struct(">H2x16s16s32x")
ITEM_HEADER = Struct(">BxH")
UINT16 = Struct(">H")
UINT32 = Struct(">I")
ASYNCHRONOUS_OPERATIONS = Struct(">HH")


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """One presentation context of a request."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextResult:
    """The answer to one presentation context (PS3.8 Table 9-18)."""

    context_id: int
    result: int
    transfer_syntax: str


@dataclass(slots=True)
class AssociateRequest:
    """A decoded A-ASSOCIATE-RQ. User identity (PS3.7 D.3.3.7) is read over: nobody checks it."""

    protocol_version: int
    called_ae_title: bytes
    calling_ae_title: bytes
    application_context: str = ""
    contexts: list[ProposedContext] = field(default_factory=list)
    maximum_length: int = 0
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    asynchronous_operations: tuple[int, int] | None = None
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    """SOP class to what the requestor would be: (SCU, SCP) (PS3.7 D.3.3.4)."""
    extended: dict[str, bytes] = field(default_factory=dict)
    """SOP class to its application information (PS3.7 D.3.3.5)."""
    common: dict[str, CommonExtended] = field(default_factory=dict)
    """SOP class to its service class and relatives (PS3.7 D.3.3.6), which has no answer."""


def decode_request(pdu: bytes) -> AssociateRequest:
    """Decode an A-ASSOCIATE-RQ; items that are not known are passed over (PS3.8 9.3.1)."""
    try:
        version, called, calling = FIXED.unpack_from(pdu, PDU_HEADER.size)
        request = AssociateRequest(version, called, calling)
        for kind, value in items_of(pdu[PDU_HEADER.size + FIXED.size :]):
            if kind == 0x10:
                request.application_context = text_of(value)
            elif kind == 0x20:
                request.contexts.append(_proposed_context(value))
            elif kind == 0x50:
                for sub_kind, sub_value in items_of(value):
                    _take_user_item(request, sub_kind, sub_value)
    except (error, IndexError) as cause:
        message = "an item of the A-ASSOCIATE-RQ is cut short"
        raise ProtocolError(AbortReason.INVALID_PARAMETER, message) from cause
    return request


def items_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each item or sub-item. Raises ProtocolError where one is cut short."""
    offset = 0
    while offset < len(data):
        kind, length = ITEM_HEADER.unpack_from(data, offset)
        offset += ITEM_HEADER.size + length
        if offset > len(data):
            message = f"item {kind:02X}H is longer than what holds it"
            raise ProtocolError(AbortReason.INVALID_PARAMETER, message)
        yield kind, data[offset - length : offset]


def _proposed_context(value: bytes) -> ProposedContext:
    abstract_syntax = ""
    transfer_syntaxes = []
    for kind, name in items_of(value[4:]):
        if kind == 0x30:
            abstract_syntax = text_of(name)
        elif kind == 0x40:
            transfer_syntaxes.append(text_of(name))
    return ProposedContext(value[0], abstract_syntax, tuple(transfer_syntaxes))


def _take_user_item(request: AssociateRequest, kind: int, value: bytes) -> None:
    if kind == 0x51:
        (request.maximum_length,) = UINT32.unpack(value)
    elif kind == 0x52:
        request.implementation_class_uid = text_of(value)
    elif kind == 0x53:
        invoked, performed = ASYNCHRONOUS_OPERATIONS.unpack(value)
        request.asynchronous_operations = (invoked, performed)
    elif kind == 0x54:
        uid, rest = sop_class_of(value)
        request.roles[uid] = (bool(rest[0]), bool(rest[1]))
    elif kind == 0x55:
        request.implementation_version_name = text_of(value)
    elif kind == 0x56:
        uid, rest = sop_class_of(value)
        request.extended[uid] = rest
    elif kind == 0x57:
        uid, rest = sop_class_of(value)
        request.common[uid] = _common_extended(rest)


def _common_extended(value: bytes) -> CommonExtended:
    service_class, rest = sop_class_of(value)
    (length,) = UINT16.unpack_from(rest)
    related, general_classes = rest[2 : 2 + length], []
    while related:
        uid, related = sop_class_of(related)
        general_classes.append(uid)
    return CommonExtended(service_class, tuple(general_classes))


def sop_class_of(value: bytes) -> tuple[str, bytes]:
    """The SOP class that a sub-item begins with, and what follows (PS3.7 D.3.3.4, D.3.3.5)."""
    (length,) = UINT16.unpack_from(value)
    return text_of(value[2 : 2 + length]), value[2 + length :]


def text_of(value: bytes) -> str:
    """Characters of a UID or name; padding that some senders add is no part of it."""
    return value.decode("ascii", "replace").strip("\0 ")


def encode_accept(
    request: AssociateRequest,
    results: Iterable[ContextResult],
    *,
    maximum_length: int,
    implementation_class_uid: str,
    implementation_version_name: str,
    roles: Mapping[str, tuple[bool, bool]],
    extended: Mapping[str, bytes],
) -> bytes:
    """An A-ASSOCIATE-AC (PS3.8 9.3.3); the AE titles go back as they came."""
    user = item(0x51, UINT32.pack(maximum_length))
    user += item(0x52, implementation_class_uid.encode())
    if request.asynchronous_operations is not None:
        user += item(0x53, ASYNCHRONOUS_OPERATIONS.pack(1, 1))
    for uid, role in roles.items():
        user += item(0x54, named(uid, bytes(role)))
    user += item(0x55, implementation_version_name.encode())
    for uid, information in extended.items():
        user += item(0x56, named(uid, information))
    body = FIXED.pack(1, request.called_ae_title, request.calling_ae_title)
    body += item(0x10, APPLICATION_CONTEXT.encode())
    for result in results:
        syntax = item(0x40, result.transfer_syntax.encode())
        body += item(0x21, bytes((result.context_id, 0, result.result, 0)) + syntax)
    body += item(0x50, user)
    return PDU_HEADER.pack(PduType.ASSOCIATE_AC, len(body)) + body


def encode_reject(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return PDU_HEADER.pack(PduType.ASSOCIATE_RJ, 4) + bytes((0, result, source, reason))


def item(kind: int, value: bytes) -> bytes:
    """An item or sub-item."""
    return ITEM_HEADER.pack(kind, len(value)) + value


def named(uid: str, value: bytes) -> bytes:
    """A value that begins with a SOP class."""
    return UINT16.pack(len(uid)) + uid.encode() + value

"""Protocol Data Units of an open association: reading, P-DATA, release and abort (PS3.8 9.3).

A-ASSOCIATE has a module of its own, :mod:`hounsfield.dimse.associate`. Numbers here are
big-endian whatever the transfer syntax.
"""

import socket
from collections.abc import Iterator
from enum import IntEnum
from struct import Struct

PDU_HEADER = Struct(">BxI")
PDV_HEADER = Struct(">IBB")
"""Length, context and message control header of a presentation data value (PS3.8 9.3.5.1)."""

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class PduType(IntEnum):
    """First byte of a PDU (PS3.8 9.3.1)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortReason(IntEnum):
    """Why the service provider aborts (PS3.8 Table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class ProtocolError(Exception):
    """The peer broke the rules of PS3.8 or PS3.7; the association ends with an A-ABORT."""

    def __init__(self, reason: AbortReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class AssociationEnded(Exception):
    """The peer ended the association, in whatever it or we were in the middle of."""


class AbortReceived(AssociationEnded):
    """By an A-ABORT."""


class ReleaseReceived(AssociationEnded):
    """By an A-RELEASE-RQ."""


RELEASE_RQ = PDU_HEADER.pack(PduType.RELEASE_RQ, 4) + bytes(4)
RELEASE_RP = PDU_HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)
ABORT_BY_USER = PDU_HEADER.pack(PduType.ABORT, 4) + bytes(4)


def abort_by_provider(reason: AbortReason) -> bytes:
    """An A-P-ABORT with its reason."""
    return PDU_HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, 2, reason))


def command_pdus(context_id: int, command: bytes, peer_maximum: int) -> bytes:
    """A command set as P-DATA-TF PDUs, none longer than the peer receives (0: no limit)."""
    return _pdus(context_id, command, peer_maximum, 0x01)


def data_set_pdus(context_id: int, data_set: bytes, peer_maximum: int) -> bytes:
    """A data set that is short enough to be held in memory, in the same way."""
    return _pdus(context_id, data_set, peer_maximum, 0x00)


def _pdus(context_id: int, part: bytes, peer_maximum: int, control: int) -> bytes:
    room = peer_maximum - PDV_HEADER.size if peer_maximum else max(len(part), 1)
    pdus = bytearray()
    for offset in range(0, len(part), room):
        fragment = part[offset : offset + room]
        is_last = offset + room >= len(part)
        pdus += PDU_HEADER.pack(PduType.DATA, len(fragment) + PDV_HEADER.size)
        pdus += PDV_HEADER.pack(len(fragment) + 2, context_id, control | 0x02 * is_last)
        pdus += fragment
    return bytes(pdus)


def data_values(pdu: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Context, message control header and fragment of each value in the body of a P-DATA-TF."""
    offset, size = 0, len(pdu)
    while offset < size:
        if size - offset < PDV_HEADER.size:
            raise ProtocolError(AbortReason.INVALID_PARAMETER, "a PDV without its header")
        length, context_id, control = PDV_HEADER.unpack_from(pdu, offset)
        end = offset + 4 + length
        if length < 2 or end > size:
            message = f"a PDV of {length} bytes in a PDU of {size}"
            raise ProtocolError(AbortReason.INVALID_PARAMETER, message)
        yield context_id, control, pdu[offset + PDV_HEADER.size : end]
        offset = end


class PduReader:
    """Reads PDUs from a socket into one buffer that is used again for each of them.

    The peer's length is checked before anything is read on its word, so that the buffer, once
    allocated, is all the memory that a connection can take here.
    """

    def __init__(self, sock: socket.socket, maximum: int) -> None:
        self._socket = sock
        self._maximum = maximum
        self._buffer = bytearray(maximum + PDU_HEADER.size)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0

    @property
    def has_bytes(self) -> bool:
        """Whether something has been received that no PDU was made of yet."""
        return self._end > self._start

    def read(self) -> tuple[int, memoryview]:
        """The next PDU's type and body; the body is valid until the next call.

        Raises EOFError when the peer has closed, TimeoutError after the socket's timeout.
        """
        if self._end - self._start < PDU_HEADER.size:
            self._receive(PDU_HEADER.size, len(self._buffer))
        kind, length = PDU_HEADER.unpack_from(self._buffer, self._start)
        if not PduType.ASSOCIATE_RQ <= kind <= PduType.ABORT:
            raise ProtocolError(AbortReason.UNRECOGNIZED_PDU, f"PDU of unknown type {kind}")
        if length > self._maximum:
            message = f"PDU of {length} bytes, {self._maximum} were negotiated"
            raise ProtocolError(AbortReason.INVALID_PARAMETER, message)
        size = PDU_HEADER.size + length
        if self._end - self._start < size:
            # No more than this PDU: what follows would have to be moved to the front.
            self._receive(size, size)
        body = self._view[self._start + PDU_HEADER.size : self._start + size]
        self._start += size
        return kind, body

    def _receive(self, least: int, most: int) -> None:
        """Have at least ``least`` bytes in the buffer, and at most ``most``, from its front."""
        kept = self._end - self._start
        if self._start:
            self._buffer[:kept] = self._buffer[self._start : self._end]
        self._start, self._end = 0, kept
        while self._end < least:
            if QUICKACK is not None:
                # A peer with Nagle's algorithm holds its last bytes back until ours arrive.
                self._socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
            received = self._socket.recv_into(self._view[self._end : most])
            if not received:
                raise EOFError("the peer closed the connection")
            self._end += received

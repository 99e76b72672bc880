"""Messages as P-DATA-TF PDUs (PS3.7 6.3, PS3.8 9.3.5 and E)."""

import socket
from collections.abc import Iterable, Iterator

from hounsfield.dimse.pdu import PDU_HEADER, PDV_HEADER, PduType, command_pdus

IS_LAST = 0x02
MOST_AT_ONCE = 256 * 1024
"""As much as is handed to the operating system at once, and as long as we make a PDU."""

Bytes = bytes | bytearray | memoryview


def send_message(
    sock: socket.socket,
    context_id: int,
    command: bytes,
    data_set: Iterable[Bytes] = (),
    peer_maximum: int = 0,
) -> None:
    """Send a command set and the data set, if there is one, in pieces of any length.

    No PDU is longer than ``peer_maximum`` (0: the peer has no limit), and no more of the data set
    is held at a time than a piece and what is about to be sent.
    """
    waiting = bytearray(command_pdus(context_id, command, peer_maximum))
    for fragment, last in _fragments(data_set, _room(peer_maximum)):
        waiting += PDU_HEADER.pack(PduType.DATA, len(fragment) + PDV_HEADER.size)
        waiting += PDV_HEADER.pack(len(fragment) + 2, context_id, IS_LAST if last else 0)
        waiting += fragment
        if len(waiting) >= MOST_AT_ONCE:
            sock.sendall(waiting)
            waiting.clear()
    if waiting:
        sock.sendall(waiting)


def _room(peer_maximum: int) -> int:
    """Bytes of a data set that go into one PDU: an even number, as some receivers want it."""
    longest = min(peer_maximum or MOST_AT_ONCE, MOST_AT_ONCE)
    return max((longest - PDV_HEADER.size) & ~1, 1)


def _fragments(pieces: Iterable[Bytes], room: int) -> Iterator[tuple[bytearray, bool]]:
    """The data set in full fragments, and whether each is its last; none where there is none."""
    rest, begun = bytearray(), False
    for piece in pieces:
        begun = True
        rest += piece
        full = max(len(rest) - 1, 0) // room * room  # something is left for the last one
        for offset in range(0, full, room):
            yield rest[offset : offset + room], False
        del rest[:full]
    if begun:
        yield rest, True

"""A DICOM peer made of bytes, so that a test can say exactly what goes over the wire."""

import socket
import struct
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"

ASSOCIATE_AC, ASSOCIATE_RJ, DATA, RELEASE_RP, ABORT = 2, 3, 4, 6, 7
RELEASE_RQ_PDU = bytes.fromhex("0500 00000004 00000000")
ABORT_PDU = bytes.fromhex("0700 00000004 00000000")

Context = tuple[int, str, Sequence[str]]
ECHO_CONTEXT: Context = (1, VERIFICATION, (IMPLICIT,))
CT_CONTEXT: Context = (3, CT, (EXPLICIT,))


def item(kind: int, value: bytes) -> bytes:
    """An item of an A-ASSOCIATE PDU."""
    return struct.pack(">BxH", kind, len(value)) + value


def pdu(kind: int, body: bytes) -> bytes:
    """Any PDU."""
    return struct.pack(">BxI", kind, len(body)) + body


def associate_rq(
    contexts: Iterable[Context] = (ECHO_CONTEXT, CT_CONTEXT),
    *,
    called: bytes = b"HOUNSFIELD",
    calling: bytes = b"TESTER",
    application_context: str = "1.2.840.10008.3.1.1.1",
    version: int = 1,
    maximum_length: int = 16384,
    user_items: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ."""
    body = struct.pack(">H2x16s16s32x", version, called.ljust(16), calling.ljust(16))
    body += item(0x10, application_context.encode())
    for context_id, abstract_syntax, transfer_syntaxes in contexts:
        value = bytes((context_id, 0, 0, 0)) + item(0x30, abstract_syntax.encode())
        value += b"".join(item(0x40, uid.encode()) for uid in transfer_syntaxes)
        body += item(0x20, value)
    user = item(0x51, struct.pack(">I", maximum_length)) + item(0x52, b"1.2.3.4") + user_items
    return pdu(1, body + item(0x50, user))


def pdv(context_id: int, control: int, data: bytes) -> bytes:
    """A presentation data value."""
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def command_set(**elements: bytes) -> bytes:
    """A command set; elements are named by their number, as in ``e0100``."""
    body = b""
    for name, value in sorted(elements.items()):
        body += struct.pack("<HHI", 0, int(name[1:], 16), len(value)) + value
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def us(number: int) -> bytes:
    """A value of VR US."""
    return struct.pack("<H", number)


def ui(uid: str) -> bytes:
    """A value of VR UI."""
    return uid.encode() + b"\0" * (len(uid) % 2)


def store_rq(
    sop_instance_uid: str, sop_class_uid: str = CT, *, data_set_type: int = 0, message_id: int = 7
) -> bytes:
    """The command set of a C-STORE-RQ."""
    return command_set(
        e0002=ui(sop_class_uid),
        e0100=us(1),
        e0110=us(message_id),
        e0700=us(0),
        e0800=us(data_set_type),
        e1000=ui(sop_instance_uid),
    )


def echo_rq() -> bytes:
    """The command set of a C-ECHO-RQ."""
    return command_set(e0002=ui(VERIFICATION), e0100=us(0x30), e0110=us(9), e0800=us(0x0101))


def elements(command: bytes) -> dict[int, bytes]:
    """Element number to value of a command set."""
    found, offset = {}, 0
    while offset < len(command):
        _, element, length = struct.unpack_from("<HHI", command, offset)
        found[element] = command[offset + 8 : offset + 8 + length]
        offset += 8 + length
    return found


class Peer:
    """One connection."""

    def __init__(self, port: int, host: str = "127.0.0.1", source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), 10, (source, 0))

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def read(self) -> tuple[int, bytes]:
        """The next PDU: its type and body; type 0 at the end of the connection."""
        header = self._exactly(6)
        if len(header) < 6:
            return 0, header
        kind, length = struct.unpack(">BxI", header)
        return kind, self._exactly(length)

    def associate(self, request: bytes | None = None) -> bytes:
        """Associate, and expect it to be accepted; returns the body of the A-ASSOCIATE-AC."""
        self.send(request or associate_rq())
        kind, body = self.read()
        assert kind == ASSOCIATE_AC, (kind, body)
        return body

    def command(self, context_id: int, command: bytes) -> None:
        """Send a command set in one fragment."""
        self.send(pdu(DATA, pdv(context_id, 3, command)))

    def data(self, context_id: int, data: bytes, *, last: bool = True) -> None:
        """Send a part of a data set, a fragment a PDU."""
        step = 128 * 1024
        for offset in range(0, max(1, len(data)), step):
            is_last = last and offset + step >= len(data)
            fragment = data[offset : offset + step]
            self.send(pdu(DATA, pdv(context_id, 2 if is_last else 0, fragment)))

    def response(self) -> dict[int, bytes]:
        """The elements of the next response, from however many PDUs."""
        command = b""
        while True:
            kind, body = self.read()
            assert kind == DATA, (kind, body)
            command += body[6:]
            if body[5] & 2:
                return elements(command)

    def status(self) -> int:
        """The status of the next response."""
        return int.from_bytes(self.response()[0x0900], "little")

    def echo(self) -> int:
        """The status of a C-ECHO on context 1."""
        self.command(1, echo_rq())
        return self.status()

    def release(self) -> None:
        """Release, and expect the answer and then the end."""
        self.send(RELEASE_RQ_PDU)
        assert self.read()[0] == RELEASE_RP
        assert self.read()[0] == 0

    def close(self) -> None:
        """Close without a word."""
        self.socket.close()

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self.socket.recv(size - len(data))
            if not chunk:
                break
            data += chunk
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

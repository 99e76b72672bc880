"""An association that costs its client little: what it sends is made before anything is measured,
and data sets that come in are thrown away.

PDUs are encoded and decoded by the codecs of our own DIMSE room, whichever server is asked.
"""

import socket
from collections.abc import Iterable, Iterator, Mapping

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian

from bench.servers import Server
from hounsfield.dimse.associate import ProposedContext
from hounsfield.dimse.associate_requestor import decode_accept, encode_request
from hounsfield.dimse.command import COMMAND_DATA_SET_TYPE, NO_DATA_SET, elements_of, number_of
from hounsfield.dimse.pdu import RELEASE_RQ, PduReader, PduType, data_values

Elements = dict[int, bytes]
"""A command set: its elements by number."""
Message = tuple[int, Elements]
"""The context that a message came in, and its command set."""

CALLING_AE_TITLE = "BENCH"
LONGEST_PDU = 256 * 1024
SILENCE_SECONDS = 120.0
IS_COMMAND, IS_LAST = 0x01, 0x02


def association_request(
    server: Server, sop_classes: Iterable[str], *, receives: Iterable[str] = ()
) -> bytes:
    """An A-ASSOCIATE-RQ: contexts 1, 3, 5 and so on, all in Explicit VR Little Endian.

    ``receives``: classes that we would be SCP of, for a C-GET.
    """
    contexts = [
        ProposedContext(2 * n + 1, uid, (ExplicitVRLittleEndian,))
        for n, uid in enumerate(sop_classes)
    ]
    roles: Mapping[str, tuple[bool, bool]] = dict.fromkeys(receives, (False, True))
    return encode_request(
        server.ae_title,
        CALLING_AE_TITLE,
        contexts,
        maximum_length=LONGEST_PDU,
        roles=roles,
        extended={},
    )


class Association:
    """An association that is open. Left open, it ends with the connection."""

    def __init__(self, server: Server, request: bytes) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.dimse_port), SILENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = PduReader(self._socket, LONGEST_PDU)
        self._socket.sendall(request)
        kind, body = reader.read()
        if kind != PduType.ASSOCIATE_AC:
            raise RuntimeError(f"{server.name} does not accept the association")
        accept = decode_accept(bytes(body))
        if any(answer.result for answer in accept.results):
            raise RuntimeError(f"{server.name} does not accept every context")
        self.peer_maximum = accept.maximum_length
        self._messages = messages(reader)

    def send(self, message: bytes) -> None:
        """Send PDUs that were made before."""
        self._socket.sendall(message)

    def receive(self) -> Message:
        """The next message, once it is whole."""
        for message in self._messages:
            return message
        raise RuntimeError("the server released the association")

    def release(self) -> None:
        """End in order."""
        self._socket.sendall(RELEASE_RQ)
        for _ in self._messages:
            raise RuntimeError("a message after the last answer")
        self._socket.close()


def messages(reader: PduReader) -> Iterator[Message]:
    """Messages as they come, until the association is released. Raises where it is aborted."""
    command, elements = bytearray(), Elements()
    for context_id, control, fragment in _values(reader):
        if control & IS_COMMAND:
            command += fragment
            if not control & IS_LAST:
                continue
            elements = elements_of(command)
            command.clear()
            if number_of(elements[COMMAND_DATA_SET_TYPE]) == NO_DATA_SET:
                yield context_id, elements
        elif control & IS_LAST:
            yield context_id, elements


def _values(reader: PduReader) -> Iterator[tuple[int, int, memoryview]]:
    while True:
        kind, body = reader.read()
        if kind == PduType.DATA:
            yield from data_values(body)
        elif kind in (PduType.RELEASE_RQ, PduType.RELEASE_RP):
            return
        else:
            raise RuntimeError(f"{PduType(kind).name} instead of an answer")


def identifier(**keys: object) -> bytes:
    """The data set of a query, in Explicit VR Little Endian."""
    dataset = Dataset()
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    return buffer.getvalue()

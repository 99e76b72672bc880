"""A storescu that costs little CPU: what a server can take, where dcmtk's is the slower of the two.

Every byte that goes out is made before the clock starts; an association sends one C-STORE-RQ,
reads the answer, looks at its status, and sends the next.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydicom.uid import CTImageStorage

from bench.association import Association, association_request
from bench.client import spread
from bench.servers import Server
from bench.slices import Slice, make_series
from hounsfield.dimse.command import C_STORE_RQ, MESSAGE_ID_RESPONDED_TO, STATUS, number_of
from hounsfield.dimse.pdu import command_pdus, data_set_pdus
from hounsfield.dimse.requests import MEDIUM, encode_request

SENT = 400
CONTEXT = 1
PREAMBLE = 132
GROUP_LENGTH = 12
"""Bytes of (0002,0000), which counts what follows it of the File Meta (PS3.10 7.1)."""


def light_c_store(associations: int) -> Callable[[Server, Path], float]:
    """Instances a second, 526 KB each."""

    def measure(server: Server, folder: Path) -> float:
        prepared = Prepared(server, associations)
        return prepared.count / prepared.send()

    return measure


class Prepared:
    """What each association sends, ready to be sent once."""

    def __init__(self, server: Server, associations: int) -> None:
        self._server = server
        self._request = association_request(server, [CTImageStorage])
        probe = Association(server, self._request)
        probe.release()
        self._batches = [
            [
                _message(number, made, probe.peer_maximum)
                for number, made in enumerate(make_series(SENT // associations), 1)
            ]
            for _ in range(associations)
        ]
        self.count = sum(map(len, self._batches))

    def send(self) -> float:
        """Open the associations, send, release them; wall seconds."""
        used = time.process_time()
        elapsed = spread(lambda n: self._send(self._batches[n]), len(self._batches))
        used = time.process_time() - used
        print(f"  the client took {used / elapsed:.0%} of a core", file=sys.stderr, flush=True)
        return elapsed

    def _send(self, batch: Sequence[bytes]) -> None:
        association = Association(self._server, self._request)
        for number, message in enumerate(batch, 1):
            association.send(message)
            _, answer = association.receive()
            status = number_of(answer[STATUS])
            if status or number_of(answer[MESSAGE_ID_RESPONDED_TO]) != number:
                raise RuntimeError(f"{self._server.name}: C-STORE status {status:04X}H")
        association.release()


def _message(number: int, made: Slice, peer_maximum: int) -> bytes:
    command = encode_request(
        C_STORE_RQ,
        number,
        CTImageStorage,
        sop_instance_uid=made.instance,
        has_data_set=True,
        priority=MEDIUM,
    )
    data_set = data_set_pdus(CONTEXT, _data_set(made.data), peer_maximum)
    return command_pdus(CONTEXT, command, peer_maximum) + data_set


def _data_set(file: bytes) -> bytes:
    """What follows the File Meta."""
    start = PREAMBLE + GROUP_LENGTH
    return file[start + int.from_bytes(file[start - 4 : start], "little") :]

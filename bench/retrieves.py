"""C-MOVE and C-GET of a study of 500 instances, to a receiver that throws them away."""

import time
from collections.abc import Iterator
from pathlib import Path

from pydicom.uid import CTImageStorage

from bench.association import Association, Elements, association_request, identifier
from bench.client import Client
from bench.receiver import Receiver, stored
from bench.servers import RECEIVER_AE_TITLE, Server
from bench.slices import make_series, new_uid
from hounsfield.dimse.command import C_GET_RQ, C_MOVE_RQ, C_STORE_RQ, COMMAND_FIELD, number_of
from hounsfield.dimse.command import STATUS as STATUS_ELEMENT
from hounsfield.dimse.negotiation import STUDY_ROOT_GET, STUDY_ROOT_MOVE
from hounsfield.dimse.pdu import command_pdus, data_set_pdus
from hounsfield.dimse.requests import MEDIUM, encode_request
from hounsfield.dimse.response import PENDING

INSTANCES = 500
INSTANCES_A_REQUEST = 50
CONTEXT = 1


def c_move(server: Server, folder: Path) -> float:
    """Instances a second, 526 KB each, over as many associations as the server likes to open."""
    message = _request(server, C_MOVE_RQ, STUDY_ROOT_MOVE, RECEIVER_AE_TITLE)
    association = Association(server, association_request(server, [STUDY_ROOT_MOVE]))
    with Receiver(server.receiver_port) as receiver:
        started = time.perf_counter()
        association.send(message)
        for _ in _until_the_last(server, association):
            pass
        elapsed = time.perf_counter() - started
    association.release()
    _require_all(server, receiver.received)
    return INSTANCES / elapsed


def c_get(server: Server, folder: Path) -> float:
    """Instances a second, 526 KB each, over the association that asks for them."""
    message = _request(server, C_GET_RQ, STUDY_ROOT_GET)
    classes = [STUDY_ROOT_GET, CTImageStorage]
    request = association_request(server, classes, receives=[CTImageStorage])
    association = Association(server, request)
    received, started = 0, time.perf_counter()
    association.send(message)
    for context_id, elements in _until_the_last(server, association):
        if number_of(elements[COMMAND_FIELD]) == C_STORE_RQ:
            received += 1
            association.send(stored(context_id, elements))
    elapsed = time.perf_counter() - started
    association.release()
    _require_all(server, received)
    return INSTANCES / elapsed


def _until_the_last(server: Server, association: Association) -> Iterator[tuple[int, Elements]]:
    """Messages up to the last response. Raises where that does not say that all went well."""
    while True:
        context_id, elements = association.receive()
        status = elements.get(STATUS_ELEMENT)
        if status is not None and number_of(status) not in PENDING:
            if number_of(status):
                raise RuntimeError(f"{server.name}: status {number_of(status):04X}H of a retrieve")
            return
        yield context_id, elements


def _require_all(server: Server, received: int) -> None:
    if received != INSTANCES:
        raise RuntimeError(f"{server.name} sent {received} of {INSTANCES} instances")


def _request(server: Server, command_field: int, model: str, destination: str = "") -> bytes:
    server.retrieved_study = server.retrieved_study or _store_study(server)
    keys = identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID=server.retrieved_study)
    command = encode_request(
        command_field,
        1,
        model,
        has_data_set=True,
        priority=MEDIUM,
        move_destination=destination,
    )
    return command_pdus(CONTEXT, command, 0) + data_set_pdus(CONTEXT, keys, 0)


def _store_study(server: Server) -> str:
    study = new_uid()
    client = Client(server.http_port, server.root)
    for _ in range(0, INSTANCES, INSTANCES_A_REQUEST):
        made = make_series(INSTANCES_A_REQUEST, study=study)
        client.store([one.data for one in made])
    return study

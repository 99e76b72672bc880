"""C-FIND of Study Root by a requestor that costs little: the median time of one whole answer on
one kept association.

The keys asked for are those that every archive keeps in a column; what has to be counted (number
of instances, modalities of a study) is not among them.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.association import Association, association_request, identifier
from bench.client import Client
from bench.names import FIRST_YEAR, LAST_NAMES, YEARS, patient_id_of
from bench.searches import SEARCHES, SLICES_A_SERIES, places, spread_over_studies
from bench.servers import Server
from hounsfield.dimse.command import C_FIND_RQ, STATUS, number_of
from hounsfield.dimse.negotiation import STUDY_ROOT_FIND
from hounsfield.dimse.pdu import command_pdus, data_set_pdus
from hounsfield.dimse.requests import MEDIUM, encode_request
from hounsfield.dimse.response import PENDING

CONTEXT = 1
STUDY_KEYS = dict.fromkeys(
    (
        "StudyInstanceUID",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyDescription",
    ),
    "",
)

Identifiers = Callable[[Server], list[bytes]]


def find_ms(identifiers_of: Identifiers, matches: int = 0) -> Callable[[Server, Path], float]:
    """Median milliseconds from a C-FIND-RQ to its last response.

    ``matches``: so many there have to be in all; 0: some. The first request warms up.
    """

    def measure(server: Server, folder: Path) -> float:
        made = [_message(keys) for keys in identifiers_of(server)]
        association = Association(server, association_request(server, [STUDY_ROOT_FIND]))
        _ask(server, association, made[-1])
        times, found = [], 0
        for message in made:
            started = time.perf_counter()
            found += _ask(server, association, message)
            times.append((time.perf_counter() - started) * 1000)
        association.release()
        print(f"  {found} matches in {len(made)} answers", file=sys.stderr, flush=True)
        if not found or (matches and found != matches):
            raise RuntimeError(f"{server.name}: {found} matches instead of {matches or 'some'}")
        return statistics.median(times)

    return measure


def by_patient_id(server: Server) -> list[bytes]:
    """One patient each, who has one study."""
    numbers = spread_over_studies(server, SEARCHES)
    return [_studies(PatientID=patient_id_of(number)) for number in numbers]


def by_prefix(server: Server) -> list[bytes]:
    """The beginning of a name, which one study of 19 has."""
    stems = [LAST_NAMES[n * 15 % len(LAST_NAMES)] for n in range(SEARCHES)]
    return [_studies(PatientName=f"{stem}*") for stem in stems]


def by_date(server: Server) -> list[bytes]:
    """Half a year out of ten."""
    years = [FIRST_YEAR + n * 7 % YEARS for n in range(SEARCHES // 2)]
    halves = [f"{year}{half}" for year in years for half in ("0101-{}0630", "0701-{}1231")]
    return [_studies(StudyDate=half.format(half[:4])) for half in halves]


def images_of_series(server: Server) -> list[bytes]:
    """A hundred instances each."""
    return [
        identifier(
            QueryRetrieveLevel="IMAGE",
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            SOPInstanceUID="",
            InstanceNumber="",
        )
        for study, series in places(server, Client(server.http_port, server.root))
    ] * 3


PATIENTS_FOUND = SEARCHES
IMAGES_FOUND = SEARCHES * SLICES_A_SERIES


def _studies(**keys: str) -> bytes:
    return identifier(QueryRetrieveLevel="STUDY", **(STUDY_KEYS | keys))


def _message(keys: bytes) -> bytes:
    command = encode_request(C_FIND_RQ, 1, STUDY_ROOT_FIND, has_data_set=True, priority=MEDIUM)
    return command_pdus(CONTEXT, command, 0) + data_set_pdus(CONTEXT, keys, 0)


def _ask(server: Server, association: Association, message: bytes) -> int:
    """How many matches there were."""
    association.send(message)
    found = 0
    while (status := number_of(association.receive()[1][STATUS])) in PENDING:
        found += 1
    if status:
        raise RuntimeError(f"{server.name}: C-FIND status {status:04X}H")
    return found

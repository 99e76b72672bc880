"""What is searched for, and the median time of one answer on one kept connection.

Each function names some 60 resources of a server; none is asked for twice in a row.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from bench.client import JSON, Client
from bench.names import FIRST_YEAR, LAST_NAMES, YEARS, patient_id_of
from bench.servers import Server
from bench.slices import SMALL, make_series, new_uid

SLICES_A_SERIES = 100
LARGE_STUDIES = 10
LARGE_STUDY_SERIES = 2
FIRST_LARGE = 8_000_000
"""The patient of the first study of 200; the others have one series, and are counted from 0."""
SEARCHES = 60
PLACES = 20

Paths = Callable[[Server, Client], list[str]]


def median_ms(paths_of: Paths) -> Callable[[Server, Path], float]:
    """Median milliseconds of an answer. The first request warms up and is not counted."""

    def measure(server: Server, folder: Path) -> float:
        client = Client(server.http_port, server.root)
        requests = [client.request(path, JSON) for path in paths_of(server, client)]
        client.ask(requests[-1])
        times = []
        for request in requests:
            started = time.perf_counter()
            client.ask(request)
            times.append((time.perf_counter() - started) * 1000)
        return statistics.median(times)

    return measure


def populate(server: Server, studies: int) -> None:
    """Studies of 100 small instances by STOW-RS, and some of 200."""
    client = Client(server.http_port, server.root)
    for number in range(studies):
        made = make_series(SLICES_A_SERIES, SMALL, patient_number=number)
        client.store([one.data for one in made])
    add_large_studies(server)
    server.studies = studies


def add_large_studies(server: Server) -> None:
    """The studies whose metadata are read as a whole, by STOW-RS."""
    client = Client(server.http_port, server.root)
    for number in range(FIRST_LARGE, FIRST_LARGE + LARGE_STUDIES):
        study = new_uid()
        for _ in range(LARGE_STUDY_SERIES):
            made = make_series(SLICES_A_SERIES, SMALL, study=study, patient_number=number)
            client.store([one.data for one in made])


def by_patient_id(server: Server, client: Client) -> list[str]:
    """One patient each, which has one study."""
    return [f"/studies?PatientID={patient_id_of(n)}" for n in spread_over_studies(server, SEARCHES)]


def by_date(server: Server, client: Client) -> list[str]:
    """Half a year out of ten: a page is full from 1,000 studies on."""
    years = [FIRST_YEAR + n * 7 % YEARS for n in range(SEARCHES // 2)]
    halves = [f"{year}{half}" for year in years for half in ("0101-{}0630", "0701-{}1231")]
    return [f"/studies?StudyDate={half.format(half[:4])}&limit=50" for half in halves]


def by_prefix(server: Server, client: Client) -> list[str]:
    """The beginning of a name, which one study of 19 has."""
    stems = [LAST_NAMES[n * 15 % len(LAST_NAMES)] for n in range(SEARCHES)]
    return [f"/studies?PatientName={stem}*&limit=50" for stem in stems]


def by_infix(server: Server, client: Client) -> list[str]:
    """Letters from the middle of a name, which one study of 15 has."""
    endings = ("stein", "mann", "feld", "inho", "escu", "bach")
    return [f"/studies?PatientName=*{endings[n % 6]}*&limit=50" for n in range(SEARCHES)]


def by_short_infix(server: Server, client: Client) -> list[str]:
    """Two letters, of which no trigram can be made."""
    pairs = ("an", "er", "ov", "il")
    return [f"/studies?PatientName=*{pairs[n % 4]}*&limit=50" for n in range(SEARCHES)]


def series_of_study(server: Server, client: Client) -> list[str]:
    """One series each."""
    return [f"/studies/{study}/series" for study, _ in places(server, client)] * 3


def instances_of_series(server: Server, client: Client) -> list[str]:
    """A hundred instances each."""
    return [
        f"/studies/{study}/series/{series}/instances" for study, series in places(server, client)
    ] * 3


def series_metadata(server: Server, client: Client) -> list[str]:
    """A hundred instances each."""
    return [
        f"/studies/{study}/series/{series}/metadata" for study, series in places(server, client)
    ]


def study_metadata(server: Server, client: Client) -> list[str]:
    """Two series of a hundred instances each."""
    numbers = range(FIRST_LARGE, FIRST_LARGE + LARGE_STUDIES)
    return [f"/studies/{_find_study(client, n)}/metadata" for n in numbers] * 2


def spread_over_studies(server: Server, count: int) -> list[int]:
    """Numbers of studies, over all that there are."""
    return [n * server.studies // count for n in range(count)]


def places(server: Server, client: Client) -> list[tuple[str, str]]:
    """Study and series, of studies that have one series."""
    studies = [_find_study(client, n) for n in spread_over_studies(server, PLACES)]
    return [(study, _find_series(client, study)) for study in studies]


def _find_study(client: Client, patient_number: int) -> str:
    (study,) = client.read_json(f"/studies?PatientID={patient_id_of(patient_number)}")
    return str(study["0020000D"]["Value"][0])


def _find_series(client: Client, study_instance_uid: str) -> str:
    (series,) = client.read_json(f"/studies/{study_instance_uid}/series")
    return str(series["0020000E"]["Value"][0])

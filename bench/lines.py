"""What is measured: each line takes a server and gives one figure."""

import itertools
import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.client import FRAME, JSON, Client, spread
from bench.servers import Server
from bench.slices import SMALL, Slice, make_series, write_series

SLICES_A_STUDY = 100
STORED = 120
SEARCHES = 60
METADATA_READS = 20
FRAMES_A_CONNECTION = 300


@dataclass(frozen=True)
class Line:
    """One line of the table. ``more_is_better`` says which way the ratio goes."""

    title: str
    unit: str
    more_is_better: bool
    floor: float
    measure: Callable[[Server, Path], float]


def c_store(associations: int) -> Callable[[Server, Path], float]:
    """Instances a second that dcmtk's storescu gets rid of, 526 KB each."""

    def measure(server: Server, folder: Path) -> float:
        each = STORED // associations
        folders = [folder / f"send{n}" for n in range(associations)]
        for place in folders:
            write_series(place, each)
        elapsed = spread(lambda n: _storescu(server, folders[n]), associations)
        for place in folders:
            shutil.rmtree(place)
        return each * associations / elapsed

    return measure


def _storescu(server: Server, folder: Path) -> None:
    address = ["127.0.0.1", str(server.dimse_port)]
    command = ["storescu", "-aec", server.ae_title, *address, "+sd", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def stow(instances_a_request: int) -> Callable[[Server, Path], float]:
    """Instances a second by STOW-RS on one connection, 526 KB each."""

    def measure(server: Server, folder: Path) -> float:
        files = [made.data for made in make_series(100)]
        client = Client(server.http_port, server.root)
        started = time.perf_counter()
        for first in range(0, len(files), instances_a_request):
            client.store(files[first : first + instances_a_request])
        return len(files) / (time.perf_counter() - started)

    return measure


def populate(server: Server, studies: int) -> None:
    """Studies of 100 small instances, by STOW-RS."""
    server.studies = studies
    for patient in range(studies):
        files = [made.data for made in make_series(SLICES_A_STUDY, SMALL, patient=patient)]
        Client(server.http_port, server.root).store(files)


def search(query: str) -> Callable[[Server, Path], float]:
    """Median milliseconds of a search; {n} is the number of a study, which varies."""

    def measure(server: Server, folder: Path) -> float:
        client = Client(server.http_port, server.root)
        paths = [query.format(n=f"{n * 3 % server.studies:04d}") for n in range(SEARCHES)]
        return _median_ms(client, paths)

    return measure


def search_below_study(series_too: bool) -> Callable[[Server, Path], float]:
    """Median milliseconds of the series of a study, or of the instances of a series."""

    def measure(server: Server, folder: Path) -> float:
        client = Client(server.http_port, server.root)
        places = [_find_series(client, n) for n in range(0, server.studies, server.studies // 20)]
        paths = [
            f"/studies/{study}/series" + (f"/{series}/instances" if series_too else "")
            for study, series in places
        ]
        return _median_ms(client, paths * 3)

    return measure


def _find_series(client: Client, patient: int) -> tuple[str, str]:
    (study,) = json.loads(client.get_bytes(f"/studies?PatientID=B{patient:05d}", JSON))
    uid = study["0020000D"]["Value"][0]
    (series,) = json.loads(client.get_bytes(f"/studies/{uid}/series", JSON))
    return uid, series["0020000E"]["Value"][0]


def series_metadata(server: Server, folder: Path) -> float:
    """Median milliseconds of the metadata of a series of 100 instances."""
    client = Client(server.http_port, server.root)
    places = [_find_series(client, n) for n in range(METADATA_READS)]
    paths = [f"/studies/{study}/series/{series}/metadata" for study, series in places]
    return _median_ms(client, paths)


def frames(connections: int) -> Callable[[Server, Path], float]:
    """Frames a second of 512 x 512 x 2 bytes."""

    def measure(server: Server, folder: Path) -> float:
        paths = [
            f"/studies/{made.study}/series/{made.series}/instances/{made.instance}/frames/1"
            for made in _stored(server, 50)
        ]
        clients = [Client(server.http_port, server.root) for _ in range(connections)]

        def read(n: int) -> None:
            for path in itertools.islice(itertools.cycle(paths), FRAMES_A_CONNECTION):
                clients[n].get(path, FRAME)

        return FRAMES_A_CONNECTION * connections / spread(read, connections)

    return measure


def _stored(server: Server, count: int) -> list[Slice]:
    made = list(make_series(count))
    Client(server.http_port, server.root).store([one.data for one in made])
    return made


def _median_ms(client: Client, paths: list[str]) -> float:
    """The first request warms up and is not counted."""
    client.get(paths[0], JSON)
    times = []
    for path in paths:
        started = time.perf_counter()
        client.get(path, JSON)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


LINES = (
    Line("C-STORE, storescu, 1 association", "instances/s", True, 2, c_store(1)),
    Line("C-STORE, storescu, 4 associations", "instances/s", True, 1, c_store(4)),
    Line("STOW-RS, 1 a request", "instances/s", True, 1, stow(1)),
    Line("STOW-RS, 50 a request", "instances/s", True, 1, stow(50)),
    Line("QIDO-RS PatientID", "ms", False, 5, search("/studies?PatientID=B0{n}")),
    Line("QIDO-RS name prefix", "ms", False, 5, search("/studies?PatientName=Meyer*&limit=50")),
    Line("QIDO-RS name infix", "ms", False, 5, search("/studies?PatientName=*an*&limit=50")),
    Line(
        "QIDO-RS date range",
        "ms",
        False,
        5,
        search("/studies?StudyDate=20240301-20240331&limit=50"),
    ),
    Line("QIDO-RS series of a study", "ms", False, 5, search_below_study(False)),
    Line("QIDO-RS instances of a series", "ms", False, 5, search_below_study(True)),
    Line("metadata of a series of 100", "ms", False, 15, series_metadata),
    Line("frames, 1 connection", "frames/s", True, 2, frames(1)),
    Line("frames, 8 connections", "frames/s", True, 2, frames(8)),
)

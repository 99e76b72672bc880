"""What is measured: each line takes a server and gives one figure."""

import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import finds
from bench.client import FRAME, INSTANCE, Client, spread
from bench.cpu import store_cpu_ms
from bench.finds import IMAGES_FOUND, PATIENTS_FOUND, find_ms
from bench.light_storescu import light_c_store
from bench.load import answers_a_second
from bench.retrieves import c_get, c_move
from bench.searches import (
    by_date,
    by_infix,
    by_patient_id,
    by_prefix,
    by_short_infix,
    instances_of_series,
    median_ms,
    series_metadata,
    series_of_study,
    study_metadata,
)
from bench.servers import Server
from bench.slices import Slice, make_series, write_series

SENT = 400
"""So many that the start of storescu is a small part of the time."""
IN_MEMORY = Path("/dev/shm")
"""What a client reads lies in memory: the disk's time is the servers' alone, and ext4 is slow to
make files where many were removed in the last minutes."""
STORED = 100
RETRIEVED = 50


@dataclass(frozen=True)
class Line:
    """One line of the table: the marks say how many times better than the peer it has to be."""

    title: str
    unit: str
    floor: float
    aim: float | None
    measure: Callable[[Server, Path], float]

    @property
    def more_is_better(self) -> bool:
        """Which way the ratio goes."""
        return self.unit != "ms"

    @property
    def mark(self) -> str:
        """The floor, and the aim in brackets."""
        return f"{self.floor:g} ({self.aim:g})" if self.aim else f"{self.floor:g}"


def c_store(associations: int) -> Callable[[Server, Path], float]:
    """Instances a second that dcmtk's storescu gets rid of, 526 KB each."""

    def measure(server: Server, folder: Path) -> float:
        each = SENT // associations
        with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else folder) as made:
            folders = [Path(made) / f"send{n}" for n in range(associations)]
            for place in folders:
                write_series(place, each)
            elapsed = spread(lambda n: _storescu(server, folders[n]), associations)
        return each * associations / elapsed

    return measure


def _storescu(server: Server, folder: Path) -> None:
    address = ["127.0.0.1", str(server.dimse_port)]
    command = ["storescu", "-aec", server.ae_title, *address, "+sd", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def stow(instances_a_request: int) -> Callable[[Server, Path], float]:
    """Instances a second by STOW-RS on one connection, 526 KB each; the bodies are made before."""

    def measure(server: Server, folder: Path) -> float:
        count = max(STORED, 2 * instances_a_request)
        files = [made.data for made in make_series(count)]
        client = Client(server.http_port, server.root)
        requests = [
            client.store_request(files[first : first + instances_a_request])
            for first in range(0, count, instances_a_request)
        ]
        started = time.perf_counter()
        for request in requests:
            client.ask(request)
        return count / (time.perf_counter() - started)

    return measure


def frames(connections: int) -> Callable[[Server, Path], float]:
    """Frames a second of 512 x 512 x 2 bytes."""
    return _retrieve("/frames/1", FRAME, connections)


def whole_instances(connections: int) -> Callable[[Server, Path], float]:
    """Instances a second of 526 KB, as they were stored."""
    return _retrieve("", INSTANCE, connections)


def _retrieve(
    what: str, accept: dict[str, str], connections: int
) -> Callable[[Server, Path], float]:
    def measure(server: Server, folder: Path) -> float:
        client = Client(server.http_port, server.root)
        made = _stored(client)
        requests = [
            client.request(
                f"/studies/{one.study}/series/{one.series}/instances/{one.instance}{what}", accept
            )
            for one in made
        ]
        if client.ask(requests[0]) < 512 * 512 * 2:
            raise SystemExit(f"{server.name}: an answer without its pixels")
        return answers_a_second(server.http_port, requests, connections)

    return measure


def _stored(client: Client) -> list[Slice]:
    made = list(make_series(RETRIEVED))
    client.store([one.data for one in made])
    return made


SEARCHES = (
    Line("QIDO-RS PatientID", "ms", 15, 50, median_ms(by_patient_id)),
    Line("QIDO-RS date range", "ms", 15, 50, median_ms(by_date)),
    Line("QIDO-RS name prefix", "ms", 15, 50, median_ms(by_prefix)),
    Line("QIDO-RS name infix", "ms", 15, 50, median_ms(by_infix)),
    Line("QIDO-RS name infix of 2 letters", "ms", 15, 50, median_ms(by_short_infix)),
    Line("QIDO-RS series of a study", "ms", 6, 20, median_ms(series_of_study)),
    Line("QIDO-RS instances of a series", "ms", 30, 60, median_ms(instances_of_series)),
    Line("metadata of a series of 100", "ms", 15, 100, median_ms(series_metadata)),
    Line("metadata of a study of 200", "ms", 30, 100, median_ms(study_metadata)),
)
"""Lines whose time may depend on how much is stored."""

FINDS = (
    Line("C-FIND PatientID", "ms", 10, 40, find_ms(finds.by_patient_id, PATIENTS_FOUND)),
    Line("C-FIND name prefix", "ms", 10, 40, find_ms(finds.by_prefix)),
    Line("C-FIND date range", "ms", 10, 40, find_ms(finds.by_date)),
    Line("C-FIND images of a series", "ms", 10, 40, find_ms(finds.images_of_series, IMAGES_FOUND)),
)
"""Of these an answer has no pages: it grows with what is stored, as a C-FIND's does."""

LINES = (
    Line("C-STORE, storescu, 1 association", "instances/s", 3, 6, c_store(1)),
    Line("C-STORE, storescu, 4 associations", "instances/s", 1.4, 2.5, c_store(4)),
    Line("C-STORE, light client, 1 association", "instances/s", 2, 4, light_c_store(1)),
    Line("C-STORE, light client, 4 associations", "instances/s", 1.9, 3.7, light_c_store(4)),
    Line("C-STORE, light client, 8 associations", "instances/s", 1.3, 2.3, light_c_store(8)),
    Line("server CPU an instance, C-STORE, 4 associations", "ms", 3, 6, store_cpu_ms(4)),
    Line("STOW-RS, 1 a request", "instances/s", 1.5, 2.3, stow(1)),
    Line("STOW-RS, 10 a request", "instances/s", 1.5, 2.6, stow(10)),
    Line("STOW-RS, 50 a request", "instances/s", 1, None, stow(50)),
    Line("STOW-RS, 100 a request", "instances/s", 2, 4, stow(100)),
    *SEARCHES,
    *FINDS,
    Line("C-MOVE of 500 instances", "instances/s", 1.5, 3, c_move),
    Line("C-GET of 500 instances", "instances/s", 1.5, 3, c_get),
    Line("frames, 1 connection", "frames/s", 2.5, 6, frames(1)),
    Line("frames, 8 connections", "frames/s", 2.5, 6, frames(8)),
    Line("frames, 32 connections", "frames/s", 2.5, 6, frames(32)),
    Line("whole instances, 1 connection", "instances/s", 1.5, 3, whole_instances(1)),
    Line("whole instances, 8 connections", "instances/s", 1.5, 3, whole_instances(8)),
    Line("whole instances, 32 connections", "instances/s", 1.5, 3, whole_instances(32)),
)

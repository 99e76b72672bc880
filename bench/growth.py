"""The same searches among ten times as many: what grows with the archive has lost its index.

Rows are made for the smaller archive, every line is measured, the rest is made, every line is
measured again. The peer is not asked: to fill it would take hours.
"""

from pathlib import Path

from bench.lines import SEARCHES, Line
from bench.rows import make_rows
from bench.searches import SLICES_A_SERIES, add_large_studies
from bench.servers import Server, assert_durable, start_hounsfield
from bench.table import Figures, measure_into, median_of, say
from hounsfield.db.embedded import EmbeddedPostgres

SMALLER = 100_000
MOST_TIMES_SLOWER = 1.5


def measure(lines: list[Line], folder: Path, instances: int, rounds: int) -> tuple[str, bool]:
    """The table, and whether every line stays within its mark."""
    smaller = min(SMALLER, instances // 10)
    server = start_hounsfield(folder)
    url = EmbeddedPostgres(folder / "hounsfield").url
    assert_durable(url)
    try:
        add_large_studies(server)
        before = _measured(lines, server, folder, url, smaller, rounds)
        after = _measured(lines, server, folder, url, instances, rounds)
    finally:
        server.stop()
    ratios = {
        line.title: median_of(after, line, server) / median_of(before, line, server)
        for line in lines
    }
    rows = [
        f"| {line.title} | {line.unit} | {median_of(before, line, server):.2f} "
        f"| {median_of(after, line, server):.2f} | {ratios[line.title]:.2f} "
        f"| {MOST_TIMES_SLOWER:g} |"
        for line in lines
    ]
    head = [
        f"| figure | unit | at {smaller:,} | at {instances:,} | times slower | at most |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]), max(ratios.values()) <= MOST_TIMES_SLOWER


def _measured(
    lines: list[Line], server: Server, folder: Path, url: str, instances: int, rounds: int
) -> Figures:
    say(f"making rows up to {instances:,} instances")
    make_rows(url, server.studies, instances // SLICES_A_SERIES)
    server.studies = instances // SLICES_A_SERIES
    figures: Figures = {}
    for number in range(rounds):
        for line in lines:
            measure_into(figures, line, server, folder, number)
    return figures


def searches(lines: list[Line]) -> list[Line]:
    """Those of the lines that can be measured so."""
    return [line for line in lines if line in SEARCHES]

"""Run the lines in interleaved rounds and print the table (Markdown)."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench import growth, inference, limits
from bench.lines import LINES, Line
from bench.searches import SLICES_A_SERIES, populate
from bench.servers import Server, assert_durable, start_hounsfield, start_orthanc
from bench.table import Figures, measure_into, say, table, times_better
from hounsfield.db.embedded import EmbeddedPostgres

MOST_STORED = 200_000
"""To search among more, rows are made: see :mod:`bench.growth`."""


def main() -> int:
    """Measure; status 1 where a line misses its floor."""
    options = _arguments()
    lines = [line for line in LINES if not options.only or options.only in line.title]
    with tempfile.TemporaryDirectory(prefix="hb-", dir=options.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)
        if options.instances > MOST_STORED or options.grow:
            lines = growth.searches(lines)
            found, kept = growth.measure(lines, folder, options.instances, options.rounds)
            print(found)
            return 0 if kept else 1
        return _beside_the_peer(lines, folder, options)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--peer", choices=["orthanc"], help="measure it in the same run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--instances",
        type=int,
        default=20_000,
        help=f"stored before anything is measured; beyond {MOST_STORED:,} see --grow",
    )
    parser.add_argument(
        "--grow",
        action="store_true",
        help="searches alone, without a peer, among a tenth (at most 100,000) of the instances "
        "and among all; their rows are made in the database",
    )
    parser.add_argument("--only", help="lines whose title contains this")
    parser.add_argument("--folder", help="where the data go (a disk that syncs, not a RAM disk)")
    return parser.parse_args()


def _beside_the_peer(lines: list[Line], folder: Path, options: argparse.Namespace) -> int:
    print(limits.measure(folder), end="\n\n", flush=True)
    figures, servers = _measure(lines, folder, options)
    demo = None if options.only else inference.measure(folder)
    print(f"Medians of {options.rounds} interleaved rounds, {options.instances:,} instances.\n")
    print(table(lines, figures, servers))
    if demo is not None:
        seconds = demo["seconds_from_last_store_to_seg"]
        print(f"\nLast C-STORE answer to stored SEG: {seconds} s, Dice {demo['dice']}.")
    ours, *peers = servers
    missed = [
        line
        for peer in peers
        for line in lines
        if times_better(line, figures, ours, peer) < line.floor
    ]
    return 1 if missed else 0


def _measure(
    lines: list[Line], folder: Path, options: argparse.Namespace
) -> tuple[Figures, list[Server]]:
    """Both servers hold equally much before the first line, and get equally much by each."""
    servers = [start_hounsfield(folder)]
    figures: Figures = {}
    try:
        assert_durable(EmbeddedPostgres(folder / "hounsfield").url)
        if options.peer:
            servers.append(start_orthanc(folder))
        for server in servers:
            say(f"{server.name}: storing {options.instances:,} instances to search among")
            populate(server, options.instances // SLICES_A_SERIES)
        for number in range(options.rounds):
            for line in lines:
                for server in servers if number % 2 == 0 else reversed(servers):
                    measure_into(figures, line, server, folder, number)
    finally:
        for server in servers:
            server.stop()
    return figures, servers


if __name__ == "__main__":
    sys.exit(main())

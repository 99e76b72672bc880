"""Run the lines in interleaved rounds and print the table (Markdown)."""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from bench import inference
from bench.lines import LINES, SLICES_A_STUDY, Line, populate
from bench.servers import Server, assert_durable, start_hounsfield, start_orthanc
from hounsfield.db.embedded import EmbeddedPostgres

Figures = dict[tuple[str, str], list[float]]


def main() -> int:
    """Measure; status 1 where a line with a peer misses its floor."""
    options = _arguments()
    with tempfile.TemporaryDirectory(prefix="hb-", dir=options.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)
        figures, lines = _measure(options, folder)
        demo = None if options.only else inference.measure(folder)
    print(_table(lines, figures, options.peer, options.rounds))
    if demo is not None:
        seconds = demo["seconds_from_last_store_to_seg"]
        print(f"\nLast C-STORE answer to stored SEG: {seconds} s, Dice {demo['dice']}.")
    return 1 if options.peer and _missed(lines, figures) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--peer", choices=["orthanc"], help="measure it in the same run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--instances", type=int, default=20_000, help="to search among")
    parser.add_argument("--only", help="lines whose title contains this")
    parser.add_argument("--folder", help="where the data go (a disk that syncs, not a RAM disk)")
    return parser.parse_args()


def _measure(options: argparse.Namespace, folder: Path) -> tuple[Figures, list[Line]]:
    lines = [line for line in LINES if not options.only or options.only in line.title]
    servers = [start_hounsfield(folder)]
    assert_durable(EmbeddedPostgres(folder / "hounsfield").url)
    if options.peer:
        servers.append(start_orthanc(folder))
    figures: Figures = {}
    try:
        if any("QIDO" in line.title or "metadata" in line.title for line in lines):
            for server in servers:
                _say(f"{server.name}: storing {options.instances} instances to search among")
                populate(server, options.instances // SLICES_A_STUDY)
        for number in range(options.rounds):
            for line in lines:
                for server in servers if number % 2 == 0 else reversed(servers):
                    _run(line, server, folder, figures, number)
    finally:
        for server in servers:
            server.stop()
    return figures, lines


def _run(line: Line, server: Server, folder: Path, figures: Figures, number: int) -> None:
    figure = line.measure(server, folder)
    figures.setdefault((line.title, server.name), []).append(figure)
    _say(f"round {number + 1}: {line.title}: {server.name} {figure:.1f} {line.unit}")


def _ratio(line: Line, figures: Figures) -> float:
    """How many times better than the peer, the median over the rounds' own ratios."""
    pairs = zip(figures[line.title, "hounsfield"], figures[line.title, "orthanc"], strict=True)
    return statistics.median(a / b if line.more_is_better else b / a for a, b in pairs)


def _missed(lines: list[Line], figures: Figures) -> list[Line]:
    return [line for line in lines if _ratio(line, figures) < line.floor]


def _table(lines: list[Line], figures: Figures, peer: str | None, rounds: int) -> str:
    rows = [
        f"Medians of {rounds} interleaved rounds.",
        "",
        "| figure | unit | Hounsfield |"
        + (" Orthanc 1.10.1, tuned | times better | mark |" if peer else ""),
        "|---|---|---|" + ("---|---|---|" if peer else ""),
    ]
    for line in lines:
        row = f"| {line.title} | {line.unit} | {_median(figures, line, 'hounsfield')} |"
        if peer:
            row += (
                f" {_median(figures, line, peer)} | {_ratio(line, figures):.1f} | {line.floor:g} |"
            )
        rows.append(row)
    return "\n".join(rows)


def _median(figures: Figures, line: Line, name: str) -> str:
    return f"{statistics.median(figures[line.title, name]):.1f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

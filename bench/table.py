"""Figures as they come, and the table (Markdown) that is made of them."""

import statistics
import sys
from pathlib import Path

from bench.lines import Line
from bench.servers import Server

Figures = dict[tuple[str, str], list[float]]
"""By a line's title and a server's name: one figure a round."""


def measure_into(figures: Figures, line: Line, server: Server, folder: Path, number: int) -> None:
    """Measure one line on one server, and say what it gave."""
    figure = line.measure(server, folder)
    figures.setdefault((line.title, server.name), []).append(figure)
    say(f"round {number + 1}: {line.title}: {server.name} {figure:.2f} {line.unit}")


def median_of(figures: Figures, line: Line, server: Server) -> float:
    """The median of the rounds."""
    return statistics.median(figures[line.title, server.name])


def times_better(line: Line, figures: Figures, ours: Server, peer: Server) -> float:
    """How many times better than the peer, the median over the rounds' own ratios."""
    pairs = zip(figures[line.title, ours.name], figures[line.title, peer.name], strict=True)
    return statistics.median(a / b if line.more_is_better else b / a for a, b in pairs)


def table(lines: list[Line], figures: Figures, servers: list[Server]) -> str:
    """A row a line. The mark is the floor, with the aim in brackets."""
    ours, *peers = servers
    heads = ["figure", "unit", *(server.title for server in servers)]
    heads += ["times better", "mark"] if peers else []
    rows = [heads, ["---"] * len(heads)]
    for line in lines:
        row = [line.title, line.unit]
        row += [f"{median_of(figures, line, server):.1f}" for server in servers]
        for peer in peers:
            row += [f"{times_better(line, figures, ours, peer):.1f}", line.mark]
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def say(text: str) -> None:
    """To whoever watches; the table alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)

"""Writes the table of resources in CONFORMANCE.md from the routes: `./dev conformance`.

The same source is behind the capabilities document (PS3.18 8.9); a test fails where the two
differ. Needs no database: nothing connects before the first request.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from fastapi import APIRouter
from pydantic import SecretStr

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import DatabaseSettings, Settings
from hounsfield.dicomweb.capabilities import resources
from hounsfield.dicomweb.resource_kinds import KINDS, end_of
from hounsfield.dicomweb.router import create_router

DOCUMENT = Path(__file__).resolve().parent.parent / "CONFORMANCE.md"
BEGIN = "<!-- written by ./dev conformance: begin -->\n"
END = "<!-- end -->\n"
MULTIPART = 'multipart/related; type="'


def with_table(document: str, table: str) -> str:
    """The document with the table between its two comments."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT.name} has lost the comments round its table of resources")
    return before + begin + table + end + after


def resource_table(router: APIRouter) -> str:
    """One row for each kind of resource, in the order of the kinds."""
    rows: dict[tuple[str, str], list[str]] = {}
    for path, methods in resources(router.routes):
        if (end := end_of(path)) in KINDS:
            named = ", ".join(name for name in methods if name not in {"HEAD", "OPTIONS"})
            rows.setdefault((end, named), []).append(f"`{_short(path)}`")
    order = list(KINDS)
    lines = ["| resource (section) | methods | GET answers with |", "|---|---|---|"]
    for (end, named), paths in sorted(rows.items(), key=lambda row: order.index(row[0][0])):
        kind = KINDS[end]
        types = ", ".join(_types(kind.media_types))
        lines.append(f"| {', '.join(paths)} ({kind.sections}) | {named} | {types} |")
    return "\n".join(lines) + "\n"


def _short(path: str) -> str:
    """From its lowest level on: a series and an instance lie where they always lie."""
    for level in ("/instances/{instance}", "/series/{series}"):
        if level in path:
            return f"…{level}{path.partition(level)[2]}"
    return path


def _types(names: tuple[str, ...]) -> Iterator[str]:
    """``M`` for a type that comes in a multipart, ``+M`` for one that comes by itself, too."""
    alone = [name for name in names if not name.startswith(MULTIPART)]
    parts = [name[len(MULTIPART) : -1] for name in names if name.startswith(MULTIPART)]
    for name in dict.fromkeys([*alone, *parts]):
        mark = "" if name not in parts else " +M" if name in alone else " M"
        yield f"`{name}`{mark}"


def main(arguments: list[str]) -> int:
    """Write the table anew; with ``--check`` only say whether that would change it."""
    archive = Archive(Settings(database=DatabaseSettings(url=SecretStr("postgresql:///"))))
    document = DOCUMENT.read_text("utf-8")
    renewed = with_table(document, resource_table(create_router(archive)))
    if "--check" in arguments:
        if renewed != document:
            print(f"{DOCUMENT.name} and the routes differ: ./dev conformance writes it anew")
        return int(renewed != document)
    DOCUMENT.write_text(renewed, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

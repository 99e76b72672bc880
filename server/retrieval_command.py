"""``hounsfield query`` and ``hounsfield pull``: peers asked from the command line."""

import sys
from collections.abc import Callable, Mapping

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hounsfield.archive import peers
from hounsfield.archive.dicom_json import Members, values_of
from hounsfield.archive.errors import InvalidQuery
from hounsfield.archive.index_text import plain
from hounsfield.archive.search import Level
from hounsfield.conf.settings import Settings
from hounsfield.dimse.probe import destination_of
from hounsfield.dimse.pulling import Pull, Puller, Wanted, Way
from hounsfield.dimse.querying import FIND_CONTEXT, find
from hounsfield.dimse.requestor import Requestor
from hounsfield.server.administering import open_archive

Say = Callable[[str], None]

SHOWN: Mapping[Level, tuple[tuple[str, str], ...]] = {
    Level.STUDY: (
        ("00080020", "date"),
        ("00100010", "patient"),
        ("00100020", "ID"),
        ("00080061", "modalities"),
        ("00081030", "description"),
        ("00201208", "instances"),
        ("0020000D", "Study Instance UID"),
    ),
    Level.SERIES: (
        ("00080060", "modality"),
        ("00200011", "number"),
        ("0008103E", "description"),
        ("00201209", "instances"),
        ("0020000E", "Series Instance UID"),
    ),
    Level.INSTANCE: (
        ("00200013", "number"),
        ("00080016", "SOP class"),
        ("00080018", "SOP Instance UID"),
    ),
}
"""What is shown of a match, in columns."""


def query(
    settings: Settings,
    say: Say,
    ae_title: str,
    level: str,
    keys: Mapping[str, str],
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Ask a peer what it has, a line a match as they come."""
    with open_archive(settings) as archive:
        of = _level(level)
        destination = destination_of(peers.find(archive, ae_title))
        count = 0
        with Requestor(destination, settings, [FIND_CONTEXT]) as requestor:
            if not as_json:
                say("\t".join(title for _, title in SHOWN[of]))
            for match in find(requestor, of, keys, limit):
                count += 1
                say(orjson.dumps(match).decode() if as_json else _line(of, match))
        if not as_json:
            more = ", there may be more (--limit)" if count == limit else ""
            say(f"({count} found{more})")


def pull(
    settings: Settings, ae_title: str, wanted: Wanted, way: Way | None, *, as_json: bool
) -> bool:
    """Fetch from a peer, and show how far it is; whether all of it came."""
    console = Console(stderr=True, highlight=False)
    with open_archive(settings) as archive:
        puller = Puller(archive, peers.find(archive, ae_title), wanted, way)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        last: Pull | None = None
        with Progress(*columns, console=console, disable=as_json) as shown:
            task = shown.add_task(f"From {ae_title}", total=None)
            for last in puller.run():
                if last.remaining is not None:
                    total = last.completed + last.failed + last.remaining
                    shown.update(task, total=total)
                shown.update(task, completed=last.completed + last.failed)
    if last is None:
        return False
    if as_json:
        sys.stdout.write(orjson.dumps(last).decode() + "\n")
    else:
        console.print(_outcome(last), soft_wrap=True)
    return not last.problem and not last.failed


def _outcome(last: Pull) -> str:
    came = f"{last.completed} instances came by C-{last.way.upper()}"
    failed = f", {last.failed} did not" if last.failed else ""
    return came + failed + (f": {last.problem}" if last.problem else "")


def _line(level: Level, match: Members) -> str:
    return "\t".join(
        ", ".join(_printable(plain(value)) for value in values_of(match, tag))
        for tag, _ in SHOWN[level]
    )


def _printable(text: str) -> str:
    """What a peer says cannot steer the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _level(name: str) -> Level:
    try:
        return Level(name)
    except ValueError:
        raise InvalidQuery("the level is study, series or instance") from None

"""``hounsfield import FOLDER | ZIP``: send all, show how far it is, say what was refused and why.

Several requests of some files each run side by side. What is stored is written down as it is
acknowledged, so that the same command takes an interrupted import up where it was.
"""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hounsfield.conf.settings import Settings
from hounsfield.db.errors import CannotStart
from hounsfield.server.demo.client import Client
from hounsfield.server.importing.journal import Journal
from hounsfield.server.importing.sending import Fate, File, Sender, ServerGone
from hounsfield.server.importing.sources import Entry, Source, Unreadable, look_at, open_source

FILES_A_REQUEST = 32
BYTES_A_REQUEST = 64 * 1024 * 1024
LISTED = 50


@dataclass
class Report:
    """What became of the files."""

    stored: int = 0
    stored_before: int = 0
    bytes_stored: int = 0
    seconds: float = 0.0
    warnings: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    interrupted: str = ""
    """Why not all was sent; empty where it was."""

    @property
    def complete(self) -> bool:
        """Every DICOM file is stored, and there was at least one."""
        return not self.refused and not self.interrupted and self.stored + self.stored_before > 0

    def as_json(self) -> bytes:
        """For programs."""
        names = ("warnings", "refused", "skipped")
        lists = {
            name: [{"file": file, "reason": reason} for file, reason in getattr(self, name)]
            for name in names
        }
        whole = {**self.__dict__, **lists, "complete": self.complete}
        return orjson.dumps(whole, option=orjson.OPT_INDENT_2)


def import_files(
    settings: Settings, path: Path, *, parallel: int, again: bool, as_json: bool
) -> bool:
    """Send what lies at ``path``; True where all of it is stored. Raises CannotStart."""
    client = Client(settings.http.host, settings.http.port)
    if not client.is_up():
        raise CannotStart(
            f"No server answers at {client.base}/. Start one with `hounsfield serve` in another "
            "terminal, then run this again."
        )
    console = Console(stderr=as_json, highlight=False)
    with (
        closing(open_source(path)) as source,
        Journal(settings.data_dir, path, again=again) as journal,
    ):
        run = Import(source, journal, Sender(client.host, client.port, source), console)
        report = run.run(parallel)
        if report.complete:
            journal.finish()
    if as_json:
        sys.stdout.buffer.write(report.as_json() + b"\n")
    else:
        _print(report, console)
    return report.complete


class Import:
    """One run over one source."""

    def __init__(self, source: Source, journal: Journal, sender: Sender, console: Console) -> None:
        self._source, self._journal, self._sender = source, journal, sender
        self._report = Report()
        self._waiting: set[Future[list[Fate]]] = set()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, TextColumn("files"), console=console)
        self._task = self._progress.add_task("Import", total=len(source.entries))

    def run(self, parallel: int) -> Report:
        """Send everything that has not been sent."""
        began = time.monotonic()
        with self._progress, ThreadPoolExecutor(parallel) as pool:
            try:
                for batch in self._batches():
                    self._waiting.add(pool.submit(self._sender.send, batch))
                    while len(self._waiting) > parallel:
                        self._take()
                while self._waiting:
                    self._take()
            except (ServerGone, KeyboardInterrupt) as error:
                gone = isinstance(error, ServerGone)
                self._report.interrupted = "the server is gone" if gone else "it was interrupted"
                pool.shutdown(cancel_futures=True)
                self._take_what_ended_well()
        self._report.seconds = round(time.monotonic() - began, 2)
        return self._report

    def _batches(self) -> Iterator[list[File]]:
        batch: list[File] = []
        size = 0
        for entry in self._source.entries:
            file = self._look_at(entry)
            if file is None:
                continue
            if batch and (len(batch) == FILES_A_REQUEST or size + entry.size > BYTES_A_REQUEST):
                yield batch
                batch, size = [], 0
            batch.append(file)
            size += entry.size
        if batch:
            yield batch

    def _look_at(self, entry: Entry) -> File | None:
        if entry in self._journal.stored:
            self._report.stored_before += 1
        else:
            try:
                head, why_not = look_at(self._source, entry)
            except Unreadable as error:
                self._report.refused.append((entry.name, str(error)))
            else:
                if not why_not:
                    return File(entry, head)
                self._report.skipped.append((entry.name, why_not))
        self._advance(1)
        return None

    def _take(self) -> None:
        """Wait for an answer, and write down what it says."""
        for future in wait(self._waiting, return_when=FIRST_COMPLETED).done:
            self._waiting.discard(future)
            self._record(future.result())

    def _take_what_ended_well(self) -> None:
        for future in self._waiting:
            if not future.cancelled() and future.exception() is None:
                self._record(future.result())

    def _record(self, fates: list[Fate]) -> None:
        stored = [fate for fate in fates if fate.stored]
        self._journal.add(fate.entry for fate in stored)
        self._report.stored += len(stored)
        self._report.bytes_stored += sum(fate.entry.size for fate in stored)
        self._report.warnings += [(f.entry.name, f.remark) for f in stored if f.remark]
        self._report.refused += [(f.entry.name, f.remark) for f in fates if not f.stored]
        self._advance(len(fates))

    def _advance(self, files: int) -> None:
        mib, refused = self._report.bytes_stored >> 20, len(self._report.refused)
        text = f"{mib} MiB stored" + (f", {refused} refused" if refused else "")
        self._progress.update(self._task, advance=files, description=text)


def _print(report: Report, console: Console) -> None:
    rate = report.bytes_stored / 2**20 / max(report.seconds, 0.01)
    console.print(
        f"{report.stored} files stored, {report.bytes_stored >> 20} MiB in {report.seconds:.0f} s "
        f"({rate:.0f} MiB/s)"
        + (f"; {report.stored_before} had been stored before" if report.stored_before else "")
    )
    for title, named in (
        ("Skipped", report.skipped),
        ("Stored with a warning", report.warnings),
        ("[red]Refused[/red]", report.refused),
    ):
        if named:
            console.print(f"{title}: {len(named)}")
        for name, reason in named[:LISTED]:
            console.print(f"  {escape(name)}: {escape(reason)}", soft_wrap=True)
        if len(named) > LISTED:
            console.print(f"  … and {len(named) - LISTED} more; --json lists all")
    if report.interrupted:
        console.print(f"Not all was sent: {report.interrupted}. Run the same command to go on.")

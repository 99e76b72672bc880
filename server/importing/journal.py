"""What of a folder or ZIP has been stored already, so that an import can be taken up again.

A file of lines in the data folder. It is gone once nothing is left to be sent; a line that a
crash cut short is not believed, and its file is sent once more.
"""

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from hounsfield.server.importing.sources import Entry


class Journal:
    """The journal of one source."""

    def __init__(self, data_dir: Path, source: Path, *, again: bool = False) -> None:
        stamp = "" if source.is_dir() else str(source.stat().st_mtime_ns)
        name = hashlib.sha256(f"{source.resolve()}\0{stamp}".encode()).hexdigest()[:32]
        self._path = data_dir / "imports" / f"{name}.journal"
        self._lock = threading.Lock()
        if again:
            self._path.unlink(missing_ok=True)
        self.stored = set(self._read())
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._file = self._path.open("ab")

    def add(self, entries: Iterable[Entry]) -> None:
        """These are stored."""
        with self._lock:
            self._file.write(b"".join(_line(entry) for entry in entries))
            self._file.flush()

    def finish(self) -> None:
        """Nothing is left: forget it all."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> Iterable[Entry]:
        if self._path.exists():
            for line in self._path.read_bytes().splitlines():
                try:
                    yield Entry(*orjson.loads(line))
                except (orjson.JSONDecodeError, TypeError):
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _line(entry: Entry) -> bytes:
    # At its end and its beginning: what is written behind a half line is a line of its own.
    return b"\n" + orjson.dumps([entry.name, entry.size, entry.stamp]) + b"\n"

"""The bulk data of one store on disk, until the data sets that name them are written.

One file without a name, which the system removes with its last user: a kill leaves nothing. What
a part says of its content is kept; nothing is ever fetched from where a URI points.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from hounsfield.archive.errors import OutOfResources, Unavailable
from hounsfield.archive.objects.local import NO_SPACE

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

PIECE = 1024 * 1024
CHECK_EVERY = 64 * PIECE


@dataclass(frozen=True, slots=True)
class BulkPart:
    """Where the bytes of a part lie, and what its Content-Type says of them."""

    media_type: str
    transfer_syntax: str
    """The parameter of the media type; empty where it has none."""
    start: int
    length: int


class Spool:
    """Written at its end, read anywhere; used by one thread at a time."""

    def __init__(self, archive: "Archive") -> None:
        self._archive = archive
        self._folder = archive.settings.data_dir / "spool"
        self._file: BinaryIO | None = None
        self._checked = self.size = 0

    def write(self, data: memoryview) -> None:
        """Append. Raises OutOfResources where the reserve would be touched."""
        if self.size >= self._checked:
            self._archive.objects.check()
            self._checked = self.size + CHECK_EVERY
        try:
            self._file = self._file or _open(self._folder)
            self._file.seek(self.size)
            self._file.write(data)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise OutOfResources("no space left for bulk data") from error
            raise Unavailable("bulk data cannot be written") from error
        self.size += len(data)

    def pieces(self, part: BulkPart) -> Iterator[bytes]:
        """The bytes of a part, a piece at a time."""
        position, end = part.start, part.start + part.length
        while self._file is not None and position < end:
            self._file.seek(position)
            piece = self._file.read(min(PIECE, end - position))
            position += len(piece)
            yield piece

    def close(self) -> None:
        """Remove it."""
        if self._file is not None:
            self._file.close()


def _open(folder: Path) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    return cast(BinaryIO, tempfile.TemporaryFile(dir=folder))

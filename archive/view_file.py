"""A file over a memory view, for a reader that wants to read and seek, but not without end."""

import io
from dataclasses import dataclass

from hounsfield.archive.errors import TooLarge


@dataclass(slots=True)
class Allowance:
    """What may still be read, by all the files that share it."""

    reads: int
    size: int

    def spend(self, size: int) -> None:
        """Account for one read. Raises TooLarge when nothing is left."""
        self.reads -= 1
        self.size -= size
        if self.reads < 0 or self.size < 0:
            raise TooLarge("the data set has more or larger attributes than this archive reads")


class ViewFile(io.BytesIO):
    """The methods that pydicom's reader calls; of the bytes only what is read is copied."""

    def __init__(self, view: memoryview, position: int, allowance: Allowance) -> None:
        super().__init__()
        self._view, self._position, self._allowance = view, position, allowance

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        rest = max(0, len(self._view) - self._position)
        size = rest if size is None or size < 0 else min(size, rest)
        self._allowance.spend(size)
        data = self._view[self._position : self._position + size].tobytes()
        self._position += size
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go there; behind the end too, as in a file."""
        base = (0, self._position, len(self._view))[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

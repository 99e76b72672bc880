"""A file over a memory view, for a reader that wants to read and seek."""

import io


class ViewFile(io.BytesIO):
    """A file over a view, for the methods that pydicom's reader calls; nothing is copied."""

    def __init__(self, view: memoryview, position: int) -> None:
        super().__init__()
        self._view, self._position = view, position

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        end = len(self._view) if size is None or size < 0 else self._position + size
        data = self._view[self._position : end].tobytes()
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go there; behind the end too, as in a file."""
        base = (0, self._position, len(self._view))[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

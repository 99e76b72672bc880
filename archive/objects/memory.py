"""An instance that is still in memory, read as if it were an object."""

from types import TracebackType
from typing import Self


class GatheredBytes:
    """The bytes of a small instance, before they become an object."""

    def __init__(self, data: bytearray) -> None:
        self._view = memoryview(data)

    def map(self) -> memoryview:
        """All of it."""
        return self._view

    def release_pages(self, start: int, end: int) -> None:
        """Nothing to release: the bytes are needed for the object."""

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

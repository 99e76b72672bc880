"""The port to where the bytes lie. Keys are made by the store, never from a sender's UID."""

from collections.abc import Iterable
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

Bytes = bytes | bytearray | memoryview
"""What can be written."""


@runtime_checkable
class ObjectWriter(Protocol):
    """One object being written: invisible until :meth:`finish`."""

    key: str

    def write(self, data: Bytes) -> None:
        """Append. Raises OutOfResources when the space runs out."""

    def begin_sync(self) -> None:
        """All is written: begin to bring it to stable storage, which :meth:`finish` waits for."""

    def open(self) -> "ObjectReader":
        """Read what was written so far."""

    def finish(self) -> None:
        """The bytes are on stable storage under their key; its folder is not yet synced."""

    def abort(self) -> None:
        """Remove what was written. Safe to call again, and after a failure."""


class ObjectReader(Protocol):
    """An object opened for reading."""

    def map(self) -> memoryview:
        """The whole object, without a copy; valid until :meth:`close`."""

    def release_pages(self, start: int, end: int) -> None:
        """Tell the system that these bytes will not be read again soon."""

    def close(self) -> None:
        """Let go of the bytes. A view that is still held keeps them alive."""

    def __enter__(self) -> Self:
        """Close at the end of the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""


class ObjectStore(Protocol):
    """A place for objects."""

    def create(self) -> ObjectWriter:
        """Begin an object under a new random key. Raises OutOfResources when space is short."""

    def sync_folders(self, keys: Iterable[str]) -> None:
        """Make the names of finished objects durable: one sync for all that share a folder."""

    def open(self, key: str) -> ObjectReader:
        """Open an object. Raises ObjectDamaged when it is missing."""

    def path(self, key: str) -> str:
        """Where a child process can read it as a file."""

    def set_aside(self, keys: Iterable[str]) -> None:
        """Let objects no longer be opened, and keep their bytes until :meth:`remove`."""

    def remove(self, key: str) -> None:
        """Remove an object, also one set aside; one that is not there is not an error."""

    def check(self) -> None:
        """Raise OutOfResources or Unavailable if nothing could be stored now."""

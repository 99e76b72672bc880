"""Objects as files: temporary name, write, fdatasync, rename, and a folder sync for a batch.

Objects that arrive together share a folder, so that one sync of it serves all of them; a folder
takes a thousand objects and is then left for a new one.
"""

import errno
import mmap
import os
import secrets
import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from hounsfield.archive.errors import ObjectDamaged, OutOfResources, Unavailable
from hounsfield.archive.objects.port import Bytes
from hounsfield.archive.objects.writeback import begin_writeback

log = structlog.get_logger()

OBJECTS_A_FOLDER = 1000
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FILE_MODE = 0o640
READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
PART = ".part"
ASIDE = ".deleted"
WRITE_OUT_EVERY = 8 * 1024 * 1024
"""Of a large object, so that its last sync does not find gigabytes to write."""


def _refusal(error: OSError) -> OutOfResources | Unavailable:
    if error.errno in NO_SPACE:
        return OutOfResources("no space left for objects")
    return Unavailable(f"the object store cannot be written: {os.strerror(error.errno or 0)}")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (no such thing on Windows, where it is not needed)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LocalObjectWriter:
    """An object under its temporary name."""

    def __init__(self, path: str, key: str) -> None:
        self.key = key
        self._path = path
        self._part = path + PART
        self._waiting = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            self._descriptor = os.open(self._part, flags, FILE_MODE)
        except OSError as error:
            raise _refusal(error) from error

    def write(self, data: Bytes) -> None:
        """Append all of ``data``."""
        view = memoryview(data)
        try:
            while view.nbytes:
                written = os.write(self._descriptor, view)
                self._waiting += written
                view = view[written:]
        except OSError as error:
            raise _refusal(error) from error
        if self._waiting > WRITE_OUT_EVERY:
            self._waiting = 0
            self.begin_sync()

    def begin_sync(self) -> None:
        """Let the disk work while the header is read."""
        begin_writeback(self._descriptor)

    def open(self) -> "LocalObjectReader":
        """Map what was written so far."""
        return LocalObjectReader(self._descriptor)

    def finish(self) -> None:
        """Sync the bytes, then give the object its name."""
        try:
            _sync_data(self._descriptor)
            self._close()
            os.replace(self._part, self._path)  # noqa: PTH105 - see LocalObjectStore
        except OSError as error:
            raise _refusal(error) from error

    def abort(self) -> None:
        """Remove the object, whichever name it has by now."""
        self._close()
        for path in (self._part, self._path):
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _sync_data(descriptor: int) -> None:
    getattr(os, "fdatasync", os.fsync)(descriptor)


class LocalObjectReader:
    """A file mapped into memory."""

    def __init__(self, descriptor: int) -> None:
        self._map = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        self._view = memoryview(self._map)

    def map(self) -> memoryview:
        """The whole object."""
        return self._view

    def release_pages(self, start: int, end: int) -> None:
        """Drop the pages that lie wholly inside the range from our resident set."""
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        last = end // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED, first, last - first)

    def close(self) -> None:
        """Release; a view that is still exported keeps the mapping until it goes."""
        self._view.release()
        try:
            self._map.close()
        except BufferError:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class LocalObjectStore:
    """Objects under one folder of a local or mounted file system.

    Paths are text and not of pathlib where every store and every frame passes: making a few
    objects of it takes longer than the system call that they are for.
    """

    def __init__(self, root: Path, min_free_bytes: int) -> None:
        self._root = root.resolve()
        self._root_text = str(self._root)
        self._min_free_bytes = min_free_bytes
        self._lock = threading.Lock()
        self._folder = ""
        self._room_in_folder = 0

    def create(self) -> LocalObjectWriter:
        """Begin an object."""
        self.check()
        key = self._new_key()
        return LocalObjectWriter(f"{self._root_text}/{key}", key)

    def _new_key(self) -> str:
        with self._lock:
            if self._room_in_folder == 0 or not _is_folder(f"{self._root_text}/{self._folder}"):
                self._folder = self._make_folder()
                self._room_in_folder = OBJECTS_A_FOLDER
            self._room_in_folder -= 1
            return f"{self._folder}/{secrets.token_hex(16)}"

    def _make_folder(self) -> str:
        name = secrets.token_hex(8)
        relative = f"{name[:2]}/{name[2:]}"
        folder = self._root / relative
        try:
            folder.mkdir(parents=True, mode=0o750)
            for parent in (folder.parent, self._root, self._root.parent):
                sync_folder(parent)
        except OSError as error:
            raise _refusal(error) from error
        return relative

    def sync_folders(self, keys: Iterable[str]) -> None:
        """Sync each folder once."""
        for folder in {key.rpartition("/")[0] for key in keys}:
            try:
                sync_folder(self._root / folder)
            except OSError as error:
                raise _refusal(error) from error

    def open(self, key: str) -> LocalObjectReader:
        """Map an object."""
        try:
            descriptor = os.open(f"{self._root_text}/{key}", READ_ONLY)
            try:
                return LocalObjectReader(descriptor)
            finally:
                os.close(descriptor)
        except FileNotFoundError as error:
            raise ObjectDamaged("a stored object is missing from its place") from error
        except ValueError as error:
            raise ObjectDamaged("a stored object is empty") from error
        except OSError as error:
            raise Unavailable("a stored object cannot be read") from error

    def path(self, key: str) -> str:
        """The object's file."""
        return f"{self._root_text}/{key}"

    def set_aside(self, keys: Iterable[str]) -> None:
        """Rename. Where that fails, whoever has looked an object up may read it a little longer."""
        for key in keys:
            try:
                (self._root / key).rename(self._root / f"{key}{ASIDE}")
            except OSError:
                log.warning("objects.not_set_aside", key=key, exc_info=True)

    def remove(self, key: str) -> None:
        """Unlink, under both names."""
        (self._root / key).unlink(missing_ok=True)
        (self._root / f"{key}{ASIDE}").unlink(missing_ok=True)

    def check(self) -> None:
        """Refuse while less than the reserve is free."""
        try:
            if not _is_folder(self._root_text):
                self._root.mkdir(parents=True, exist_ok=True, mode=0o750)
            free = shutil.disk_usage(self._root_text).free
        except OSError as error:
            raise _refusal(error) from error
        if free < self._min_free_bytes:
            raise OutOfResources(
                f"{free >> 20} MiB are free; {self._min_free_bytes >> 20} MiB are held in reserve"
            )

"""What a folder or a ZIP holds, entry by entry. Nothing is ever extracted to disk.

A ZIP is looked at before it is read: how many entries it has, and what they would inflate to. An
entry is read as a stream, never beyond the size that it announces.
"""

import os
import struct
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from hounsfield.db.errors import CannotStart

PIECE = 256 * 1024
HEAD = 2048
MOST_ENTRIES = 250_000
MOST_DIRECTORY_BYTES = 64 * 1024 * 1024
MOST_RATIO = 200
FREE_OF_RATIO = 16 * 1024 * 1024
END_OF_DIRECTORY = b"PK\x05\x06"
END_OF_DIRECTORY_64 = b"PK\x06\x06"
BASIC_DIRECTORY_UID = b"1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, and what tells whether it has changed since it was last looked at."""

    name: str
    size: int
    stamp: str


class Source(Protocol):
    """A folder or a ZIP."""

    entries: list[Entry]

    def open(self, entry: Entry) -> IO[bytes]:
        """Read it. Raises OSError, or what else a broken file gives rise to."""

    def close(self) -> None:
        """Let go of it."""


READ_ERRORS = (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError)
"""What reading a file, or an entry of a ZIP that somebody made by hand, may raise."""


class Unreadable(Exception):
    """This entry cannot be sent; the message says why."""

    def __init__(self, entry: Entry, reason: str) -> None:
        super().__init__(reason)
        self.entry = entry


class Folder:
    """All files below a folder, in the order of their names. Links are not followed."""

    def __init__(self, path: Path) -> None:
        self._root = path
        self.entries: list[Entry] = []
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                file = Path(folder) / name
                with suppress(OSError):
                    found = file.lstat()
                    relative = file.relative_to(path).as_posix()
                    self.entries.append(Entry(relative, found.st_size, str(found.st_mtime_ns)))

    def open(self, entry: Entry) -> IO[bytes]:
        """Open the file."""
        path = self._root / entry.name
        if path.is_symlink() or not path.is_file():
            raise OSError("it is no ordinary file")
        return path.open("rb")

    def close(self) -> None:
        """Nothing is held."""


class Zip:
    """The entries of a ZIP."""

    def __init__(self, path: Path) -> None:
        _check_directory(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except READ_ERRORS as error:
            raise CannotStart(f"{path.name} cannot be read as a ZIP: {error}") from None
        members = [member for member in self._zip.infolist() if not member.is_dir()]
        inflated = sum(member.file_size for member in members)
        if inflated > FREE_OF_RATIO and inflated > MOST_RATIO * path.stat().st_size:
            raise CannotStart(f"{path.name} would inflate to over {MOST_RATIO} times its size.")
        self._members = {str(number): member for number, member in enumerate(members)}
        self.entries = [
            Entry(member.filename, member.file_size, number)
            for number, member in self._members.items()
        ]

    def open(self, entry: Entry) -> IO[bytes]:
        """Inflate the entry as it is read."""
        member = self._members[entry.stamp]
        if member.flag_bits & 1:
            raise OSError("it is encrypted")
        if (
            member.file_size > FREE_OF_RATIO
            and member.file_size > MOST_RATIO * member.compress_size
        ):
            raise OSError(f"it would inflate to over {MOST_RATIO} times its size")
        return self._zip.open(member)

    def close(self) -> None:
        """Close the file."""
        self._zip.close()


def open_source(path: Path) -> Source:
    """A folder or a ZIP. Raises CannotStart."""
    if path.is_dir():
        return Folder(path)
    if not path.is_file():
        raise CannotStart(f"{path} is neither a folder nor a file.")
    if not zipfile.is_zipfile(path):
        raise CannotStart(f"{path.name} is not a ZIP; give a folder or a ZIP.")
    return Zip(path)


def look_at(source: Source, entry: Entry) -> tuple[bytes, str]:
    """The beginning of an entry, and why it is passed over (nothing where it is DICOM)."""
    if not entry.size:
        return b"", "it is empty"
    try:
        with source.open(entry) as file:
            head = file.read(HEAD)
    except READ_ERRORS as error:
        raise Unreadable(entry, f"it cannot be read: {error}") from error
    name = entry.name.rpartition("/")[2].upper()
    if name == "DICOMDIR" or BASIC_DIRECTORY_UID in head:
        return head, "a DICOMDIR, which only lists files"
    return head, "" if _is_dicom(head) else "not a DICOM file"


def _is_dicom(head: bytes) -> bool:
    """PS3.10 7.1, or a bare data set that begins with group 0002 or 0008, as old files do."""
    if head[128:132] == b"DICM" or head[:4] == b"DICM":
        return True
    group, element = struct.unpack_from("<HH", head.ljust(4, b"\0"))
    return group in {0x0002, 0x0008} and element <= 0x0100 and len(head) >= HEAD // 8


def pieces(source: Source, entry: Entry) -> Iterator[bytes]:
    """All bytes of an entry. Raises Unreadable."""
    try:
        with source.open(entry) as file:
            while piece := file.read(PIECE):
                yield piece
    except READ_ERRORS as error:
        raise Unreadable(entry, f"it cannot be read: {error}") from error


def _check_directory(path: Path) -> None:
    """Refuse a directory that would fill the memory, by what the end of the file says of it."""
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, 65_535 + 22 + 76), os.SEEK_END)
        tail = file.read()
    end = tail.rfind(END_OF_DIRECTORY)
    entries, size = struct.unpack_from("<HI", tail, end + 10)
    end_64 = tail.rfind(END_OF_DIRECTORY_64)
    if (entries == 0xFFFF or size == 0xFFFFFFFF) and 0 <= end_64 <= len(tail) - 56:
        entries, size = struct.unpack_from("<QQ", tail, end_64 + 32)
    if entries > MOST_ENTRIES or size > MOST_DIRECTORY_BYTES:
        raise CannotStart(
            f"{path.name} has {entries} entries; {MOST_ENTRIES} are taken at most. Unpack it, and "
            "import the folder."
        )

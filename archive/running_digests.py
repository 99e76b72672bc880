"""The digests of an object, made while it arrives: its bytes are in the processor's cache then."""

from blake3 import blake3

from hounsfield.archive.digests import digest_of
from hounsfield.archive.errors import HounsfieldError
from hounsfield.archive.file_meta import FileMeta, read_file_meta
from hounsfield.archive.objects.port import Bytes, ObjectReader

NEXT_TAG = 8
"""Bytes behind the File Meta without which nobody can say that it has ended."""


class RunningDigests:
    """BLAKE3 of the File Meta and of the data set behind it, each by itself."""

    def __init__(self) -> None:
        self.file_meta: FileMeta | None = None
        """Known once the beginning has come, where all of it was in there."""
        self._of_file_meta = b""
        self._of_data_set = blake3()

    def begin(self, beginning: Bytes, file_meta: FileMeta | None = None) -> None:
        """Take the first bytes. Without ``file_meta`` it is looked for in them."""
        view = memoryview(beginning)
        self.file_meta = file_meta or _whole_file_meta(view)
        if self.file_meta is not None:
            offset = self.file_meta.dataset_offset
            self._of_file_meta = blake3(view[:offset]).digest()
            self._of_data_set.update(view[offset:])

    def update(self, data: Bytes) -> None:
        """Take the next bytes."""
        if self.file_meta is not None:
            self._of_data_set.update(data)

    def both(self, reader: ObjectReader, dataset_offset: int, size: int) -> tuple[bytes, bytes]:
        """Both digests; read from the object where the beginning did not say where to part it."""
        if self.file_meta is not None:
            return self._of_file_meta, self._of_data_set.digest()
        return digest_of(reader, 0, dataset_offset), digest_of(reader, dataset_offset, size)


def _whole_file_meta(beginning: memoryview) -> FileMeta | None:
    try:
        found = read_file_meta(beginning)
    except HounsfieldError:
        return None  # it is said when the header is read, of which there may be more to come
    return found if found.dataset_offset + NEXT_TAG <= len(beginning) else None

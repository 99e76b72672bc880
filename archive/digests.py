"""The digest kept with each object: BLAKE3 of the data set, and of the File Meta before it.

Not SHA-256: on a processor without instructions for it, that is most of what a store costs.
"""

from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from hounsfield.archive.errors import ObjectDamaged
from hounsfield.archive.objects.port import ObjectReader, ObjectStore

CHUNK = 8 * 1024 * 1024


def digest_of(reader: ObjectReader, start: int, end: int) -> bytes:
    """BLAKE3 of a byte range, without keeping its pages in memory."""
    view = reader.map()
    hasher = blake3()
    for offset in range(start, end, CHUNK):
        stop = min(offset + CHUNK, end)
        hasher.update(view[offset:stop])
        reader.release_pages(offset, stop)
    return hasher.digest()


def object_fits(objects: ObjectStore, row: Mapping[str, Any] | Any) -> bool:
    """True where the object of an ``instance`` row is there and fits its digests."""
    try:
        with objects.open(row["object_key"]) as reader:
            size, offset = reader.map().nbytes, row["dataset_offset"]
            return bool(
                size == row["object_size"]
                and digest_of(reader, 0, offset) == row["file_meta_digest"]
                and digest_of(reader, offset, size) == row["digest"]
            )
    except ObjectDamaged:
        return False

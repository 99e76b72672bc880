"""The data set of a stored instance in the transfer syntax that its receiver takes (PS3.5 8, A).

As it is stored it goes out from its object. Without compression it is written anew around its own
pixels; compressed pixels are decoded into a file without a name.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hounsfield.archive.bulkdata import BulkdataLocation
from hounsfield.archive.errors import NotFound, TransferSyntaxNotSupported
from hounsfield.archive.file_meta import EXPLICIT_LITTLE, IMPLICIT_LITTLE, read_file_meta
from hounsfield.archive.objects.local import LocalObjectReader
from hounsfield.archive.pieces import WORDS, Buffer, pieces
from hounsfield.archive.retrieve import StoredInstance, open_object
from hounsfield.archive.transcoding.syntaxes import DECODABLE, NATIVE

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

MADE = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""What any instance can be made into, the better one first."""
PIXELS = (0x7FE00010, 0x7FE00009, 0x7FE00008)


def can_be_made(stored: str) -> bool:
    """Whether what is stored in that syntax can be had in another one."""
    return stored in NATIVE or stored in DECODABLE


@contextmanager
def data_set(
    archive: "Archive", instance: StoredInstance, transfer_syntax_uid: str
) -> Iterator[Iterator[Buffer]]:
    """The data set behind the File Meta, in pieces.

    Raises ObjectDamaged, and TransferSyntaxNotSupported where it cannot be made.
    """
    if transfer_syntax_uid == instance.transfer_syntax_uid:
        with open_object(archive, instance) as reader:
            yield pieces(reader, instance.dataset_offset, instance.object_size)
    elif instance.transfer_syntax_uid in NATIVE:
        with _rewritten(archive, instance, transfer_syntax_uid) as made:
            yield made
    elif instance.transfer_syntax_uid in DECODABLE and _pixels(instance) is not None:
        with _decoded(archive, instance, transfer_syntax_uid) as made:
            yield made
    else:
        raise TransferSyntaxNotSupported("it can be sent as it is stored alone")


@contextmanager
def _rewritten(
    archive: "Archive", instance: StoredInstance, target: str
) -> Iterator[Iterator[Buffer]]:
    """Another encoding of the elements around the pixels, which stay where they are."""
    with open_object(archive, instance) as reader:
        arguments: dict[str, Any] = {
            "path": archive.objects.path(instance.object_key),
            "target": target,
        }
        place = _pixels(instance)
        if place is not None and place[1].transform != "none":
            place = place if place[1].transform in WORDS else None
        if place is not None:
            tag, value = place
            arguments["pixels"] = {
                "tag": tag,
                "vr": value.vr,
                "offset": value.offset,
                "length": value.length,
            }
        reply = archive.transcoding.run("rewrite", arguments)
        head = memoryview(reply.payload)[: reply.facts["before"]]
        rest = memoryview(reply.payload)[reply.facts["before"] :]

        def around() -> Iterator[Buffer]:
            yield head[read_file_meta(head).dataset_offset :]
            if place is not None:
                value = place[1]
                word = WORDS.get(value.transform, 1)
                yield from pieces(reader, value.offset, value.offset + value.length, word)
            yield rest

        yield around()


@contextmanager
def _decoded(
    archive: "Archive", instance: StoredInstance, target: str
) -> Iterator[Iterator[Buffer]]:
    folder = archive.settings.data_dir.resolve() / "scratch"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    output = folder / secrets.token_hex(16)
    place = _pixels(instance)
    assert place is not None  # noqa: S101 - the caller has looked
    arguments = {
        "path": archive.objects.path(instance.object_key),
        "behind": place[1].offset + place[1].length,
        "output": str(output),
        "target": target,
    }
    try:
        archive.transcoding.run("decode_object", arguments)
        with output.open("rb") as file:
            reader = LocalObjectReader(file.fileno())
    finally:
        output.unlink(missing_ok=True)
    with reader:
        view = reader.map()
        yield pieces(reader, read_file_meta(view).dataset_offset, len(view))


def _pixels(instance: StoredInstance) -> tuple[int, BulkdataLocation] | None:
    """Where the pixels lie in the object."""
    table = instance.bulkdata
    if table is None:
        return None
    for tag in PIXELS:
        try:
            return tag, table.locate(f"{tag:08X}")
        except NotFound:
            continue
    return None

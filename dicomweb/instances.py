"""WADO-RS instances: a study, a series or one instance (PS3.18 10.4.1.1.1).

What is stored in a transfer syntax that the web carries is sent from the mapped object, byte for
byte. Implicit VR and big-endian objects get a new header around their own pixels.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from hounsfield.archive.retrieve import find_instances
from hounsfield.dicomweb.answers import (
    PRIVATE,
    Answer,
    AnyAnswer,
    Buffer,
    StreamedAnswer,
    etag_header,
    etag_of,
    not_modified,
)
from hounsfield.dicomweb.catalog import Catalog, Known
from hounsfield.dicomweb.media_types import DICOM, accepted
from hounsfield.dicomweb.multipart import closing, content_type_of, part_head
from hounsfield.dicomweb.negotiation import Choice, Making, Sent, choose_objects
from hounsfield.dicomweb.outgoing import Outgoing, OutgoingObjects
from hounsfield.dicomweb.resource import DicomWebRequest

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

AT_ONCE = 1024 * 1024


class Instances:
    """``/studies/{study}`` and below, down to one instance."""

    def __init__(self, archive: "Archive", catalog: Catalog, objects: OutgoingObjects) -> None:
        self._archive = archive
        self._catalog = catalog
        self._objects = objects

    async def retrieve(self, request: DicomWebRequest) -> AnyAnswer:
        """All instances of the resource, in the order of their arrival."""
        found = await self._find(request)
        choice = choose_objects(accepted(request), found)
        etag = _etag(found, choice)
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        headers = [*PRIVATE, etag_header(etag), (b"content-type", _content_type(choice, etag))]
        first = await self._objects.prepare(found[0], choice.objects[0])
        if len(found) == 1 and first.length <= AT_ONCE:
            return Answer([piece async for piece in _one(choice, first, etag)], headers)
        return StreamedAnswer(
            self._stream(found, choice, first, etag), headers, _length(found, choice, etag)
        )

    async def _find(self, request: DicomWebRequest) -> list[Known]:
        study, series, instance = request.uids()
        if series is not None and instance is not None:
            return [await self._catalog.find(study, series, instance)]
        return [Known(one, 0) for one in await find_instances(self._archive, study, series)]

    async def _stream(
        self, found: Sequence[Known], choice: Choice, first: Outgoing, etag: str
    ) -> AsyncGenerator[Buffer, None]:
        for index, (known, sent) in enumerate(zip(found, choice.objects, strict=True)):
            outgoing = first if index == 0 else await self._objects.prepare(known, sent)
            async with outgoing:
                if choice.multipart:
                    yield _head(sent, outgoing.length, etag, first=index == 0)
                async for piece in outgoing.pieces():
                    yield piece
        if choice.multipart:
            yield closing(etag)


async def _one(choice: Choice, outgoing: Outgoing, etag: str) -> AsyncGenerator[Buffer, None]:
    async with outgoing:
        if choice.multipart:
            yield _head(choice.objects[0], outgoing.length, etag, first=True)
        async for piece in outgoing.pieces():
            yield piece
        if choice.multipart:
            yield closing(etag)


def _head(sent: Sent, length: int, etag: str, *, first: bool) -> bytes:
    return part_head(etag, _part_type(sent), length, first=first)


def _part_type(sent: Sent) -> str:
    return f"{DICOM}; transfer-syntax={sent.transfer_syntax}"


def _content_type(choice: Choice, etag: str) -> bytes:
    return (
        content_type_of(DICOM, etag) if choice.multipart else _part_type(choice.objects[0]).encode()
    )


def _etag(found: Sequence[Known], choice: Choice) -> str:
    parts: list[bytes | str] = ["multipart" if choice.multipart else "single"]
    for known, sent in zip(found, choice.objects, strict=True):
        instance = known.instance
        parts += [instance.file_meta_digest, instance.digest, sent.making.value]
    return etag_of(*parts)


def _length(found: Sequence[Known], choice: Choice, etag: str) -> int | None:
    """Known beforehand where all objects go out as they are stored."""
    if any(sent.making is not Making.AS_STORED for sent in choice.objects):
        return None
    sizes = [known.instance.object_size for known in found]
    if not choice.multipart:
        return sum(sizes)
    heads = (
        len(_head(sent, size, etag, first=index == 0))
        for index, (size, sent) in enumerate(zip(sizes, choice.objects, strict=True))
    )
    return sum(sizes) + sum(heads) + len(closing(etag))

"""WADO-RS instances: a study, a series or one instance (PS3.18 10.4.1.1.1).

What is stored in a transfer syntax that the web carries is sent from the mapped object, byte for
byte. Implicit VR and big-endian objects get a new header around their own pixels.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from http import HTTPStatus
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
    while_client_stays,
)
from hounsfield.dicomweb.catalog import Catalog, Known
from hounsfield.dicomweb.encodings import may_need_encoding
from hounsfield.dicomweb.media_types import DICOM, ZIP, MediaType, accepted
from hounsfield.dicomweb.multipart import closing, content_type_of, part_head
from hounsfield.dicomweb.negotiation import CODECS, Choice, Sent, choose_objects
from hounsfield.dicomweb.outgoing import Outgoing, OutgoingObjects
from hounsfield.dicomweb.problems import Headers, NotAcceptable
from hounsfield.dicomweb.resource import DicomWebRequest
from hounsfield.dicomweb.zip_body import zip_entry, zip_pieces

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

AT_ONCE = 1024 * 1024

Sending = tuple[Known, Sent]


class Instances:
    """``/studies/{study}`` and below, down to one instance."""

    def __init__(self, archive: "Archive", catalog: Catalog, objects: OutgoingObjects) -> None:
        self._archive = archive
        self._catalog = catalog
        self._objects = objects

    async def retrieve(self, request: DicomWebRequest) -> AnyAnswer:
        """All instances of the resource, in the order of their arrival."""
        found = await self._find(request)
        accept = accepted(request)
        if may_need_encoding(accept):
            await self._catalog.describe(found, *request.uids())
        choice, zipped = _choose(accept, found)
        etag = _etag(found, choice, zipped)
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        sending = list(_sending(found, choice))
        headers = [*PRIVATE, etag_header(etag), *_partial(request, choice)]
        status = HTTPStatus.PARTIAL_CONTENT if choice.left_out else HTTPStatus.OK
        if zipped:
            pieces = zip_pieces(sending, self._objects.prepare)
            return StreamedAnswer(pieces, [*headers, *_as_a_file(request)], None, status)
        headers.append((b"content-type", _content_type(choice.multipart, sending, etag)))
        length = _length(choice.multipart, sending, etag)
        if request.method == "HEAD":
            pieces = self._stream(sending, choice.multipart, None, etag)
            return StreamedAnswer(pieces, headers, length, status)
        async with while_client_stays(request.receive, sending[0][1].making.needs_worker):
            first = await self._objects.prepare(*sending[0])
        pieces = self._stream(sending, choice.multipart, first, etag)
        if len(sending) == 1 and first.length <= AT_ONCE:
            return Answer([piece async for piece in pieces], headers, status)
        return StreamedAnswer(pieces, headers, length, status)

    async def _find(self, request: DicomWebRequest) -> list[Known]:
        study, series, instance = request.uids()
        if series is not None and instance is not None:
            return [await self._catalog.find(study, series, instance)]
        return [Known(one, 0) for one in await find_instances(self._archive, study, series)]

    async def _stream(
        self, sending: Sequence[Sending], multipart: bool, first: Outgoing | None, etag: str
    ) -> AsyncGenerator[Buffer, None]:
        for index, (known, sent) in enumerate(sending):
            outgoing, first = first or await self._objects.prepare(known, sent), None
            async with outgoing:
                if multipart:
                    yield _head(sent, outgoing.length, etag, first=index == 0)
                async for piece in outgoing.pieces():
                    yield piece
        if multipart:
            yield closing(etag)


def _choose(accept: Sequence[MediaType], found: Sequence[Known]) -> tuple[Choice, bool]:
    """How the instances are sent, and whether in a ZIP file."""
    zipped = zip_entry(accept)
    if zipped is None or accept[0].name != ZIP:
        try:
            return choose_objects(accept, found), False
        except NotAcceptable:
            if zipped is None:
                raise
    return choose_objects([zipped], found), True


def _as_a_file(request: DicomWebRequest) -> Headers:
    name = [uid for uid in request.uids() if uid][-1]
    disposition = f'attachment; filename="{name}.zip"'
    return [(b"content-type", ZIP.encode()), (b"content-disposition", disposition.encode())]


def _sending(found: Sequence[Known], choice: Choice) -> Iterator[Sending]:
    for known, sent in zip(found, choice.objects, strict=True):
        if sent is not None:
            yield known, sent


def _partial(request: DicomWebRequest, choice: Choice) -> Headers:
    if not choice.left_out:
        return []
    text = f"299 {request.service}: {choice.left_out} instances are not in the accepted encodings"
    return [(b"warning", text.encode())]


def _head(sent: Sent, length: int, etag: str, *, first: bool) -> bytes:
    return part_head(etag, _part_type(sent), length, first=first)


def _part_type(sent: Sent) -> str:
    return f"{DICOM}; transfer-syntax={sent.transfer_syntax}"


def _content_type(multipart: bool, sending: Sequence[Sending], etag: str) -> bytes:
    return content_type_of(DICOM, etag) if multipart else _part_type(sending[0][1]).encode()


def _etag(found: Sequence[Known], choice: Choice, zipped: bool) -> str:
    container = "zip" if zipped else "multipart" if choice.multipart else "single"
    parts: list[bytes | str] = [container, CODECS]
    for known, sent in zip(found, choice.objects, strict=True):
        how = f"{sent.making.value} {sent.transfer_syntax}" if sent else "left out"
        parts += [known.instance.file_meta_digest, known.instance.digest, how]
    return etag_of(*parts)


def _length(multipart: bool, sending: Sequence[Sending], etag: str) -> int | None:
    """Known beforehand where all objects go out as they are stored."""
    if any(sent.making.needs_worker for _, sent in sending):
        return None
    sizes = [known.instance.object_size for known, _ in sending]
    if not multipart:
        return sum(sizes)
    heads = (
        len(_head(sent, size, etag, first=index == 0))
        for index, (size, (_, sent)) in enumerate(zip(sizes, sending, strict=True))
    )
    return sum(sizes) + sum(heads) + len(closing(etag))

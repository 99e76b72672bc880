"""WADO-RS collections: all bulk data, or all pixel data, of a study, a series or an instance.

PS3.18 10.4.1.1.5. Each part names its own resource in Content-Location. Native pixels are one
part an instance, compressed ones a part a frame, in the transfer syntax that is asked for.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from hounsfield.archive.errors import NotFound
from hounsfield.archive.retrieve import StoredInstance, find_instances
from hounsfield.archive.transcoding.syntaxes import NATIVE
from hounsfield.dicomweb.answers import (
    PRIVATE,
    AnyAnswer,
    Buffer,
    StreamedAnswer,
    etag_header,
    etag_of,
    not_modified,
)
from hounsfield.dicomweb.bulkdata import value_pieces
from hounsfield.dicomweb.catalog import Catalog, Known
from hounsfield.dicomweb.encodings import may_need_encoding
from hounsfield.dicomweb.frames import Frames
from hounsfield.dicomweb.media_types import OCTET_STREAM, MediaType, accepted
from hounsfield.dicomweb.multipart import closing, content_type_of, part_head
from hounsfield.dicomweb.negotiation import CODECS, Making, Sent, choose_frames
from hounsfield.dicomweb.outgoing import PIXELS
from hounsfield.dicomweb.problems import Headers, NotAcceptable
from hounsfield.dicomweb.resource import DicomWebRequest

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

Part = tuple[bytes, AsyncIterator[Buffer]]
Wanted = tuple[Known, str, Sent | None]
"""An instance, the path of a value in it, and how its frames go where they go one by one."""
MANY = 2
PIXEL_PATHS = tuple(f"{tag:08X}" for tag in PIXELS)


class Collections:
    """``…/bulkdata`` and ``…/pixeldata``."""

    def __init__(self, archive: "Archive", catalog: Catalog, frames: Frames) -> None:
        self._archive = archive
        self._catalog = catalog
        self._frames = frames

    async def bulkdata(self, request: DicomWebRequest) -> AnyAnswer:
        """Every value that metadata give by URI."""
        if not any(entry.covers_multipart(OCTET_STREAM) for entry in accepted(request)):
            raise NotAcceptable(f"bulk data come as a multipart of {OCTET_STREAM}")
        known = await self._find(request)
        wanted = [(one, path, _as_stored(one, path)) for one in known for path in one.bulkdata]
        return self._answer(request, known, wanted, 0)

    async def pixeldata(self, request: DicomWebRequest) -> AnyAnswer:
        """The pixels of every image."""
        known = [one for one in await self._find(request) if one.has_pixels]
        accept = accepted(request)
        if may_need_encoding(accept):
            await self._catalog.describe(known, *request.uids())
        wanted = [found for one in known if (found := _pixels(accept, one))]
        if known and not wanted:
            raise NotAcceptable("none of the accepted media types and transfer syntaxes fits")
        return self._answer(request, known, wanted, len(known) - len(wanted))

    async def _find(self, request: DicomWebRequest) -> list[Known]:
        return [Known(one, 0) for one in await find_instances(self._archive, *request.uids())]

    def _answer(
        self, request: DicomWebRequest, known: Sequence[Known], wanted: list[Wanted], left_out: int
    ) -> AnyAnswer:
        if not wanted:
            raise NotFound("there are no such data in this resource")
        kinds = [f"{path} {sent}" for _, path, sent in wanted]
        digests = [one.instance.digest for one in known]
        etag = etag_of(request.service, CODECS, *kinds, *digests)
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        headers: Headers = [*PRIVATE, etag_header(etag)]
        first = wanted[0][2]
        root = first.media_type if first else OCTET_STREAM
        headers.append((b"content-type", content_type_of(root, etag)))
        if left_out:
            text = f"299 {request.service}: {left_out} instances are not in the accepted encodings"
            headers.append((b"warning", text.encode()))
        status = HTTPStatus.PARTIAL_CONTENT if left_out else HTTPStatus.OK
        return StreamedAnswer(self._body(request.service, wanted, etag), headers, None, status)

    async def _body(
        self, service: str, wanted: list[Wanted], etag: str
    ) -> AsyncGenerator[Buffer, None]:
        first = True
        for one, path, sent in wanted:
            frames = self._each_frame(service, one, sent, etag) if sent else None
            async for head, pieces in frames or self._value(service, one, path, etag):
                yield head[2:] if first else head
                first = False
                async for piece in pieces:
                    yield piece
        yield closing(etag)

    async def _value(self, service: str, known: Known, path: str, etag: str) -> AsyncIterator[Part]:
        place = known.bulkdata.locate(path)
        location = f"{_url(service, known.instance)}/bulkdata/{path}"
        head = part_head(etag, OCTET_STREAM, place.length, location=location)
        reader = await self._catalog.open(known)
        yield head, value_pieces(reader, known, place, 0, place.length)

    async def _each_frame(
        self, service: str, known: Known, sent: Sent, etag: str
    ) -> AsyncIterator[Part]:
        whole = known.frames.transform == "video"
        kind = f"{sent.media_type}; transfer-syntax={sent.transfer_syntax}"
        for number in range(1, 1 + (1 if whole else known.frames.number_of_frames)):
            body = await self._frames.frame(known, number, sent)
            location = f"{_url(service, known.instance)}/frames/{number}"
            length = sum(len(piece) for piece in body)
            yield part_head(etag, kind, length, location=location), _each(body)


def _as_stored(known: Known, path: str) -> Sent | None:
    """Compressed pixels have no meaning but frame by frame; all else is a value."""
    place = known.bulkdata.locate(path)
    if path not in PIXEL_PATHS or place.transform != "encapsulated":
        return None
    return Sent(Making.AS_STORED, known.transfer_syntax_uid, OCTET_STREAM)


def _pixels(accept: Sequence[MediaType], known: Known) -> Wanted | None:
    try:
        sent = choose_frames(accept, known, MANY).sent
    except NotAcceptable:
        return None
    path = next(path for path in PIXEL_PATHS if path in known.bulkdata.locations)
    value = sent.making is Making.AS_STORED and known.transfer_syntax_uid in NATIVE
    return known, path, None if value else sent


def _url(service: str, instance: StoredInstance) -> str:
    return (
        f"{service}/studies/{instance.study_instance_uid}/series/{instance.series_instance_uid}"
        f"/instances/{instance.sop_instance_uid}"
    )


async def _each(body: Sequence[Buffer]) -> AsyncIterator[Buffer]:
    for piece in body:
        yield piece

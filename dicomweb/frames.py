"""WADO-RS frames (PS3.18 10.4.1.1.6): one positioned slice of the stored object for each.

This is the path that a viewer's scrolling takes, one frame a request. Nothing is decoded unless
the client asks for it.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from hounsfield.archive.errors import NotFound
from hounsfield.dicomweb.answers import (
    PIECE,
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
from hounsfield.dicomweb.media_types import accepted
from hounsfield.dicomweb.multipart import closing, content_type_of, part_head
from hounsfield.dicomweb.negotiation import CODECS, FrameChoice, Making, Sent, choose_frames
from hounsfield.dicomweb.pixel_bytes import frame_pieces
from hounsfield.dicomweb.problems import BadRequest
from hounsfield.dicomweb.render_pool import RenderPool
from hounsfield.dicomweb.resource import DicomWebRequest

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

MAX_LIST = 100_000
NUMBER = re.compile(r"[1-9][0-9]{0,8}")
SENT_AT_ONCE = 4 * PIECE


class Frames:
    """``/studies/…/instances/{instance}/frames/{list}``."""

    def __init__(self, archive: "Archive", catalog: Catalog, pool: RenderPool) -> None:
        self._archive = archive
        self._catalog = catalog
        self._pool = pool

    async def retrieve(self, request: DicomWebRequest) -> AnyAnswer:
        """The frames of the list, in its order."""
        path = request.path_params
        known = await self._catalog.find(
            request.uid("study"), request.uid("series"), request.uid("instance")
        )
        numbers = parse_frame_list(path["frames"], known.frames.number_of_frames)
        return await self._answer(request, known, numbers, path["frames"])

    async def retrieve_all(self, request: DicomWebRequest, known: Known) -> AnyAnswer:
        """All frames: what encapsulated pixel data are as bulk data."""
        whole_stream = known.frames.transform == "video"
        count = 1 if whole_stream else known.frames.number_of_frames
        return await self._answer(request, known, range(1, count + 1), "all")

    async def _answer(
        self, request: DicomWebRequest, known: Known, numbers: Sequence[int], name: str
    ) -> AnyAnswer:
        accept = accepted(request)
        if may_need_encoding(accept, known.transfer_syntax_uid):
            await self._catalog.describe([known], *request.uids())
        choice = choose_frames(accept, known, len(numbers))
        kind = f"{name} {choice.sent.transfer_syntax} {choice.sent.media_type} {choice.multipart}"
        etag = etag_of(known.instance.digest, CODECS, "frames", kind, request.service)
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        async with while_client_stays(request.receive, choice.sent.making.needs_worker):
            first = await self.frame(known, numbers[0], choice.sent)
        if len(numbers) == 1 and sum(map(len, first)) <= SENT_AT_ONCE:
            return _one(request, choice, first, numbers[0], etag)
        pieces = self._stream(request, known, numbers, choice, etag, first)
        return StreamedAnswer(pieces, _headers(choice, etag), None)

    async def frame(self, known: Known, number: int, sent: Sent) -> Sequence[Buffer]:
        """One frame; slices of a mapped object keep it alive until they are sent."""
        if sent.making is Making.AS_STORED:
            with await self._catalog.open(known) as reader:
                return frame_pieces(reader.map(), known.instance, known.frames, number)
        arguments = {"path": await self._catalog.path(known), "frame": number}
        if sent.making is Making.ENCODED:
            arguments["syntax"] = sent.transfer_syntax
            return [(await self._pool.run("encode_frame", arguments)).payload]
        return [(await self._pool.run("decode_frame", arguments)).payload]

    async def _stream(
        self,
        request: DicomWebRequest,
        known: Known,
        numbers: Sequence[int],
        choice: FrameChoice,
        etag: str,
        first: Sequence[Buffer],
    ) -> AsyncGenerator[Buffer, None]:
        body: Sequence[Buffer] | None = first
        for index, number in enumerate(numbers):
            if body is None:
                body = await self.frame(known, number, choice.sent)
            if choice.multipart:
                yield _head(
                    request, choice.sent, number, sum(map(len, body)), etag, first=index == 0
                )
            for part in body:
                for start in range(0, len(part), PIECE):
                    yield part[start : start + PIECE]
            body = None
        if choice.multipart:
            yield closing(etag)


def parse_frame_list(text: str, number_of_frames: int) -> list[int]:
    """Frame numbers, counted from 1. Raises BadRequest, or NotFound for one that is not there."""
    parts = text.split(",", MAX_LIST)
    if len(parts) > MAX_LIST or not all(NUMBER.fullmatch(part) for part in parts):
        raise BadRequest("a frame list is made of whole numbers from 1 on, with commas between")
    numbers = [int(part) for part in parts]
    if max(numbers) > number_of_frames:
        raise NotFound(f"this instance has {number_of_frames} frames")
    return numbers


def _one(
    request: DicomWebRequest, choice: FrameChoice, body: Sequence[Buffer], number: int, etag: str
) -> Answer:
    if choice.multipart:
        head = _head(request, choice.sent, number, sum(map(len, body)), etag, first=True)
        body = (head, *body, closing(etag))
    return Answer(body, _headers(choice, etag))


def _head(
    request: DicomWebRequest, sent: Sent, number: int, length: int, etag: str, *, first: bool
) -> bytes:
    names = request.path_params
    location = (
        f"{request.service}/studies/{names['study']}/series/{names['series']}"
        f"/instances/{names['instance']}/frames/{number}"
    )
    return part_head(etag, _content_type(sent), length, location=location, first=first)


def _content_type(sent: Sent) -> str:
    """OHIF reads the transfer syntax here, in this spelling, and nowhere else."""
    return f"{sent.media_type}; transfer-syntax={sent.transfer_syntax}"


def _headers(choice: FrameChoice, etag: str) -> list[tuple[bytes, bytes]]:
    sent = choice.sent
    content_type = (
        content_type_of(sent.media_type, etag) if choice.multipart else _content_type(sent).encode()
    )
    return [*PRIVATE, etag_header(etag), (b"content-type", content_type)]

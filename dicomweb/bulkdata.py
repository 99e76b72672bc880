"""WADO-RS bulk data (PS3.18 10.4.1.1.5): one large value, whole or a range of it."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus

from hounsfield.archive.bulkdata import BulkdataLocation
from hounsfield.archive.objects.port import ObjectReader
from hounsfield.archive.pieces import WORDS, pieces
from hounsfield.dicomweb.answers import (
    PRIVATE,
    AnyAnswer,
    Buffer,
    StreamedAnswer,
    etag_header,
    etag_of,
    not_modified,
)
from hounsfield.dicomweb.catalog import Catalog, Known
from hounsfield.dicomweb.frames import Frames
from hounsfield.dicomweb.media_types import OCTET_STREAM, accepted
from hounsfield.dicomweb.multipart import closing, content_type_of, part_head
from hounsfield.dicomweb.pixel_bytes import value_bytes
from hounsfield.dicomweb.problems import BadRequest, Headers, NotAcceptable, RangeNotSatisfiable
from hounsfield.dicomweb.resource import DicomWebRequest

PATH = re.compile(r"[0-9A-F]{8}(/\d{1,6}/[0-9A-F]{8}){0,32}")
RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
NOT_KEPT: Headers = [
    (name, b"private, no-store" if name == b"cache-control" else value) for name, value in PRIVATE
]
"""A range counts the bytes of the value. A browser that keeps the multipart cuts it out of that."""


class Bulkdata:
    """``/studies/…/instances/{instance}/bulkdata/{path}``."""

    def __init__(self, catalog: Catalog, frames: Frames) -> None:
        self._catalog = catalog
        self._frames = frames

    async def retrieve(self, request: DicomWebRequest) -> AnyAnswer:
        """The value, as one body or as the one part of a multipart; pixels by their frames."""
        path = request.path_params["path"]
        if not PATH.fullmatch(path):
            raise BadRequest("bulk data are named by tags and item numbers")
        known = await self._catalog.find(
            request.uid("study"), request.uid("series"), request.uid("instance")
        )
        place = known.bulkdata.locate(path)
        if place.transform == "encapsulated" and path == "7FE00010":
            return await self._frames.retrieve_all(request, known)
        multipart = _in_multipart(request)
        etag = etag_of(known.instance.digest, "bulkdata", path, str(multipart))
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        return await self._value(request, known, place, etag, multipart)

    async def _value(
        self,
        request: DicomWebRequest,
        known: Known,
        place: BulkdataLocation,
        etag: str,
        multipart: bool,
    ) -> AnyAnswer:
        chosen = _range(request.headers.get("range"), place.length)
        start, end = chosen or (0, place.length)
        headers: Headers = [
            *(NOT_KEPT if multipart else PRIVATE),
            etag_header(etag),
            (b"accept-ranges", b"bytes"),
        ]
        if chosen:
            text = f"bytes {start}-{end - 1}/{place.length}"
            headers.append((b"content-range", text.encode()))
        status = HTTPStatus.PARTIAL_CONTENT if chosen else HTTPStatus.OK
        reader = await self._catalog.open(known)
        body = value_pieces(reader, known, place, start, end)
        length = end - start
        if multipart:
            head, tail = part_head(etag, OCTET_STREAM, length, first=True), closing(etag)
            headers.append((b"content-type", content_type_of(OCTET_STREAM, etag)))
            body, length = _wrapped(head, body, tail), len(head) + length + len(tail)
        else:
            headers.append((b"content-type", OCTET_STREAM.encode()))
        return StreamedAnswer(body, headers, length, status)


async def value_pieces(
    reader: ObjectReader, known: Known, place: BulkdataLocation, start: int, end: int
) -> AsyncGenerator[Buffer, None]:
    """A range of a value, piece by piece; the reader is closed at the end."""
    with reader:
        if place.transform in {"none", "encapsulated"}:
            for piece in pieces(reader, place.offset + start, place.offset + end):
                yield piece
        elif (word := WORDS.get(place.transform)) and not start and end == place.length:
            for piece in pieces(reader, place.offset, place.offset + end, word):
                yield piece
        else:
            yield memoryview(value_bytes(reader.map(), known.instance, place))[start:end]


async def _wrapped(
    head: bytes, body: AsyncIterator[Buffer], tail: bytes
) -> AsyncGenerator[Buffer, None]:
    yield head
    async for piece in body:
        yield piece
    yield tail


def _in_multipart(request: DicomWebRequest) -> bool:
    for entry in accepted(request):
        if entry.covers(OCTET_STREAM):
            return False
        if entry.covers_multipart(OCTET_STREAM):
            return True
    raise NotAcceptable(f"bulk data come as {OCTET_STREAM}")


def _range(header: str | None, length: int) -> tuple[int, int] | None:
    """First byte and the one behind the last (RFC 9110 14.1); None for the whole.

    A header that is not one range of bytes is passed over, as 14.2 says.
    """
    found = RANGE.fullmatch(header.replace(" ", "")) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, length - int(found[2])), length
    else:
        start, end = int(found[1]), min(length, int(found[2]) + 1) if found[2] else length
    if found[1] and found[2] and int(found[2]) < int(found[1]):
        return None
    if start >= length or end <= start:
        raise RangeNotSatisfiable(
            "the range lies outside the value",
            [(b"content-range", f"bytes */{length}".encode())],
        )
    return start, end

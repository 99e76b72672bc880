"""STOW-RS: store instances (PS3.18 10.5), streamed from the socket to the object store."""

import asyncio
import concurrent.futures
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import orjson

from hounsfield.archive.types import Source, StoreResult
from hounsfield.dicomweb.answers import PRIVATE, Answer
from hounsfield.dicomweb.bodies import batches, check_head, is_compressed
from hounsfield.dicomweb.gunzip import Gunzip
from hounsfield.dicomweb.media_types import (
    DICOM,
    DICOM_JSON,
    JSON,
    MULTIPART,
    choose,
    parse_media_type,
)
from hounsfield.dicomweb.multipart import MultipartReader, boundary_of
from hounsfield.dicomweb.problems import (
    RETRY_AFTER_SECONDS,
    BadRequest,
    Headers,
    UnsupportedMediaType,
)
from hounsfield.dicomweb.resource import DicomWebRequest
from hounsfield.dicomweb.store_metadata import METADATA_TYPES, MetadataReader, StoreMetadata
from hounsfield.dicomweb.store_parts import Part, StoreParts
from hounsfield.dicomweb.store_response import Failure, response_dataset, status_of_store

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

THREADS = 8


Sink = StoreParts | StoreMetadata


class BodyReader(Protocol):
    """Cuts a body into parts for a sink."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> None:
        """The body has come to its end."""

    def close(self) -> None:
        """The body was given up."""


class Store:
    """``POST /studies`` and ``POST /studies/{study}``."""

    def __init__(self, archive: "Archive") -> None:
        self._archive = archive
        self._threads = concurrent.futures.ThreadPoolExecutor(THREADS, thread_name_prefix="stow")

    async def store(self, request: DicomWebRequest) -> Answer:
        """Store the instances of one request."""
        media_type = choose(request, DICOM_JSON, JSON)
        study = request.uid("study") if "study" in request.path_params else None
        limit = self._archive.settings.http.max_store_bytes
        check_head(request, limit)
        client = request.client.host if request.client else ""
        source = Source("STOW-RS", address=client)
        reader, sink = _reader(request, self._archive, source, study)
        if is_compressed(request):
            reader = Gunzip(reader, limit)
        await self._read(request, reader, limit)
        if not sink.parts:
            raise BadRequest("the body holds no instance")
        stored, failures = await _await_all(sink.parts)
        return _answer(request, media_type, stored, failures)

    def close(self) -> None:
        """End the threads, once what they write is written."""
        self._threads.shutdown()

    async def _read(self, request: DicomWebRequest, reader: BodyReader, limit: int) -> None:
        """Read ahead one batch while the one before it is parsed and written."""
        patience = self._archive.settings.http.body_timeout_seconds
        writing: concurrent.futures.Future[None] | None = None
        try:
            async for batch, last in batches(request, limit, patience):
                if writing is not None:
                    await asyncio.wrap_future(writing)
                writing = self._threads.submit(_feed, reader, batch, last)
            if writing is not None:
                await asyncio.wrap_future(writing)
        except BaseException:
            # Not before the thread has let go of the part, even where this task is cancelled.
            closing = self._threads.submit(_close, reader, writing)
            await asyncio.shield(asyncio.wrap_future(closing))
            raise


class _OnePart:
    """A body that is one instance, without multipart."""

    def __init__(self, sink: StoreParts) -> None:
        self._sink = sink
        self._begun = False

    def feed(self, chunk: bytes) -> None:
        if not self._begun:
            self._begun = True
            self._sink.begin({})
        self._sink.data(memoryview(chunk))

    def finish(self) -> None:
        if self._begun:
            self._sink.end()
            self._sink.finish()

    def close(self) -> None:
        self._sink.abort()


def _reader(
    request: DicomWebRequest, archive: "Archive", source: Source, study: str | None
) -> tuple[BodyReader, Sink]:
    content_type = parse_media_type(request.headers.get("content-type", ""))
    if content_type.name == MULTIPART and content_type.root in METADATA_TYPES:
        gathering = StoreMetadata(archive, source, study, content_type.root)
        return MetadataReader(boundary_of(content_type), gathering), gathering
    sink = StoreParts(archive, source, study)
    if content_type.name == DICOM:
        return _OnePart(sink), sink
    if content_type.name != MULTIPART or not content_type.covers_multipart(DICOM):
        kinds = ", ".join(f'{MULTIPART}; type="{kind}"' for kind in (DICOM, *METADATA_TYPES))
        raise UnsupportedMediaType(f"only {DICOM} and {kinds} can be stored")
    return MultipartReader(boundary_of(content_type), sink), sink


def _feed(reader: BodyReader, batch: Iterable[bytes], last: bool) -> None:
    for chunk in batch:
        reader.feed(chunk)
    if last:
        reader.finish()


def _close(reader: BodyReader, writing: "concurrent.futures.Future[None] | None") -> None:
    if writing is not None:
        concurrent.futures.wait([writing])
    reader.close()


async def _await_all(parts: Sequence[Part]) -> tuple[list[StoreResult], list[Failure]]:
    """Wait for the commits of all parts, which they share."""
    stored: list[StoreResult] = []
    for part in parts:
        if part.result is not None:
            stored.append(part.result)
        elif part.future is not None:
            try:
                stored.append(await asyncio.wrap_future(part.future))
            except Exception as refusal:
                part.error = refusal
    return stored, [Failure(part.error, *part.names()) for part in parts if part.error is not None]


def _answer(
    request: DicomWebRequest,
    media_type: str,
    stored: Sequence[StoreResult],
    failures: Sequence[Failure],
) -> Answer:
    status = status_of_store(stored, failures)
    headers: Headers = [*PRIVATE, (b"content-type", media_type.encode())]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    return Answer(
        (orjson.dumps(response_dataset(request.service, stored, failures)),), headers, status
    )

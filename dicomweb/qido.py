"""QIDO-RS: search for studies, series and instances (PS3.18 10.6)."""

from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from hounsfield.archive.search import Level, SearchResult, search
from hounsfield.dicomweb.answers import PRIVATE, Answer, AnyAnswer, etag_of
from hounsfield.dicomweb.json_bodies import json_answer
from hounsfield.dicomweb.media_types import DICOM_XML
from hounsfield.dicomweb.queries import parse_query
from hounsfield.dicomweb.resource import DicomWebRequest
from hounsfield.dicomweb.text_bodies import choose_text, xml_answer

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive


class Search:
    """The six search resources: three levels, each for the whole archive or below a parent."""

    def __init__(self, archive: "Archive") -> None:
        self._archive = archive

    async def studies(self, request: DicomWebRequest) -> AnyAnswer:
        """``/studies``."""
        return await self._search(Level.STUDY, request)

    async def series(self, request: DicomWebRequest) -> AnyAnswer:
        """``/series`` and ``/studies/{study}/series``."""
        return await self._search(Level.SERIES, request)

    async def instances(self, request: DicomWebRequest) -> AnyAnswer:
        """``/instances``, and those of a study or a series."""
        return await self._search(Level.INSTANCE, request)

    async def _search(self, level: Level, request: DicomWebRequest) -> AnyAnswer:
        media_type = choose_text(request)
        study, series = (
            request.uid(name) if name in request.path_params else None
            for name in ("study", "series")
        )
        query = parse_query(level, request.scope["query_string"], study, series)
        result = await search(self._archive, query)
        headers = _warnings(request.service, result)
        if not result.items and not result.remaining:
            return Answer((), [*PRIVATE, *headers], HTTPStatus.NO_CONTENT)
        if media_type == DICOM_XML:
            etag = etag_of(DICOM_XML, request.service, *result.items)
            return xml_answer(request, _each(result.items), etag, headers)
        return await json_answer(request, result.items, media_type, headers)


async def _each(items: Iterable[bytes]) -> AsyncIterator[bytes]:
    for item in items:
        yield item


def _warnings(service: str, result: SearchResult) -> list[tuple[bytes, bytes]]:
    """The Warning headers, in the words of the standard (8.3.4.2, 8.3.4.4.1)."""
    texts = [*result.warnings]
    if result.remaining > 0:
        texts.append(f"There are {result.remaining} additional results that can be requested")
    return [(b"warning", f"299 {service}: {text}".encode()) for text in texts]

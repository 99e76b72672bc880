"""Data sets as text: DICOM JSON or Native DICOM Model XML (PS3.18 8.7.3.2), always in UTF-8."""

from collections.abc import AsyncGenerator, AsyncIterator

from starlette.requests import HTTPConnection

from hounsfield.archive.metadata import BASE_URL
from hounsfield.dicomweb.answers import (
    PRIVATE,
    AnyAnswer,
    Buffer,
    StreamedAnswer,
    etag_header,
    not_modified,
)
from hounsfield.dicomweb.media_types import (
    DICOM_JSON,
    DICOM_XML,
    JSON,
    MULTIPART,
    accepted,
    parse_accept,
)
from hounsfield.dicomweb.multipart import closing, content_type_of, part_head
from hounsfield.dicomweb.native_model import native_model
from hounsfield.dicomweb.problems import Headers, NotAcceptable
from hounsfield.dicomweb.resource import DicomWebRequest

UTF_8 = frozenset({"utf-8", "utf8", "iso_ir 192", "iso-ir-192", "*"})


def choose_text(request: HTTPConnection) -> str:
    """DICOM_JSON, JSON or DICOM_XML, as the client likes best. Raises NotAcceptable."""
    _check_charset(request)
    for entry in accepted(request):
        for offer in (DICOM_JSON, JSON):
            if entry.covers(offer):
                return offer
        if entry.name == MULTIPART and entry.covers_multipart(DICOM_XML):
            return DICOM_XML
    raise NotAcceptable(f'this resource comes as {DICOM_JSON} or {MULTIPART}; type="{DICOM_XML}"')


def xml_answer(
    request: DicomWebRequest,
    documents: AsyncIterator[bytes],
    etag: str,
    headers: Headers | None = None,
) -> AnyAnswer:
    """A part for each DICOM JSON object, written while it is sent; or 304."""
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    content_type = (b"content-type", content_type_of(DICOM_XML, etag))
    all_headers = [*PRIVATE, etag_header(etag), content_type, *(headers or [])]
    return StreamedAnswer(_parts(documents, request.service, etag), all_headers, None)


async def _parts(
    documents: AsyncIterator[bytes], service: str, boundary: str
) -> AsyncGenerator[Buffer, None]:
    first, base_url = True, service.encode("ascii")
    async for document in documents:
        body = native_model(document.replace(BASE_URL, base_url))
        yield part_head(boundary, DICOM_XML, len(body), first=first) + body
        first = False
    yield closing(boundary)


def _check_charset(request: HTTPConnection) -> None:
    """The ``charset`` parameter, else Accept-Charset (8.3.3.2, 8.8). Raises NotAcceptable."""
    asked = request.query_params.get("charset") or request.headers.get("accept-charset")
    if not asked:
        return
    names = asked.lower().split(",")
    # A charset is a token like half a media type: its weight is read in the same way.
    wanted = [n.partition(";")[0].strip() for n in names if parse_accept(f"a/b{_weight(n)}")]
    if not UTF_8.intersection(wanted):
        raise NotAcceptable("text is sent in UTF-8 alone")


def _weight(name: str) -> str:
    _, semicolon, rest = name.partition(";")
    return semicolon + rest

"""Structured reports and encapsulated documents as what people read (PS3.18 8.7.4).

Both come from strangers. A report is escaped, letter by letter, and may load and run nothing; an
XML document is never parsed here and is handed out as a file, not as a page.
"""

import base64
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import orjson

from hounsfield.archive.errors import NotFound
from hounsfield.archive.metadata import BASE_URL
from hounsfield.archive.pieces import pieces
from hounsfield.archive.retrieve import StoredInstance, open_object, read_metadata
from hounsfield.archive.structured_report import read_report
from hounsfield.dicomweb.answers import Buffer
from hounsfield.dicomweb.catalog import Known
from hounsfield.dicomweb.pixel_bytes import value_bytes
from hounsfield.dicomweb.problems import CannotRender, Headers
from hounsfield.dicomweb.renditions import PDF, REPORTS
from hounsfield.dicomweb.report_page import as_page, as_text

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

HTML = REPORTS[0]
DOCUMENT, LENGTH = "00420011", "00420015"
PDF_BEGINS, LOOKED_AT = b"%PDF-", 1024
LOCKED = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox")


async def document(
    archive: "Archive", found: StoredInstance, media_type: str
) -> AsyncGenerator[Buffer, None]:
    """The body, piece by piece. Raises CannotRender for what is not what it says."""
    uids = (found.study_instance_uid, found.series_instance_uid, found.sop_instance_uid)
    (kept,) = await read_metadata(archive, *uids)
    if media_type in REPORTS:
        write = as_page if media_type == HTML else as_text
        yield write(read_report(kept)).encode()
        return
    first = True
    async for piece in _encapsulated(archive, found, orjson.loads(kept.replace(BASE_URL, b""))):
        if first and media_type == PDF and PDF_BEGINS not in bytes(piece[:LOOKED_AT]):
            raise CannotRender("the encapsulated document is not the PDF that it says it is")
        first = False
        yield piece


def content_type(media_type: str) -> str:
    """The media type with the character set where it is text that was written here."""
    return f"{media_type}; charset=utf-8" if media_type in REPORTS else media_type


def headers_of(found: StoredInstance, media_type: str) -> Headers:
    """What keeps a browser from doing more with it than showing it."""
    if media_type == PDF:
        name = f'inline; filename="{found.sop_instance_uid}.pdf"'
        return [(b"content-disposition", name.encode())]
    if media_type in REPORTS:
        return [LOCKED]
    name = f'attachment; filename="{found.sop_instance_uid}.xml"'
    return [LOCKED, (b"content-disposition", name.encode())]


async def _encapsulated(
    archive: "Archive", found: StoredInstance, members: dict[str, Any]
) -> AsyncGenerator[Buffer, None]:
    """The document without the byte that makes its length even (PS3.3 C.24.2)."""
    value = members.get(DOCUMENT, {})
    length = next(iter(members.get(LENGTH, {}).get("Value") or []), None)
    limit = length if isinstance(length, int) and length > 0 else None
    if "InlineBinary" in value:
        yield base64.b64decode(value["InlineBinary"])[:limit]
        return
    try:
        place = Known(found, 0).bulkdata.locate(DOCUMENT)
    except NotFound as missing:
        raise CannotRender("this instance holds no document") from missing
    size = min(place.length, limit or place.length)
    with open_object(archive, found) as reader:
        if place.transform == "none":
            for piece in pieces(reader, place.offset, place.offset + size):
                yield piece
        else:
            yield memoryview(value_bytes(reader.map(), found, place))[:size]

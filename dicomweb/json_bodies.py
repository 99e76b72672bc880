"""DICOM JSON arrays (PS3.18 Annex F) from objects that are ready: a join, and perhaps gzip."""

import asyncio
import gzip
import ipaddress

from hounsfield.archive.metadata import BASE_URL
from hounsfield.dicomweb.answers import (
    PRIVATE,
    Answer,
    etag_header,
    etag_of,
    not_modified,
)
from hounsfield.dicomweb.problems import Headers
from hounsfield.dicomweb.resource import DicomWebRequest

WORTH_COMPRESSING = 4096
WORTH_A_THREAD = 128 * 1024
FASTEST = 1


async def json_answer(
    request: DicomWebRequest,
    items: list[bytes],
    media_type: str,
    headers: Headers | None = None,
) -> Answer:
    """The array of ``items``, with the base URL put in, or 304."""
    body = b"[" + b",".join(items) + b"]"
    body = body.replace(BASE_URL, request.service.encode("ascii"))
    zipped = len(body) > WORTH_COMPRESSING and _takes_gzip(request)
    etag = etag_of(body, media_type, "gzip" if zipped else "")
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    all_headers = [
        *PRIVATE,
        (b"vary", b"accept-encoding"),
        etag_header(etag),
        (b"content-type", media_type.encode()),
        *(headers or []),
    ]
    if zipped:
        body = await _compress(body)
        all_headers.append((b"content-encoding", b"gzip"))
    return Answer((body,), all_headers)


def _takes_gzip(request: DicomWebRequest) -> bool:
    """True for a client across a network: on this machine the bytes cost less than the work."""
    codings = request.headers.get("accept-encoding", "").lower()
    if not any(
        part.split(";")[0].strip() == "gzip" and "q=0" not in part.replace(" ", "").split(";")
        for part in codings.split(",")
    ):
        return False
    try:
        return not ipaddress.ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return True


async def _compress(body: bytes) -> bytes:
    if len(body) < WORTH_A_THREAD:
        return gzip.compress(body, FASTEST, mtime=0)
    return await asyncio.to_thread(gzip.compress, body, FASTEST, mtime=0)

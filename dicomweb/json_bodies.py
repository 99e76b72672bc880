"""DICOM JSON arrays (PS3.18 Annex F) from objects that are ready: a join, perhaps compressed."""

import asyncio
import gzip
import ipaddress
import re
from functools import lru_cache

import imagecodecs

from hounsfield.archive.metadata import BASE_URL
from hounsfield.dicomweb.answers import (
    PRIVATE,
    Answer,
    etag_header,
    etag_of,
    not_modified,
)
from hounsfield.dicomweb.media_types import MAX_ACCEPT
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
    coding = _coding(request) if len(body) > WORTH_COMPRESSING else ""
    etag = etag_of(body, media_type, coding)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    all_headers = [
        *PRIVATE,
        (b"vary", b"accept-encoding"),
        etag_header(etag),
        (b"content-type", media_type.encode()),
        *(headers or []),
    ]
    if coding:
        body = await _compress(body, coding)
        all_headers.append((b"content-encoding", coding.encode()))
    return Answer((body,), all_headers)


def _coding(request: DicomWebRequest) -> str:
    """What a client across a network likes best, Brotli before gzip where it likes them equally.

    None on this machine: there the bytes cost less than the work.
    """
    weights = _weights(request.headers.get("accept-encoding", ""))
    best = max(CODINGS, key=lambda coding: weights.get(coding, weights.get("*", 0.0)))
    if not weights.get(best, weights.get("*", 0.0)):
        return ""
    try:
        here = ipaddress.ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        here = False
    return "" if here else best


@lru_cache(maxsize=256)
def _weights(header: str) -> dict[str, float]:
    """Codings by weight (RFC 9110 12.5.3); what is no weight counts as none."""
    weights = {}
    for name, weight in CODING.findall(header.lower()[:MAX_ACCEPT]):
        weights[name] = float(weight or 1)
    return weights


async def _compress(body: bytes, coding: str) -> bytes:
    if len(body) < WORTH_A_THREAD:
        return CODINGS[coding](body)
    return await asyncio.to_thread(CODINGS[coding], body)


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, FASTEST, mtime=0)


def _brotli(body: bytes) -> bytes:
    return bytes(imagecodecs.brotli_encode(body, FASTEST))


CODINGS = {"br": _brotli, "gzip": _gzip}
CODING = re.compile(r"([a-z*-]+)\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?\s*(?:,|$)")

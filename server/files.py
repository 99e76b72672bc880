"""Files of a built front end: found below their folder, typed, cached, compressed beforehand."""

import re
from email.utils import formatdate
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Scope

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".woff": "font/woff",
    ".ttf": "font/ttf",
    ".mp4": "video/mp4",
    ".xml": "application/xml",
    ".pdf": "application/pdf",
}
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
HASHED = re.compile(r"(^|[._-])[0-9a-f]{8,64}[._-]")
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"


def find(folder: Path, relative: str) -> Path | None:
    """The file of a URL path below a folder; None for anything else."""
    segments = relative.split("/")
    if any(not _is_plain(segment) for segment in segments):
        return None
    path = folder.joinpath(*segments)
    try:
        return path if path.is_file() else None
    except OSError:
        return None


def _is_plain(segment: str) -> bool:
    """A name, not a way: nothing that a file system of any kind takes for something else."""
    return bool(segment) and not segment.startswith(".") and not re.search(r"[\\:\0]", segment)


def file_response(
    path: Path, scope: Scope, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A file as an answer, or 304 where the client holds it."""
    request = Headers(scope=scope)
    sent, encoding = _encoded(path, request.get("accept-encoding", ""))
    stat = sent.stat()
    etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    fields = {
        "content-type": MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream"),
        "cache-control": IMMUTABLE if is_hashed(path) else REVALIDATE,
        "vary": "accept-encoding",
        "etag": etag,
        "last-modified": formatdate(stat.st_mtime, usegmt=True),
        **(headers or {}),
    }
    if status == 200 and _holds(request.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=fields)
    if encoding:
        fields["content-encoding"] = encoding
    return FileResponse(sent, status, fields, stat_result=stat)


def is_hashed(path: Path) -> bool:
    """Whether the name holds a digest of the content: the file never changes under it."""
    return "_next" in path.parts or bool(HASHED.search(path.name))


def _encoded(path: Path, accepted: str) -> tuple[Path, str | None]:
    offered = _accepted(accepted)
    for encoding, suffix in ENCODINGS:
        sibling = path.with_name(path.name + suffix)
        if encoding in offered and sibling.is_file():
            return sibling, encoding
    return path, None


def _accepted(header: str) -> set[str]:
    """Content codings that the client takes (RFC 9110 12.5.3)."""
    found = set()
    for item in header.lower().split(","):
        coding, _, parameter = item.partition(";")
        if not re.fullmatch(r"\s*q=0(\.0*)?\s*", parameter):
            found.add(coding.strip())
    return found


def _holds(header: str, etag: str) -> bool:
    return etag in {tag.strip().removeprefix("W/") for tag in header.split(",")}

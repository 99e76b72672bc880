"""Cross-origin requests of the pages that the administrator has named (Fetch, CORS protocol).

For the DICOMweb resources alone, each origin by its name, and without credentials. A preflight
carries no credentials and is answered before anything else is asked of it (PS3.18 8.9).
"""

from collections.abc import Iterable

from starlette.types import Scope

from hounsfield.dicomweb.problems import Headers

AREA = "/dicom-web"
METHODS = b"GET, HEAD, OPTIONS, POST, PUT, DELETE"
REQUEST_FIELDS = b"accept, authorization, content-type, if-none-match, range"
EXPOSED = b"Content-Location, ETag, Warning, Content-Range, Content-Disposition, Retry-After"
SECONDS = b"600"
VARY = (b"vary", b"origin")


class Cors:
    """Which pages of other origins may use DICOMweb."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.lower().encode() for origin in origins)

    def origin_of(self, scope: Scope) -> bytes | None:
        """The configured origin that makes a request, where it is one for DICOMweb."""
        if not self._origins or scope["type"] != "http" or not is_below(scope["path"]):
            return None
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        return origins[0] if len(origins) == 1 and origins[0].lower() in self._origins else None

    def headers(self, origin: bytes | None) -> Headers:
        """What an answer says to the page's browser; to caches, that origins differ."""
        if not self._origins:
            return []
        if origin is None:
            return [VARY]
        return [
            VARY,
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED),
        ]


def is_below(path: str) -> bool:
    """True for the resources of DICOMweb."""
    return path == AREA or path.startswith(f"{AREA}/")


def is_preflight(scope: Scope) -> bool:
    """A browser's question whether a page may make a request."""
    names = {name for name, _ in scope["headers"]}
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in names


def preflight_headers() -> Headers:
    """The answer to it, beside :meth:`Cors.headers`."""
    return [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", REQUEST_FIELDS),
        (b"access-control-max-age", SECONDS),
    ]

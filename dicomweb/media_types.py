"""Media types and what a client accepts (PS3.18 8.7; RFC 9110 8.3.1, 12.5.1).

Entries of an Accept header that are malformed, or that nobody here can make, are passed over:
one entry that can be answered is enough. Only when none is left is the answer 406.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.requests import HTTPConnection

from hounsfield.dicomweb.problems import NotAcceptable, UnsupportedMediaType

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
JSON = "application/json"
OCTET_STREAM = "application/octet-stream"
MULTIPART = "multipart/related"
ZIP = "application/zip"

MAX_ACCEPT = 8192
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type, or a range of them, with its parameters (names in lower case)."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def root(self) -> str:
        """``type`` of a multipart: the media type of its parts, or ``*/*``."""
        return self.parameters.get("type", "*/*").lower()

    @property
    def transfer_syntax(self) -> str | None:
        """The transfer syntax that is asked for; ``*`` for the stored one."""
        return self.parameters.get("transfer-syntax")

    def covers(self, name: str) -> bool:
        """True where ``name`` lies in this range."""
        return covers(self.name, name)

    def covers_multipart(self, name: str) -> bool:
        """True where a multipart of parts of type ``name`` lies in this range."""
        return covers(self.name, MULTIPART) and covers(self.root, name)


def covers(pattern: str, name: str) -> bool:
    """True where a range such as ``image/*`` holds a media type, in letters of either case."""
    name = name.lower()
    if pattern in {"*/*", "*", name}:
        return True
    return pattern.endswith("/*") and name.startswith(pattern[:-1])


def parse_media_type(text: str) -> MediaType:
    """One media type. Raises UnsupportedMediaType where it is not one."""
    parsed = _parse(text)
    if parsed is None:
        raise UnsupportedMediaType(f"{text[:100]!r} is not a media type")
    return parsed


@lru_cache(maxsize=512)
def parse_accept(text: str) -> tuple[MediaType, ...]:
    """The entries of an Accept header, best first; equal weights stay in their order."""
    found = [entry for part in _split(text[:MAX_ACCEPT], ",") if (entry := _parse(part))]
    return tuple(sorted((e for e in found if e.weight > 0), key=lambda entry: -entry.weight))


def accepted(request: HTTPConnection) -> tuple[MediaType, ...]:
    """What the client takes: the ``accept`` parameter, else the header, else anything.

    A request without either is answered as if it had said ``*/*``, unless ``strict_accept`` is on.
    """
    return parse_accept(_asked(request) or "*/*")


def require_accept(request: HTTPConnection) -> None:
    """For a server that does not guess (8.7.7). Raises NotAcceptable."""
    if not _asked(request):
        raise NotAcceptable("the request has to say what it accepts")


def choose(request: HTTPConnection, *offers: str) -> str:
    """The first offer that the best entry takes. Raises NotAcceptable where none does."""
    for entry in accepted(request):
        for offer in offers:
            if entry.covers(offer):
                return offer
    raise NotAcceptable(f"this resource comes as {' or '.join(offers)}")


def _asked(request: HTTPConnection) -> str:
    asked = None
    if b"accept=" in request.scope.get("query_string", b""):
        asked = request.query_params.get("accept")
    return asked or ",".join(request.headers.getlist("accept")).strip()


def _parse(text: str) -> MediaType | None:
    name, *rest = _split(text, ";")
    name = name.strip().lower()
    halves = name.split("/") if name != "*" else ["*", "*"]
    if len(halves) != 2 or not all(_TOKEN.fullmatch(half) for half in halves):
        return None
    parameters: dict[str, str] = {}
    for part in rest:
        key, equals, value = part.partition("=")
        if equals:
            parameters.setdefault(key.strip().lower(), _unquote(value.strip()))
    weight = parameters.pop("q", "1")
    if not _WEIGHT.fullmatch(weight):
        return None
    return MediaType("/".join(halves), parameters, float(weight))


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def _split(text: str, separator: str) -> Iterator[str]:
    """Split outside quoted strings."""
    start, quoted, escaped = 0, False, False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            yield text[start:index]
            start = index + 1
    yield text[start:]

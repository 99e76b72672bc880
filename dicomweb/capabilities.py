"""Retrieve Capabilities (PS3.18 8.9, Annex H): ``OPTIONS`` of the service's root, as WADL.

Written from the routes themselves, so that it names what there is and nothing else.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from xml.sax.saxutils import quoteattr

from starlette.routing import BaseRoute, Route

from hounsfield.dicomweb.answers import PRIVATE, Answer, etag_header, etag_of
from hounsfield.dicomweb.media_types import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    MULTIPART,
    OCTET_STREAM,
    ZIP,
    choose,
)
from hounsfield.dicomweb.resource import DicomWebRequest, Resource

WADL = "application/vnd.sun.wadl+xml"
ROOT = "/"
TEXT = (DICOM_JSON, f'{MULTIPART}; type="{DICOM_XML}"')
OBJECTS = (f'{MULTIPART}; type="{DICOM}"', DICOM, ZIP)
OCTETS = (f'{MULTIPART}; type="{OCTET_STREAM}"', OCTET_STREAM)
PICTURES = ("image/jpeg", "image/png", "image/gif")
RENDITIONS = (*PICTURES, "image/jp2", "text/html", "text/plain", "application/pdf", "text/xml")
SEARCH = ("limit", "offset", "fuzzymatching", "includefield")
RENDER = ("window", "viewport", "quality", "annotation", "iccprofile")
URI = (
    "requestType", "studyUID", "seriesUID", "objectUID", "contentType", "transferSyntax",
    "frameNumber", "rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality",
)  # fmt: skip

Kind = tuple[Sequence[str], Sequence[str]]
"""What a GET answers with, and its query parameters beside ``accept``."""
KINDS: dict[str, Kind] = {
    "studies": (TEXT, SEARCH),
    "series": (TEXT, SEARCH),
    "instances": (TEXT, SEARCH),
    "metadata": (TEXT, ("charset",)),
    "rendered": (RENDITIONS, RENDER),
    "thumbnail": (PICTURES, ("viewport",)),
    "bulkdata": (OCTETS, ()),
    "pixeldata": (OCTETS, ()),
    "{path}": (OCTETS, ()),
    "{frames}": (OCTETS, ()),
    "{study}": (OBJECTS, ()),
    "{series}": (OBJECTS, ()),
    "{instance}": (OBJECTS, ()),
    "wado": ((DICOM, *PICTURES), URI),
}


class Capabilities:
    """What the service can do, as a document."""

    def __init__(self, routes: Callable[[], Iterable[BaseRoute]]) -> None:
        self._routes = routes

    async def retrieve(self, request: DicomWebRequest) -> Answer:
        """The description of all resources."""
        media_type = choose(request, WADL)
        body = "".join(_document(request.service, self._routes())).encode()
        content_type = (b"content-type", media_type.encode())
        return Answer((body,), [*PRIVATE, etag_header(etag_of(body)), content_type])


def _document(service: str, routes: Iterable[BaseRoute]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield '<application xmlns="http://wadl.dev.java.net/2009/02">\n'
    yield f"<resources base={quoteattr(service + '/')}>\n"
    for route in routes:
        if isinstance(route, Route) and isinstance(route.endpoint, Resource):
            yield from _resource(route.path, route.endpoint.methods)
    yield "</resources>\n</application>\n"


def _resource(path: str, methods: Iterable[str]) -> Iterator[str]:
    path = path.lstrip("/").replace(":path}", "}")
    yield f"<resource path={quoteattr(path)}>\n"
    for name in re.findall(r"{(\w+)}", path):
        yield f'<param name="{name}" style="template" required="true"/>\n'
    for method in methods:
        yield from _method(method, path.rpartition("/")[2])
    yield "</resource>\n"


def _method(method: str, last: str) -> Iterator[str]:
    types, parameters = KINDS.get(last, ((), ())) if method == "GET" else ((), ())
    yield f'<method name="{method}">\n<request>\n'
    for name in ("accept", *parameters) if types else ():
        yield f'<param name="{name}" style="query"/>\n'
    if method == "POST":
        yield f"<representation mediaType={quoteattr(OBJECTS[0])}/>\n"
    yield "</request>\n<response>\n"
    yield from (f"<representation mediaType={quoteattr(kind)}/>\n" for kind in types)
    yield "</response>\n</method>\n"

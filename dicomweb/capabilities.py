"""Retrieve Capabilities (PS3.18 8.9, Annex H): ``OPTIONS`` of the service's root, as WADL.

Written from the routes themselves, so that it names what there is and nothing else. The table of
resources in CONFORMANCE.md is written from the same (``tools/conformance.py``).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from xml.sax.saxutils import quoteattr

from starlette.routing import BaseRoute, Route

from hounsfield.dicomweb.answers import PRIVATE, Answer, etag_header, etag_of
from hounsfield.dicomweb.media_types import choose
from hounsfield.dicomweb.resource import DicomWebRequest, Resource
from hounsfield.dicomweb.resource_kinds import KINDS, STORE_ANSWERS, STORED, WADL, end_of

ROOT = "/"


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
    for path, methods in resources(routes):
        yield from _resource(path, methods)
    yield "</resources>\n</application>\n"


def resources(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Path and methods of each resource among the routes."""
    for route in routes:
        if isinstance(route, Route) and isinstance(route.endpoint, Resource):
            yield route.path.replace(":path}", "}"), route.endpoint.methods


def _resource(path: str, methods: Iterable[str]) -> Iterator[str]:
    path = path.lstrip("/")
    yield f"<resource path={quoteattr(path)}>\n"
    for name in re.findall(r"{(\w+)}", path):
        yield f'<param name="{name}" style="template" required="true"/>\n'
    for method in methods:
        yield from _method(method, end_of(path))
    yield "</resource>\n"


def _method(method: str, end: str) -> Iterator[str]:
    taken, answered, parameters = _exchange(method, end)
    yield f'<method name="{method}">\n<request>\n'
    for name in parameters:
        yield f'<param name="{name}" style="query"/>\n'
    yield from map(_representation, taken)
    yield "</request>\n<response>\n"
    yield from map(_representation, answered)
    yield "</response>\n</method>\n"


def _exchange(method: str, end: str) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Media types of request and answer, and the query parameters."""
    if method == "POST":
        return STORED, STORE_ANSWERS, ("accept",)
    if method in {"GET", "HEAD"}:
        kind = KINDS[end]
        return (), kind.media_types, ("accept", *kind.parameters)
    return (), (WADL,) if not end else (), ()


def _representation(media_type: str) -> str:
    return f"<representation mediaType={quoteattr(media_type)}/>\n"

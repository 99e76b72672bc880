"""WADO-URI (PS3.18 chapter 9): the older way of asking, by query parameters alone.

A request is put into the words of the Studies Service and answered by it, so that both ways give
the same bytes, the same errors and the same entity tags.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from hounsfield.archive.retrieve import StoredInstance, find_instances
from hounsfield.dicomweb.answers import AnyAnswer
from hounsfield.dicomweb.media_types import DICOM, MediaType, parse_accept
from hounsfield.dicomweb.problems import BadRequest, NotAcceptable
from hounsfield.dicomweb.render_parameters import MAX_EDGE
from hounsfield.dicomweb.resource import UID, DicomWebRequest

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

Retrieve = Callable[[DicomWebRequest], Awaitable[AnyAnswer]]
Words = dict[str, str]

JPEG = "image/jpeg"
FRACTION = re.compile(r"(0?\.\d{1,12}|[01](\.\d{0,12})?)")
NUMBER = re.compile(r"[1-9]\d{0,8}")
IMAGE_ONLY = (
    "annotation", "rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality",
    "presentationUID", "presentationSeriesUID", "frameNumber",
)  # fmt: skip
DICOM_ONLY = ("transferSyntax", "anonymize")


class WadoUri:
    """``/wado?requestType=WADO&studyUID=…&seriesUID=…&objectUID=…``."""

    def __init__(self, archive: "Archive", instances: Retrieve, rendered: Retrieve) -> None:
        self._archive = archive
        self._instances = instances
        self._rendered = rendered

    async def retrieve(self, request: DicomWebRequest) -> AnyAnswer:
        """The object itself, or a picture of it."""
        query = request.query_params
        _check(query)
        names = {
            name: _uid(query, parameter)
            for name, parameter in (
                ("study", "studyUID"), ("series", "seriesUID"), ("instance", "objectUID"),
            )
        }  # fmt: skip
        (found,) = await find_instances(self._archive, *names.values())
        asked = _wanted(request, found)
        if asked.name == DICOM:
            _refuse(query, IMAGE_ONLY, "a picture")
            syntax = query.get("transferSyntax")
            accept = f"{DICOM}; transfer-syntax={syntax}" if syntax else DICOM
            return await self._instances(_reworded(request, names, {"accept": accept}))
        _refuse(query, DICOM_ONLY, DICOM)
        return await self._rendered(_picture(request, names, found, asked.name))


def _check(query: QueryParams) -> None:
    if query.get("requestType") != "WADO":
        raise BadRequest("requestType has to be WADO")
    twice = {name for name in query if len(query.getlist(name)) > 1}
    if twice:
        raise BadRequest(f"{', '.join(sorted(twice))[:80]} came twice")
    if query.get("anonymize", "no") != "no":
        raise NotAcceptable("objects are not anonymized here")


def _uid(query: QueryParams, name: str) -> str:
    value = query.get(name, "")
    if not UID.fullmatch(value):
        raise BadRequest(f"{name} has to be a UID")
    return value


def _wanted(request: DicomWebRequest, found: StoredInstance) -> MediaType:
    """``contentType`` narrows Accept down (9.1.2.2.1); without both: a picture of an image."""
    asked = request.query_params.get("contentType")
    header = request.headers.get("accept")
    default = JPEG if found.frame_table is not None else DICOM
    entries = parse_accept(asked or header or default)
    for entry in entries:
        if entry.name == DICOM or (entry.name.startswith("image/") and "*" not in entry.name):
            return entry
        if entry.covers(default):
            return MediaType(default)
    raise NotAcceptable(f"an object comes as {DICOM}, or as a picture")


def _refuse(query: QueryParams, names: tuple[str, ...], kind: str) -> None:
    """A parameter of one kind in a request for the other (9.1.2.2) is a mistake of the client."""
    for name in names:
        if name in query and (name, query[name]) != ("anonymize", "no"):
            raise BadRequest(f"{name} does not go with a contentType other than that of {kind}")


def _picture(
    request: DicomWebRequest, names: Words, found: StoredInstance, media_type: str
) -> DicomWebRequest:
    query = request.query_params
    words = {"accept": media_type} | _viewport(query, found) | _window(query)
    for parameter, word in (("imageQuality", "quality"), ("annotation", "annotation")):
        if parameter in query:
            words[word] = query[parameter]
    if "presentationUID" in query or "presentationSeriesUID" in query:
        if words.keys() & {"window", "viewport"} or "frameNumber" in query:
            raise BadRequest("a presentation state brings its own window, region and frames")
        names = names | {
            "series": _uid(query, "presentationSeriesUID"),
            "instance": _uid(query, "presentationUID"),
        }
    elif "frameNumber" in query:
        if not NUMBER.fullmatch(query["frameNumber"]):
            raise BadRequest("frameNumber is a whole number from 1 on")
        names = names | {"frames": query["frameNumber"]}
    return _reworded(request, names, words)


def _window(query: QueryParams) -> Words:
    center, width = query.get("windowCenter"), query.get("windowWidth")
    if center is None and width is None:
        return {}
    if center is None or width is None:
        raise BadRequest("windowCenter and windowWidth go together")
    return {"window": f"{center},{width},linear"}


def _viewport(query: QueryParams, found: StoredInstance) -> Words:
    """``rows``, ``columns`` and ``region``, whose edges are parts of the image (9.1.2.2)."""
    if not {"rows", "columns", "region"} & query.keys():
        return {}
    rows, columns = found.rows or 1, found.columns or 1
    left, top, right, bottom = _region(query["region"]) if "region" in query else (0, 0, 1, 1)
    source = (left * columns, top * rows, (right - left) * columns, (bottom - top) * rows)
    sized = "rows" in query or "columns" in query
    size = (
        _edge(query, "columns", str(MAX_EDGE) if sized else str(max(1, round(source[2])))),
        _edge(query, "rows", str(MAX_EDGE) if sized else str(max(1, round(source[3])))),
    )
    cut = ",".join(f"{edge:.6f}" for edge in source) if "region" in query else ""
    return {"viewport": ",".join(size) + (f",{cut}" if cut else "")}


def _region(text: str) -> tuple[float, ...]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 4 and all(FRACTION.fullmatch(part) for part in parts):
        left, top, right, bottom = (float(part) for part in parts)
        if left < right <= 1 and top < bottom <= 1:
            return left, top, right, bottom
    raise BadRequest("region is left,top,right,bottom as parts of the image, from 0 to 1")


def _edge(query: QueryParams, name: str, default: str) -> str:
    text = query.get(name, default)
    if not NUMBER.fullmatch(text):
        raise BadRequest(f"{name} is a whole number from 1 on")
    return text


def _reworded(request: DicomWebRequest, names: Words, words: Mapping[str, str]) -> DicomWebRequest:
    """The same request, as the Studies Service would have been asked."""
    query = urlencode(words).encode()
    scope = dict(request.scope) | {"path_params": dict(names), "query_string": query}
    reworded = DicomWebRequest(scope, request.receive)
    reworded.depth = request.depth
    return reworded

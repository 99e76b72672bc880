"""WADO-RS rendered resources and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4).

An instance or a frame comes by itself; a study, a series and a list of frames come as a
multipart of renditions, each made as it is sent, so that one at a time is held.
"""

from collections.abc import AsyncGenerator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog

from hounsfield.archive.errors import HounsfieldError
from hounsfield.archive.retrieve import StoredInstance, find_instances
from hounsfield.dicomweb.answers import (
    Answer,
    AnyAnswer,
    Buffer,
    StreamedAnswer,
    not_modified,
)
from hounsfield.dicomweb.documents import content_type, headers_of
from hounsfield.dicomweb.making import Maker, arguments_of, headers_for
from hounsfield.dicomweb.multipart import closing, content_type_of, part_head
from hounsfield.dicomweb.presentation_source import presented_images
from hounsfield.dicomweb.problems import BadRequest, RequestError, problem
from hounsfield.dicomweb.render_parameters import RenderParameters, parse_render_parameters
from hounsfield.dicomweb.renditions import (
    GIF,
    PICTURES,
    PRESENTATION_STATES,
    Rendition,
    choose_rendition,
    frames_of,
    offers,
    rank_of,
    refusal,
)
from hounsfield.dicomweb.resource import DicomWebRequest

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()


class Rendered:
    """What people look at: pictures, reports and documents of what is stored."""

    def __init__(self, archive: "Archive", maker: Maker) -> None:
        self._archive = archive
        self._maker = maker

    async def instance(self, request: DicomWebRequest) -> AnyAnswer:
        """``…/instances/{instance}/rendered`` and ``…/frames/{list}/rendered``."""
        parameters = parse_render_parameters(request.query_params)
        (found,) = await find_instances(self._archive, *request.uids())
        frames, offered = frames_of(request, found), offers(found)
        if found.sop_class_uid in PRESENTATION_STATES:
            frames = await self._presented(found, parameters)
        chosen = choose_rendition(request, offered)
        if chosen is None:
            raise refusal(offered)
        media_type, in_multipart = chosen
        if in_multipart or (len(frames) > 1 and media_type != GIF):
            wanted = [Rendition(found, (number,), media_type) for number in frames]
            wanted = wanted or [Rendition(found, (), media_type)]
            return await self._multipart(request, wanted, parameters)
        return await self._single(request, Rendition(found, frames, media_type), parameters)

    async def _presented(
        self, state: StoredInstance, parameters: RenderParameters
    ) -> tuple[int, ...]:
        """A number for each image of a presentation state; none for a single one."""
        if parameters.window:
            raise BadRequest("a presentation state has a window of its own")
        images = await presented_images(self._archive, state)
        return tuple(range(1, len(images) + 1)) if len(images) > 1 else ()

    async def several(self, request: DicomWebRequest) -> AnyAnswer:
        """``…/rendered`` of a study or a series: each instance as it comes by itself.

        206 where something in it cannot be rendered as any type that the client takes (10.4.3).
        """
        parameters = parse_render_parameters(request.query_params)
        found = _in_order(await find_instances(self._archive, *request.uids()))
        choices = [(one, choose_rendition(request, offers(one))) for one in found]
        wanted = [Rendition(one, (), chosen.media_type) for one, chosen in choices if chosen]
        if not wanted:
            raise refusal(tuple(dict.fromkeys(kind for one in found for kind in offers(one))))
        partial = len(wanted) < len(found)
        return await self._multipart(request, wanted, parameters, partial=partial)

    async def _single(
        self, request: DicomWebRequest, wanted: Rendition, parameters: RenderParameters
    ) -> AnyAnswer:
        """The rendition by itself; its length is told where it is made in one piece."""
        arguments = arguments_of(parameters, wanted.media_type)
        etag = await self._maker.etag([wanted], arguments)
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        pieces = self._maker.make(wanted, parameters)
        first, second = await anext(pieces), await anext(pieces, None)
        headers = headers_for(etag, content_type(wanted.media_type))
        if wanted.media_type not in PICTURES:
            headers += headers_of(wanted.instance, wanted.media_type)
        if second is None:
            return Answer((first,), headers)
        return StreamedAnswer(_chained((first, second), pieces), headers, None)

    async def _multipart(
        self,
        request: DicomWebRequest,
        wanted: Sequence[Rendition],
        parameters: RenderParameters,
        *,
        partial: bool = False,
    ) -> AnyAnswer:
        etag = await self._maker.etag(wanted, parameters.as_arguments(), request.service)
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        for one in wanted:
            arguments_of(parameters, one.media_type)
        status = HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK
        headers = headers_for(etag, content_type_of(wanted[0].media_type, etag).decode())
        pieces = self._parts(request.service, wanted, parameters, etag)
        return StreamedAnswer(pieces, headers, None, status)

    async def _parts(
        self, service: str, wanted: Sequence[Rendition], parameters: RenderParameters, etag: str
    ) -> AsyncGenerator[Buffer, None]:
        """Part after part. What cannot be made is a problem document in its place."""
        for index, one in enumerate(wanted):
            pieces = self._maker.make(one, parameters)
            kind = content_type(one.media_type)
            try:
                first: Buffer = await anext(pieces)
            except (RequestError, HounsfieldError) as error:
                log.warning("rendered.part_failed", sop_instance_uid=one.instance.sop_instance_uid)
                kind, first = "application/problem+json", problem(error)[2]
            location = service + one.location
            yield part_head(etag, kind, None, location=location, first=index == 0)
            yield first
            async for piece in pieces:
                yield piece
        yield closing(etag)


def _in_order(found: list[StoredInstance]) -> list[StoredInstance]:
    """Series as they arrived, in each the instances by number."""
    series = list(dict.fromkeys(one.series_instance_uid for one in found))
    place = {uid: index for index, uid in enumerate(series)}
    return sorted(found, key=lambda one: (place[one.series_instance_uid], *rank_of(one)))


async def _chained(
    begun: Sequence[Buffer], rest: AsyncGenerator[Buffer, None]
) -> AsyncGenerator[Buffer, None]:
    for piece in begun:
        yield piece
    async for piece in rest:
        yield piece

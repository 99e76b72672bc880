"""WADO-RS rendered resources and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4)."""

from typing import TYPE_CHECKING, Any

from hounsfield.archive.retrieve import StoredInstance, find_instances
from hounsfield.dicomweb.answers import PRIVATE, Answer, etag_header, etag_of, not_modified
from hounsfield.dicomweb.catalog import Known
from hounsfield.dicomweb.frames import parse_frame_list
from hounsfield.dicomweb.media_types import choose
from hounsfield.dicomweb.problems import BadRequest, CannotRender, Headers, NotAcceptable
from hounsfield.dicomweb.render_parameters import RenderParameters, parse_render_parameters
from hounsfield.dicomweb.render_pool import RenderPool
from hounsfield.dicomweb.resource import DicomWebRequest
from hounsfield.dicomweb.segment_source import source_of

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

RENDERER = "1"
"""Version of what the workers paint; part of every entity tag."""
PICTURES = ("image/jpeg", "image/png", "image/gif")
SEGMENTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
THUMBNAIL = {"width": 256, "height": 256}


class Rendered:
    """Pictures of instances, frames, series and studies."""

    def __init__(self, archive: "Archive", pool: RenderPool) -> None:
        self._archive = archive
        self._pool = pool

    async def instance(self, request: DicomWebRequest) -> Answer:
        """``…/instances/{instance}/rendered`` and ``…/frames/{frame}/rendered``."""
        media_type = choose(request, *PICTURES)
        parameters = parse_render_parameters(request.query_params)
        (found,) = await find_instances(self._archive, *request.uids())
        frame = _frame(request, Known(found, 0))
        return await self._answer(request, found, frame, media_type, parameters)

    async def thumbnail(self, request: DicomWebRequest) -> Answer:
        """``…/thumbnail`` of a study, a series, an instance or a frame."""
        media_type = choose(request, *PICTURES)
        parameters = parse_render_parameters(request.query_params)
        found = _representative(await find_instances(self._archive, *request.uids()))
        known = Known(found, 0)
        frame: int | None = None
        if "frames" in request.path_params:
            frame = _frame(request, known)
        if known.has_pixels:
            try:
                return await self._answer(
                    request, found, frame, media_type, parameters, thumbnail=True
                )
            except CannotRender:
                if frame is not None:
                    raise
        return await self._placeholder(request, found, media_type, parameters)

    async def _answer(
        self,
        request: DicomWebRequest,
        found: StoredInstance,
        frame: int | None,
        media_type: str,
        parameters: RenderParameters,
        *,
        thumbnail: bool = False,
    ) -> Answer:
        arguments = parameters.as_arguments() | {"format": media_type}
        if thumbnail and parameters.viewport is None:
            arguments["viewport"] = THUMBNAIL
        etag = etag_of(found.digest, RENDERER, str(frame), str(sorted(arguments.items(), key=str)))
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        segmentation = found.sop_class_uid in SEGMENTATIONS
        paint = self._segment if segmentation else self._image
        picture = await paint(found, frame, arguments)
        return _picture(request, picture, media_type, etag, parameters)

    async def _image(
        self, found: StoredInstance, frame: int | None, arguments: dict[str, Any]
    ) -> bytes:
        frame = frame or ((found.number_of_frames or 1) + 1) // 2
        where = {"path": self._archive.objects.path(found.object_key), "frame": frame}
        return (await self._pool.run("render", where | arguments)).payload

    async def _segment(
        self, found: StoredInstance, frame: int | None, arguments: dict[str, Any]
    ) -> bytes:
        path = self._archive.objects.path(found.object_key)
        if frame is None:
            where = {"path": path, "frames": found.number_of_frames or 1}
            frame = int((await self._pool.run("busiest_frame", where)).facts["frame"])
        source = await source_of(self._archive, found, frame)
        where = {"path": path, "frame": frame}
        if source is not None:
            image, number = source
            where["source"] = {
                "path": self._archive.objects.path(image.object_key),
                "frame": number,
            }
        return (await self._pool.run("render_segment", where | arguments)).payload

    async def _placeholder(
        self,
        request: DicomWebRequest,
        found: StoredInstance,
        media_type: str,
        parameters: RenderParameters,
    ) -> Answer:
        arguments = parameters.as_arguments() | {"format": media_type}
        arguments["viewport"] = arguments["viewport"] or THUMBNAIL
        arguments["text"] = found.modality[:16] or "?"
        etag = etag_of(RENDERER, "placeholder", str(sorted(arguments.items(), key=str)))
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        picture = (await self._pool.run("placeholder", arguments)).payload
        return _picture(request, picture, media_type, etag, parameters)


def _frame(request: DicomWebRequest, known: Known) -> int | None:
    if not known.has_pixels:
        raise NotAcceptable("this instance holds no image that could be rendered")
    if "frames" not in request.path_params:
        return None
    numbers = parse_frame_list(request.path_params["frames"], known.frames.number_of_frames)
    if len(numbers) != 1:
        raise BadRequest("one frame is rendered at a time")
    return numbers[0]


def _representative(found: list[StoredInstance]) -> StoredInstance:
    """The middle image, by instance number, of the first series with images; else the first."""
    images = [one for one in found if one.frame_table is not None]
    drawn = [one for one in images if one.sop_class_uid not in SEGMENTATIONS] or images
    if not drawn:
        return found[0]
    series = [one for one in drawn if one.series_instance_uid == drawn[0].series_instance_uid]
    series.sort(key=lambda one: (_number(one.instance_number), one.sop_instance_uid))
    return series[len(series) // 2]


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


def _picture(
    request: DicomWebRequest,
    picture: bytes,
    media_type: str,
    etag: str,
    parameters: RenderParameters,
) -> Answer:
    headers: Headers = [*PRIVATE, etag_header(etag), (b"content-type", media_type.encode())]
    headers += [
        (b"warning", f"299 {request.service}: The {name} parameter is not supported.".encode())
        for name in parameters.ignored
    ]
    return Answer((picture,), headers)

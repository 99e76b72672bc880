"""Thumbnails (PS3.18 10.4.1.1.4): of whatever there is, a picture or a tile that names it."""

from typing import TYPE_CHECKING

from hounsfield.archive.retrieve import StoredInstance, find_instances
from hounsfield.dicomweb.answers import Answer, etag_of, not_modified
from hounsfield.dicomweb.making import RENDERER, Maker, arguments_of, headers_for, told_of
from hounsfield.dicomweb.media_types import choose
from hounsfield.dicomweb.pictures import Arguments
from hounsfield.dicomweb.problems import CannotRender
from hounsfield.dicomweb.render_parameters import parse_render_parameters
from hounsfield.dicomweb.renditions import (
    PICTURES,
    SEGMENTATIONS,
    Rendition,
    frames_of,
    offers,
    rank_of,
)
from hounsfield.dicomweb.resource import DicomWebRequest

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

USUAL_SIZE = {"width": 256, "height": 256}


class Thumbnails:
    """``…/thumbnail`` of a study, a series, an instance or a frame."""

    def __init__(self, archive: "Archive", maker: Maker) -> None:
        self._archive = archive
        self._maker = maker

    async def retrieve(self, request: DicomWebRequest) -> Answer:
        """A picture of the frame, or of the instance that stands for the resource."""
        media_type = choose(request, *PICTURES)
        parameters = parse_render_parameters(request.query_params)
        found = _representative(await find_instances(self._archive, *request.uids()))
        frames = frames_of(request, found)
        arguments = arguments_of(parameters, media_type)
        arguments["viewport"] = arguments["viewport"] or USUAL_SIZE
        if set(PICTURES) <= set(offers(found)):
            try:
                return await self._still(request, found, frames, arguments)
            except CannotRender:
                if frames:
                    raise
        return await self._placeholder(request, found, arguments)

    async def _still(
        self,
        request: DicomWebRequest,
        found: StoredInstance,
        frames: tuple[int, ...],
        arguments: Arguments,
    ) -> Answer:
        etag = await self._maker.etag([Rendition(found, frames, arguments["format"])], arguments)
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        frame = frames[0] if frames else None
        picture = await self._maker.pictures.still(found, frame, arguments)
        return Answer((picture,), headers_for(etag, arguments["format"]))

    async def _placeholder(
        self, request: DicomWebRequest, found: StoredInstance, arguments: Arguments
    ) -> Answer:
        text = found.modality[:16] or "?"
        etag = etag_of(RENDERER, "placeholder", text, told_of(arguments))
        if (unchanged := not_modified(request, etag)) is not None:
            return unchanged
        picture = await self._maker.pictures.tile(text, arguments)
        return Answer((picture,), headers_for(etag, arguments["format"]))


def _representative(found: list[StoredInstance]) -> StoredInstance:
    """The middle image, by instance number, of the first series with images; else the first."""
    images = [one for one in found if one.frame_table is not None]
    drawn = [one for one in images if one.sop_class_uid not in SEGMENTATIONS] or images
    if not drawn:
        return found[0]
    series = [one for one in drawn if one.series_instance_uid == drawn[0].series_instance_uid]
    return sorted(series, key=rank_of)[len(series) // 2]

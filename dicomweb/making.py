"""Renditions as they are made: the bytes of each, and the entity tag that names them."""

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from hounsfield.archive.retrieve import find_instances, open_object
from hounsfield.dicomweb.answers import PRIVATE, Buffer, etag_header, etag_of
from hounsfield.dicomweb.documents import document
from hounsfield.dicomweb.pictures import Arguments, Pictures
from hounsfield.dicomweb.pixel_bytes import frame_pieces
from hounsfield.dicomweb.problems import Headers, NotAcceptable
from hounsfield.dicomweb.render_parameters import RenderParameters
from hounsfield.dicomweb.render_pool import RenderPool
from hounsfield.dicomweb.renditions import GIF, JP2, PAINTED_OVER, PICTURES, Rendition

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

RENDERER = "2"
"""Version of what the workers paint; part of every entity tag."""


class Maker:
    """Makes what was chosen, whatever it is."""

    def __init__(self, archive: "Archive", pool: RenderPool) -> None:
        self._archive = archive
        self.pictures = Pictures(archive, pool)

    async def make(
        self, wanted: Rendition, parameters: RenderParameters
    ) -> AsyncGenerator[Buffer, None]:
        """Its bytes, piece by piece, no more than a picture or a megabyte at a time."""
        found, frames, media_type = wanted
        if media_type in PICTURES:
            arguments = arguments_of(parameters, media_type)
            moving = frames or range(1, (found.number_of_frames or 1) + 1)
            if media_type == GIF and len(moving) > 1:
                async for piece in self.pictures.animation(found, moving, arguments):
                    yield piece
            else:
                yield await self.pictures.still(found, frames[0] if frames else None, arguments)
        elif found.frames is not None:
            with open_object(self._archive, found) as reader:
                for part in frame_pieces(reader.map(), found, found.frames, 1):
                    yield part
        else:
            async for piece in document(self._archive, found, media_type):
                yield piece

    async def etag(
        self, wanted: Sequence[Rendition], arguments: Arguments, context: str = ""
    ) -> str:
        """From all that the bytes are made of: a segment's picture from its study's images too."""
        told = [RENDERER, context, told_of(arguments)]
        told += [f"{one.instance.digest.hex()} {one.frames} {one.media_type}" for one in wanted]
        for study in {
            one.instance.study_instance_uid
            for one in wanted
            if one.instance.sop_class_uid in PAINTED_OVER
        }:
            told += [one.digest.hex() for one in await find_instances(self._archive, study)]
        return etag_of("\n".join(told))


def arguments_of(parameters: RenderParameters, media_type: str) -> Arguments:
    """As a worker takes them, for one media type. Raises NotAcceptable."""
    if media_type == JP2 and parameters.iccprofile != "no":
        raise NotAcceptable(f"{JP2} is made without an ICC profile here; image/png has one")
    return parameters.as_arguments() | {"format": media_type}


def told_of(arguments: Arguments) -> str:
    """Arguments as a part of an entity tag."""
    return str(sorted(arguments.items()))


def headers_for(etag: str, content_type: str) -> Headers:
    """Headers of every rendition."""
    return [*PRIVATE, etag_header(etag), (b"content-type", content_type.encode())]

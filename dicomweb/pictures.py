"""Pictures of one instance, made by the workers: stills, animations, tiles."""

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

from hounsfield.archive.retrieve import StoredInstance
from hounsfield.dicomweb.answers import Buffer
from hounsfield.dicomweb.presentation_source import presented_images
from hounsfield.dicomweb.problems import CannotRender
from hounsfield.dicomweb.render_pool import RenderPool
from hounsfield.dicomweb.renditions import PRESENTATION_STATES, SEGMENTATIONS
from hounsfield.dicomweb.segment_source import source_of

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

Arguments = dict[str, Any]

GIF_END = b";"


class Pictures:
    """What a frame looks like; a segment over the image that it was drawn on."""

    def __init__(self, archive: "Archive", pool: RenderPool) -> None:
        self._archive = archive
        self._pool = pool

    async def still(self, found: StoredInstance, frame: int | None, arguments: Arguments) -> bytes:
        """One frame; without a number, the one that stands for the instance."""
        if found.sop_class_uid in PRESENTATION_STATES:
            return await self._presented(found, frame or 1, arguments)
        paint = self._segment if found.sop_class_uid in SEGMENTATIONS else self._image
        return await paint(found, frame, arguments)

    async def animation(
        self, found: StoredInstance, frames: Sequence[int], arguments: Arguments
    ) -> AsyncGenerator[Buffer, None]:
        """An animated GIF of the frames, made frame by frame as it is sent."""
        for index, frame in enumerate(frames):
            yield await self.still(found, frame, arguments | {"animation": {"first": index == 0}})
        yield GIF_END

    async def tile(self, text: str, arguments: Arguments) -> bytes:
        """A tile that says what has no picture."""
        return (await self._pool.run("placeholder", arguments | {"text": text})).payload

    async def _image(self, found: StoredInstance, frame: int | None, arguments: Arguments) -> bytes:
        frame = frame or ((found.number_of_frames or 1) + 1) // 2
        where = {"path": self._path(found), "frame": frame}
        return (await self._pool.run("render", where | arguments)).payload

    async def _segment(
        self, found: StoredInstance, frame: int | None, arguments: Arguments
    ) -> bytes:
        where: Arguments = {"path": self._path(found), "together": frame is None}
        if frame is None:
            count = {"frames": found.number_of_frames or 1}
            frame = int((await self._pool.run("busiest_frame", where | count)).facts["frame"])
        where["frame"] = frame
        source = await source_of(self._archive, found, frame)
        if source is not None:
            where["source"] = {"path": self._path(source[0]), "frame": source[1]}
        return (await self._pool.run("render_segment", where | arguments)).payload

    async def _presented(self, state: StoredInstance, number: int, arguments: Arguments) -> bytes:
        """One of the images that a presentation state is for."""
        images = await presented_images(self._archive, state)
        if number > len(images):
            raise CannotRender("the images of this presentation state are not stored here")
        image, frame = images[number - 1]
        where = {"path": self._path(image), "frame": frame, "state": self._path(state)}
        return (await self._pool.run("render_presented", where | arguments)).payload

    def _path(self, found: StoredInstance) -> str:
        return self._archive.objects.path(found.object_key)

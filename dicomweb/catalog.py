"""Instances that were asked for a moment ago, so that scrolling does not ask the index again.

A viewer fetches a series one frame a request. The second instance of a series that is looked up
brings all its others along. What is remembered is a few seconds old at most; an object that
proves to have moved (a damaged one that was sent again) is looked up anew.
"""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from hounsfield.archive.errors import NotFound, ObjectDamaged
from hounsfield.archive.frames import BulkdataTable, FrameTable
from hounsfield.archive.metadata_stream import stream_metadata
from hounsfield.archive.objects.port import ObjectReader
from hounsfield.archive.retrieve import StoredInstance, find_instances, missing, open_object
from hounsfield.dicomweb.encodings import Image

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

SECONDS = 3.0
REMEMBERED = 8192

Names = tuple[str, str, str]
K = TypeVar("K")
V = TypeVar("V")


class Known:
    """A stored instance with its tables decoded once."""

    def __init__(self, instance: StoredInstance, now: float) -> None:
        self.until = now + SECONDS
        self.image: Image | None = None
        self.learn(instance)

    def learn(self, instance: StoredInstance) -> None:
        """What the index says."""
        self.instance = instance
        self.transfer_syntax_uid = instance.transfer_syntax_uid
        self.has_pixels = instance.frame_table is not None
        self.has_file_meta = instance.dataset_offset > 0
        self._frames: FrameTable | None = None
        self._bulkdata: BulkdataTable | None = None

    @property
    def frames(self) -> FrameTable:
        """Where its frames lie. Raises NotFound where it has none."""
        if self._frames is None:
            self._frames = self.instance.frames
        if self._frames is None:
            raise NotFound("this instance has no frames")
        return self._frames

    @property
    def bulkdata(self) -> BulkdataTable:
        """Where its large values lie."""
        if self._bulkdata is None:
            self._bulkdata = self.instance.bulkdata or BulkdataTable({})
        return self._bulkdata


class Catalog:
    """What this process remembers of the index."""

    def __init__(self, archive: "Archive") -> None:
        self._archive = archive
        self._known: OrderedDict[Names, Known] = OrderedDict()
        self._series: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def find(self, study: str, series: str, instance: str) -> Known:
        """One instance. Raises NotFound."""
        names = (study, series, instance)
        known = self._known.get(names)
        now = time.monotonic()
        if known is not None and known.until > now:
            return known
        whole_series = self._series.pop((study, series), 0.0) > now
        self._series[study, series] = now + SECONDS
        _keep(self._series)
        found = await find_instances(
            self._archive, study, series, None if whole_series else instance
        )
        batch = {one.sop_instance_uid: Known(one, now) for one in found}
        self._known.update(((study, series, uid), one) for uid, one in batch.items())
        _keep(self._known)
        if instance not in batch:
            raise await missing(self._archive, *names)
        return batch[instance]

    async def describe(self, known: Sequence[Known], *uids: str | None) -> None:
        """Learn of the instances of a resource what decides whether they can be encoded."""
        waiting = {one.instance.sop_instance_uid: one for one in known if one.image is None}
        if not waiting:
            return
        async for image in _images(self._archive, *uids):
            if (one := waiting.get(image.sop_instance_uid)) is not None:
                one.image = image

    def forget(self) -> None:
        """Something was deleted."""
        self._known.clear()

    async def open(self, known: Known) -> ObjectReader:
        """Its object, looked up once more where it is not in its place."""
        try:
            return open_object(self._archive, known.instance)
        except ObjectDamaged:
            instance = known.instance
            names = (instance.study_instance_uid, instance.series_instance_uid)
            (again,) = await find_instances(self._archive, *names, instance.sop_instance_uid)
            known.learn(again)
            return open_object(self._archive, again)

    async def path(self, known: Known) -> str:
        """Where a worker reads it."""
        with await self.open(known):
            return self._archive.objects.path(known.instance.object_key)


async def _images(archive: "Archive", *uids: str | None) -> AsyncIterator[Image]:
    study, series, instance = uids
    async with aclosing(stream_metadata(archive, study or "", series, instance)) as documents:
        async for document in documents:
            yield Image.of(document)


def _keep(memory: "OrderedDict[K, V]") -> None:
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)

"""One object on its way out: as stored, with a new header around its pixels, or with its pixels
decoded or encoded anew.
"""

import secrets
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hounsfield.archive.bulkdata import BulkdataLocation
from hounsfield.archive.errors import NotFound
from hounsfield.archive.objects.local import LocalObjectReader
from hounsfield.archive.objects.port import ObjectReader
from hounsfield.archive.pieces import WORDS, pieces
from hounsfield.archive.transcoding.protocol import Reply
from hounsfield.dicomweb.answers import Buffer
from hounsfield.dicomweb.catalog import Catalog, Known
from hounsfield.dicomweb.negotiation import Making, Sent
from hounsfield.dicomweb.render_pool import RenderPool

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

PIXELS = (0x7FE00010, 0x7FE00009, 0x7FE00008)
DECODE_SECONDS = 120.0


class Outgoing:
    """Bytes before, a range of an object with its words turned or not, bytes behind."""

    def __init__(
        self,
        reader: ObjectReader,
        middle: tuple[int, int],
        before: bytes = b"",
        behind: bytes = b"",
        word: int = 1,
    ) -> None:
        self._reader = reader
        self._middle = middle
        self._before = before
        self._behind = behind
        self._word = word
        self.length = len(before) + middle[1] - middle[0] + len(behind)

    async def pieces(self) -> AsyncIterator[Buffer]:
        """All of it, in pieces of about a megabyte."""
        if self._before:
            yield self._before
        for piece in pieces(self._reader, *self._middle, self._word):
            yield piece
        if self._behind:
            yield self._behind

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.close()


class OutgoingObjects:
    """Makes objects ready to be sent."""

    def __init__(self, archive: "Archive", catalog: Catalog, pool: RenderPool) -> None:
        self._archive = archive
        self._catalog = catalog
        self._pool = pool

    async def prepare(self, known: Known, sent: Sent) -> Outgoing:
        """Open the object, after having had made what has to be made."""
        if sent.making is Making.DECODED:
            return await self._decoded(known)
        if sent.making is Making.ENCODED:
            return await self._encoded(known, sent.transfer_syntax)
        if sent.making is Making.REWRITTEN:
            return await self._rewritten(known)
        reader = await self._catalog.open(known)
        return Outgoing(reader, (0, known.instance.object_size))

    async def _rewritten(self, known: Known) -> Outgoing:
        arguments: dict[str, Any] = {"path": await self._catalog.path(known)}
        place = _pixels(known)
        if place is not None:
            tag, value = place
            arguments["pixels"] = {
                "tag": tag,
                "vr": value.vr,
                "offset": value.offset,
                "length": value.length,
            }
        reply = await self._pool.run("rewrite", arguments, DECODE_SECONDS)
        before, behind = (
            reply.payload[: reply.facts["before"]],
            reply.payload[reply.facts["before"] :],
        )
        reader = await self._catalog.open(known)
        if place is None:
            return Outgoing(reader, (0, 0), before, behind)
        value = place[1]
        middle = (value.offset, value.offset + value.length)
        return Outgoing(reader, middle, before, behind, WORDS.get(value.transform, 1))

    async def _decoded(self, known: Known) -> Outgoing:
        """The whole object, made as a file."""
        _, made = await self._made("decode_object", known)
        return Outgoing(made, (0, made.map().nbytes))

    async def _encoded(self, known: Known, syntax: str) -> Outgoing:
        """The fragments, made as a file, between what the worker answers with."""
        reply, made = await self._made("encode_object", known, syntax=syntax)
        before = int(reply.facts["before"])
        middle = (0, made.map().nbytes)
        return Outgoing(made, middle, reply.payload[:before], reply.payload[before:])

    async def _made(self, task: str, known: Known, **more: str) -> tuple[Reply, ObjectReader]:
        """What a worker writes, in a file whose name goes at once."""
        folder = self._archive.settings.data_dir.resolve() / "scratch"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        output = folder / secrets.token_hex(16)
        pixels = known.bulkdata.locate(f"{PIXELS[0]:08X}")
        arguments = {
            "path": await self._catalog.path(known),
            "behind": pixels.offset + pixels.length,
            "output": str(output),
        }
        try:
            reply = await self._pool.run(task, arguments | more, DECODE_SECONDS)
            with output.open("rb") as file:
                return reply, LocalObjectReader(file.fileno())
        finally:
            output.unlink(missing_ok=True)


def _pixels(known: Known) -> tuple[int, BulkdataLocation] | None:
    """Where native pixels lie in the object itself."""
    for tag in PIXELS:
        try:
            value = known.bulkdata.locate(f"{tag:08X}")
        except NotFound:
            continue
        return (tag, value) if value.transform == "none" or value.transform in WORDS else None
    return None

"""A study, a series or an instance as one ZIP file (PS3.18 8.6.1.3; PS3.10 files inside).

Written while it is sent, so that a study of any size costs the memory of one piece. Files are
stored, not deflated: pixels hardly shrink, and the time would be the client's. Their names are
short and plain, as some systems take no long path, and no UID or patient is in them.
"""

import zipfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from hounsfield.dicomweb.answers import Buffer
from hounsfield.dicomweb.catalog import Known
from hounsfield.dicomweb.media_types import DICOM, MULTIPART, ZIP, MediaType
from hounsfield.dicomweb.negotiation import Sent
from hounsfield.dicomweb.outgoing import Outgoing

NEEDS_ZIP64 = 0x7FFFFFFF
READABLE = 0o644 << 16
Prepare = Callable[[Known, Sent], Awaitable[Outgoing]]


def zip_entry(accept: Sequence[MediaType]) -> MediaType | None:
    """What a client that takes a ZIP wants in it: without a transfer syntax, what is stored."""
    for entry in accept:
        if entry.name == ZIP:
            syntax = entry.transfer_syntax or "*"
            return MediaType(MULTIPART, {"type": DICOM, "transfer-syntax": syntax})
    return None


async def zip_pieces(
    sending: Sequence[tuple[Known, Sent]], prepare: Prepare
) -> AsyncGenerator[Buffer, None]:
    """The bytes of the file, in order."""
    sink = _Sink()
    series: dict[str, int] = {}
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for number, (known, sent) in enumerate(sending, start=1):
            folder = series.setdefault(known.instance.series_instance_uid, len(series) + 1)
            info = _info(known, f"DICOM/SE{folder:06}/IM{number:06}.dcm")
            async with await prepare(known, sent) as outgoing:
                large = outgoing.length > NEEDS_ZIP64
                with archive.open(info, "w", force_zip64=large) as file:
                    async for piece in outgoing.pieces():
                        file.write(piece)
                        for ready in sink.take():
                            yield ready
    for ready in sink.take():
        yield ready


def _info(known: Known, name: str) -> zipfile.ZipInfo:
    """Dated by the store, so that the same study is the same file."""
    stored = known.instance.stored_at
    info = zipfile.ZipInfo(name, stored.timetuple()[:6])
    info.external_attr = READABLE
    return info


class _Sink:
    """Takes what zipfile writes; it cannot be told to go back."""

    def __init__(self) -> None:
        self._ready: list[Buffer] = []

    def write(self, data: Buffer) -> int:
        """Keep a piece until it is taken."""
        self._ready.append(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing behind it."""

    def take(self) -> list[Buffer]:
        """What has been written since."""
        ready, self._ready = self._ready, []
        return ready

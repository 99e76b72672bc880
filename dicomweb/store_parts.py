"""The parts of a STOW-RS request on their way into the archive, written as they stream.

All of it runs in a worker's thread. A part is handed over once it is whole and another one follows,
and nobody waits for it until the request ends, so that the parts of one request share their
commits. A part that stays alone is committed by this thread.
"""

import struct
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from hounsfield.archive.errors import CannotUnderstand, HounsfieldError
from hounsfield.archive.ingest import Reception, receive
from hounsfield.archive.types import Source, StoreResult
from hounsfield.dicomweb.bodies import CLOSE
from hounsfield.dicomweb.media_types import DICOM, OCTET_STREAM
from hounsfield.dicomweb.problems import BodyTooLarge
from hounsfield.dicomweb.resource import UID

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

BEGINNING = 2048
"""Bytes kept of each part: the File Meta and the first elements of group 0008."""
MAX_PARTS = 20_000
PLAIN_ENCODINGS = frozenset({"", "binary", "8bit", "7bit"})
SOP_CLASS = (b"\x08\x00\x16\x00", b"\x02\x00\x02\x00")
SOP_INSTANCE = (b"\x08\x00\x18\x00", b"\x02\x00\x03\x00")
"""In the data set; else in the File Meta, which repeats them."""
ACCEPTED = frozenset({"", DICOM, OCTET_STREAM})


@dataclass(slots=True)
class Part:
    """What became of one part: a future that carries the answer, or the answer, or an error."""

    future: Future[StoreResult] | None = None
    result: StoreResult | None = None
    error: Exception | None = None
    beginning: bytes = b""

    def names(self) -> tuple[str, str]:
        """SOP Class and Instance UID as far as they can be read, for the list of failures."""
        names = tuple(_uid(self.beginning, *tags) for tags in (SOP_CLASS, SOP_INSTANCE))
        return names if all(names) else ("", "")  # type: ignore[return-value]


def _uid(beginning: bytes, *tags: bytes) -> str:
    """The first of these elements that holds a UID, in a data set that may be broken."""
    for tag in tags:
        start = beginning.find(tag) + 8
        size = "<H" if beginning[start - 4 : start - 2] == b"UI" else "<I"
        if start >= 8 and len(beginning) >= start:
            (length,) = struct.unpack_from(size, beginning, start - struct.calcsize(size))
            text = beginning[start : start + min(length, 66)].decode("latin-1").rstrip("\0 ")
            if UID.fullmatch(text):
                return text
    return ""


class StoreParts:
    """Takes the parts of one request (see :class:`multipart.PartSink`)."""

    def __init__(self, archive: "Archive", source: Source, study: str | None) -> None:
        self._archive = archive
        self._source = source
        self._study = study
        self._reception: Reception | None = None
        self._whole: Reception | None = None
        self._beginning = bytearray()
        self.parts: list[Part] = []

    def begin(self, headers: dict[str, str]) -> None:
        """Look at what the part says that it is."""
        if len(self.parts) >= MAX_PARTS:
            raise BodyTooLarge(f"a request may hold {MAX_PARTS} instances at most", CLOSE)
        self._hand_over()
        self._beginning = bytearray()
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        encoding = headers.get("content-transfer-encoding", "").strip().lower()
        if kind not in ACCEPTED:
            self._fail(CannotUnderstand(f"a part of type {kind[:80]} cannot be stored"))
        elif encoding not in PLAIN_ENCODINGS:
            self._fail(CannotUnderstand("parts are taken as binary, without a transfer encoding"))
        else:
            self._reception = receive(self._archive, self._source, study_instance_uid=self._study)

    def data(self, data: memoryview) -> None:
        """Write on; after a failure the rest of the part is passed over."""
        if self._reception is None:
            return
        if len(self._beginning) < BEGINNING:
            self._beginning += data[: BEGINNING - len(self._beginning)]
        try:
            self._reception.write(data)
        except Exception as error:
            self._fail(error)

    def end(self) -> None:
        """The part is whole."""
        if self._reception is not None:
            self._whole, self._reception = self._reception, None
            self.parts.append(Part(beginning=bytes(self._beginning)))

    def finish(self) -> None:
        """No part follows."""
        self._hand_over(alone=len(self.parts) == 1)

    def _hand_over(self, *, alone: bool = False) -> None:
        reception, self._whole = self._whole, None
        if reception is None:
            return
        part = self.parts[-1]
        try:
            if alone:
                part.result = reception.commit()
            else:
                part.future = reception.submit()
        except Exception as error:
            part.error = error
            _log(error)
            reception.abort()

    def abort(self) -> None:
        """The body ended inside the part: nothing of it is kept."""
        if self._reception is not None:
            self._fail(CannotUnderstand("the body ended inside this part"))

    def _fail(self, error: Exception) -> None:
        _log(error)
        if self._reception is not None:
            self._reception.abort()
            self._reception = None
        self.parts.append(Part(error=error, beginning=bytes(self._beginning)))


def _log(error: Exception) -> None:
    if not isinstance(error, HounsfieldError):
        log.error("store.failed", error=type(error).__name__, exc_info=error)

"""STOW-RS as metadata and bulk data (PS3.18 10.5.2): parts gathered, then instances written.

Metadata are gathered in memory under a limit, bulk data on disk. Once the body has ended every
instance is written through the one door, and is then as if it had come as a file.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from hounsfield.archive.errors import CannotUnderstand, HounsfieldError
from hounsfield.archive.ingest import receive
from hounsfield.archive.types import Source
from hounsfield.dicomweb.assembly import Assembly
from hounsfield.dicomweb.bodies import CLOSE
from hounsfield.dicomweb.media_types import DICOM_JSON, DICOM_XML, OCTET_STREAM, parse_media_type
from hounsfield.dicomweb.multipart import MultipartReader
from hounsfield.dicomweb.native_model_reader import read_native_model
from hounsfield.dicomweb.problems import BodyTooLarge, UnsupportedMediaType
from hounsfield.dicomweb.spool import BulkPart, Spool
from hounsfield.dicomweb.store_parts import MAX_PARTS, PLAIN_ENCODINGS, Part

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

MAX_METADATA = 16 * 1024 * 1024
SOP_CLASS, SOP_INSTANCE = "00080016", "00080018"


@dataclass(slots=True)
class Instance(Part):
    """What became of one instance."""

    sop_class_uid: str = ""
    sop_instance_uid: str = ""

    def names(self) -> tuple[str, str]:
        """As the metadata have them."""
        both = (self.sop_class_uid, self.sop_instance_uid)
        return both if all(both) else ("", "")


@dataclass(slots=True)
class _Arriving:
    """The part whose bytes are coming."""

    kind: str
    transfer_syntax: str
    location: str
    start: int


class StoreMetadata:
    """Takes the parts of one request (see :class:`multipart.PartSink`), then stores."""

    def __init__(
        self, archive: "Archive", source: Source, study: str | None, metadata_type: str
    ) -> None:
        self._archive, self._source, self._study = archive, source, study
        self._metadata_type = metadata_type
        self._spool = Spool(archive)
        self._arriving: _Arriving | None = None
        self._document = bytearray()
        self._gathered = 0
        self._count = 0
        self._metadata: list[Any] = []
        self._bulk: dict[str, list[BulkPart]] = defaultdict(list)
        self.parts: list[Part] = []

    def begin(self, headers: dict[str, str]) -> None:
        """Look at what the part says that it is."""
        self._count += 1
        if self._count > MAX_PARTS:
            raise BodyTooLarge(f"a request may hold {MAX_PARTS} parts at most", CLOSE)
        try:
            self._arriving = self._begun(headers)
        except (HounsfieldError, UnsupportedMediaType) as error:
            self._fail(error)

    def _begun(self, headers: dict[str, str]) -> _Arriving:
        kind = parse_media_type(headers.get("content-type", OCTET_STREAM))
        location = headers.get("content-location", "")
        if headers.get("content-transfer-encoding", "").strip().lower() not in PLAIN_ENCODINGS:
            raise CannotUnderstand("parts are taken as binary, without a transfer encoding")
        if kind.name != self._metadata_type and not location:
            raise CannotUnderstand("a part with bulk data has no Content-Location")
        return _Arriving(kind.name, kind.transfer_syntax or "", location, self._spool.size)

    def data(self, data: memoryview) -> None:
        """Keep it."""
        arriving = self._arriving
        if arriving is None:
            return
        if arriving.kind == self._metadata_type:
            self._gathered += len(data)
            if self._gathered > MAX_METADATA:
                raise BodyTooLarge(f"metadata may have {MAX_METADATA} bytes at most", CLOSE)
            self._document += data
            return
        try:
            self._spool.write(data)
        except HounsfieldError as error:
            self._fail(error)

    def end(self) -> None:
        """The part is whole."""
        arriving, self._arriving = self._arriving, None
        if arriving is None:
            return
        if arriving.kind == self._metadata_type:
            self._read_metadata()
        else:
            length = self._spool.size - arriving.start
            part = BulkPart(arriving.kind, arriving.transfer_syntax, arriving.start, length)
            self._bulk[arriving.location].append(part)

    def finish(self) -> None:
        """No part follows: what has come is put together by :meth:`store`."""

    def abort(self) -> None:
        """The body ended inside the part."""
        if self._arriving is not None:
            self._fail(CannotUnderstand("the body ended inside this part"))

    def store(self) -> None:
        """Write every instance; each fails by itself."""
        used: set[str] = set()
        for members in self._metadata:
            self.parts.append(self._store_one(members, used))
        for location in self._bulk.keys() - used:
            self.parts.append(
                Part(error=CannotUnderstand(f"no metadata name the bulk data {location[:200]!r}"))
            )

    def close(self) -> None:
        """Let go of the bulk data."""
        self._spool.close()

    def _read_metadata(self) -> None:
        document, self._document = bytes(self._document), bytearray()
        try:
            if self._metadata_type == DICOM_XML:
                self._metadata.append(read_native_model(document))
            else:
                found = orjson.loads(document)
                self._metadata += found if isinstance(found, list) else [found]
        except orjson.JSONDecodeError as error:
            self._fail(CannotUnderstand(f"the metadata are no JSON: {error}"))
        except HounsfieldError as error:
            self._fail(error)

    def _store_one(self, members: Any, used: set[str]) -> Part:
        instance = Instance()
        try:
            assembly = Assembly(members, self._bulk, self._spool)
            instance.sop_class_uid = assembly.uid(SOP_CLASS)
            instance.sop_instance_uid = assembly.uid(SOP_INSTANCE)
            try:
                self._receive(assembly, instance)
            finally:
                used |= assembly.used
        except Exception as error:
            if not isinstance(error, HounsfieldError):
                log.error("store.failed", error=type(error).__name__, exc_info=error)
            instance.error = error
        return instance

    def _receive(self, assembly: Assembly, instance: Instance) -> None:
        transfer_syntax = assembly.transfer_syntax()
        with receive(
            self._archive,
            self._source,
            transfer_syntax_uid=transfer_syntax,
            sop_class_uid=instance.sop_class_uid or None,
            sop_instance_uid=instance.sop_instance_uid or None,
            study_instance_uid=self._study,
        ) as reception:
            for piece in assembly.pieces(transfer_syntax):
                reception.write(piece)
            instance.future = reception.submit()

    def _fail(self, error: Exception) -> None:
        self._arriving = None
        self.parts.append(Part(error=error))


class MetadataReader:
    """Cuts a body into parts and stores the instances once it has ended."""

    def __init__(self, boundary: bytes, sink: StoreMetadata) -> None:
        self._sink = sink
        self._reader = MultipartReader(boundary, sink)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._reader.feed(chunk)

    def finish(self) -> None:
        """Store what has come."""
        self._reader.finish()
        self._sink.store()
        self._sink.close()

    def close(self) -> None:
        """The body was given up."""
        self._reader.close()
        self._sink.close()


METADATA_TYPES = (DICOM_JSON, DICOM_XML)

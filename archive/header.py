"""Reads an object once, and gets from it all that the archive keeps beside the bytes.

The scanner reads what is usual; what it does not know goes to the tolerant reader
(:mod:`hounsfield.archive.fallback`), and what neither can read is CannotUnderstand.
"""

import re
from dataclasses import dataclass
from mmap import mmap
from typing import Any

import orjson

from hounsfield.archive import attributes
from hounsfield.archive.bulkdata import BulkdataLocation, BulkdataTable
from hounsfield.archive.dicom_json import INSTANCE_URI, Members, values_of
from hounsfield.archive.encoding import Encoding, find_encoding
from hounsfield.archive.errors import CannotUnderstand
from hounsfield.archive.fallback import read_tolerantly
from hounsfield.archive.file_meta import FileMeta, read_file_meta
from hounsfield.archive.frame_layout import ImagePixel, frame_table
from hounsfield.archive.frames import FrameTable
from hounsfield.archive.index_text import index_attributes
from hounsfield.archive.inflate import inflate
from hounsfield.archive.metadata import BASE_URL
from hounsfield.archive.scanned import DEFAULT_LIMITS, Limits, Scanned, Unusual
from hounsfield.archive.scanner import scan

WRITER_VERSION = 1
"""Version of what is written from a header; kept with each row, so that it can be made anew."""

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True, slots=True)
class Header:
    """What one instance says of itself, and where its frames and large values lie."""

    transfer_syntax_uid: str
    dataset_offset: int
    """First byte behind the File Meta."""
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    attributes: dict[str, str]
    """Text columns of the index that are not empty."""
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    number_of_frames: int | None
    members: Members
    """DICOM JSON of the data set, as it was read."""
    instance_json: bytes
    """What a search returns of an instance: members without braces, tags ascending."""
    metadata_json: bytes
    """Byte FF stands where the base URL of the DICOMweb root goes."""
    frame_table: FrameTable | None
    bulkdata: BulkdataTable
    warnings: tuple[str, ...] = ()

    @property
    def study_json(self) -> bytes:
        """The same of a study. Made when it is asked for: only a study's first instance is."""
        return _level(self.members, attributes.STUDY, attributes.STUDY_ALWAYS)

    @property
    def series_json(self) -> bytes:
        """The same of a series."""
        return _level(self.members, attributes.SERIES, attributes.SERIES_ALWAYS)


def read_header(
    source: bytes | bytearray | mmap | memoryview,
    *,
    limits: Limits = DEFAULT_LIMITS,
    file_meta: FileMeta | None = None,
) -> Header:
    """Read a PS3.10 object, with or without preamble; ``file_meta`` where it is known already.

    Raises CannotUnderstand, TransferSyntaxNotSupported or TooLarge, and nothing else.
    """
    view = memoryview(source).cast("B")
    meta = file_meta or read_file_meta(view)
    encoding, warnings = find_encoding(view, meta)
    data, start = view, meta.dataset_offset
    if encoding.deflated:
        data, start = memoryview(inflate(view[start:], limits)), 0
    scanned = read_dataset(data, start, encoding, limits)
    pixel = _image_pixel(scanned.members)
    frames = frame_table(data, scanned, pixel, encoding)
    return _header(scanned, encoding.transfer_syntax_uid, meta, pixel, frames, warnings)


def read_dataset(
    view: memoryview, start: int, encoding: Encoding, limits: Limits = DEFAULT_LIMITS
) -> Scanned:
    """Read a data set with the scanner, or with the tolerant reader."""
    try:
        return scan(view, start, encoding, limits)
    except Unusual:
        return read_tolerantly(view, start, encoding, limits)


def _header(
    scanned: Scanned,
    transfer_syntax_uid: str,
    meta: FileMeta,
    pixel: ImagePixel,
    frames: FrameTable | None,
    warnings: tuple[str, ...],
) -> Header:
    members = scanned.members
    study, series = _uid(members, "0020000D"), _uid(members, "0020000E")
    sop_class, sop_instance = _uid(members, "00080016"), _uid(members, "00080018")
    uri = f"/studies/{study}/series/{series}/instances/{sop_instance}".encode()
    locations = {
        path: BulkdataLocation(entry.start, entry.length, entry.vr, entry.transform)
        for path, entry in scanned.bulk.items()
    }
    return Header(
        transfer_syntax_uid=transfer_syntax_uid,
        dataset_offset=meta.dataset_offset,
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance,
        study_instance_uid=study,
        series_instance_uid=series,
        attributes=index_attributes(members),
        rows=pixel.rows,
        columns=pixel.columns,
        bits_allocated=pixel.bits_allocated,
        number_of_frames=frames.number_of_frames if frames else _number(members, "00280008"),
        members=members,
        instance_json=_level(members, attributes.INSTANCE, attributes.INSTANCE_ALWAYS),
        metadata_json=orjson.dumps(members)[1:-1].replace(INSTANCE_URI, BASE_URL + uri),
        frame_table=frames,
        bulkdata=BulkdataTable(locations),
        warnings=(*warnings, *scanned.warnings),
    )


def _level(members: Members, level: frozenset[str], always: tuple[str, ...]) -> bytes:
    chosen = attributes.level_members(members, level, always)
    written = orjson.dumps(chosen)[1:-1]
    if INSTANCE_URI not in written:
        return written
    # A value that lies in one instance is no attribute of its study or series.
    return orjson.dumps(
        {key: value for key, value in chosen.items() if INSTANCE_URI not in orjson.dumps(value)}
    )[1:-1]


def _uid(members: Members, key: str) -> str:
    """A UID that can be indexed (PS3.5 9.1). A component with a leading zero is let pass."""
    value = _first(members, key)
    if not isinstance(value, str) or len(value) > 64 or not _UID.fullmatch(value):
        raise CannotUnderstand(
            f"({key[:4]},{key[4:]}) holds no valid UID", offending_tags=(int(key, 16),)
        )
    return value


def _image_pixel(members: Members) -> ImagePixel:
    return ImagePixel(
        rows=_number(members, "00280010"),
        columns=_number(members, "00280011"),
        bits_allocated=_number(members, "00280100"),
        samples_per_pixel=_number(members, "00280002") or 1,
        number_of_frames=_number(members, "00280008") or 1,
        photometric_interpretation=str(_first(members, "00280004") or ""),
    )


def _first(members: Members, key: str) -> Any:
    values = values_of(members, key)
    return values[0] if values else None


def _number(members: Members, key: str) -> int | None:
    value = _first(members, key)
    return value if isinstance(value, int) and 0 <= value < 2**31 else None

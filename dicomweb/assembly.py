"""One instance out of its metadata and the bulk data that came with them (PS3.18 10.5.2).

A BulkDataURI is a name within the payload: the Content-Location of parts of the same request.
Nothing else is looked at, whatever the URI seems to point to. Elements are written one after the
other, large values from disk, so that memory holds no more than the metadata.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from hounsfield.archive.dataset_writer import (
    BINARY,
    CHARACTER_SET,
    UTF_8,
    DataSetWriter,
    element_head,
    is_group_length,
)
from hounsfield.archive.dicom_json import Members, values_of
from hounsfield.archive.errors import CannotUnderstand, TooLarge
from hounsfield.archive.file_meta import EXPLICIT_LITTLE
from hounsfield.dicomweb.pixel_payload import encapsulated, transfer_syntax_of
from hounsfield.dicomweb.spool import BulkPart, Spool

PIXEL_DATA = "7FE00010"
FILE_META = "0002"
TRANSFER_SYNTAX, AVAILABLE_TRANSFER_SYNTAX = "00020010", "00083002"
HEX = frozenset("0123456789ABCDEF")
UNDEFINED = 0xFFFFFFFF
MAX_NESTED_BYTES = 32 * 1024 * 1024
"""Bulk data inside sequences, whose lengths have to be known before they are written."""

Named = Mapping[str, Sequence[BulkPart]]
"""Bulk data parts by their Content-Location, in the order in which they came."""


class Assembly:
    """The data set to be stored, and what it is called."""

    def __init__(self, members: Any, bulk: Named, spool: Spool) -> None:
        self._members = _checked(members)
        self._bulk = bulk
        self._spool = spool
        self._nested = 0
        self.used: set[str] = set()
        """Content-Locations that were named."""

    def uid(self, tag: str) -> str:
        """A UID of the data set, or nothing."""
        values = values_of(self._members, tag)
        return values[0] if values and isinstance(values[0], str) else ""

    def transfer_syntax(self) -> str:
        """Explicit VR Little Endian, or what the pixel data were compressed with."""
        element = self._members.get(PIXEL_DATA)
        if not isinstance(element, dict) or "BulkDataURI" not in element:
            return EXPLICIT_LITTLE
        declared = self.uid(TRANSFER_SYNTAX) or self.uid(AVAILABLE_TRANSFER_SYNTAX)
        return transfer_syntax_of(self._named(element), declared, self._spool)

    def pieces(self, transfer_syntax: str) -> Iterator[bytes]:
        """The bytes of the data set."""
        members = {
            tag: element
            for tag, element in self._members.items()
            if not tag.startswith(FILE_META) and not is_group_length(tag)
        }
        if not _is_ascii(members):
            members[CHARACTER_SET] = UTF_8
        writer = DataSetWriter(self._nested_bulk)
        for tag in sorted(members):
            element = members[tag]
            if not isinstance(element, dict) or "BulkDataURI" not in element:
                yield writer.element(tag, element)
            elif tag == PIXEL_DATA and transfer_syntax != EXPLICIT_LITTLE:
                yield element_head(tag, "OB", UNDEFINED)
                parts, frames = self._named(element), self._frames()
                yield from encapsulated(parts, frames, transfer_syntax, self._spool)
            else:
                yield from self._plain(tag, element)

    def _plain(self, tag: str, element: Members) -> Iterator[bytes]:
        parts = self._named(element)
        length = sum(part.length for part in parts)
        vr = element.get("vr")
        if not isinstance(vr, str):
            raise CannotUnderstand(f"({tag[:4]},{tag[4:]}) has no VR")
        yield element_head(tag, vr, length + length % 2)
        for part in parts:
            yield from self._spool.pieces(part)
        yield (b"\0" if vr in BINARY else b" ") * (length % 2)

    def _nested_bulk(self, vr: str, uri: str) -> bytes:
        parts = self._named({"BulkDataURI": uri})
        self._nested += sum(part.length for part in parts)
        if self._nested > MAX_NESTED_BYTES:
            raise TooLarge("there are more bulk data inside sequences than this archive takes")
        return b"".join(piece for part in parts for piece in self._spool.pieces(part))

    def _named(self, element: Members) -> Sequence[BulkPart]:
        uri = element["BulkDataURI"]
        uri = uri[0] if isinstance(uri, list) and uri else uri
        found = self._bulk.get(uri) if isinstance(uri, str) else None
        if not found:
            raise CannotUnderstand(
                f"no part of the request has the Content-Location {str(uri)[:200]!r}; bulk data "
                "are taken from the request alone"
            )
        self.used.add(uri)
        return found

    def _frames(self) -> int:
        try:
            return int((values_of(self._members, "00280008") or [1])[0])
        except (TypeError, ValueError):
            return 1


def _is_ascii(members: Members) -> bool:
    try:
        return orjson.dumps(members).isascii()
    except orjson.JSONEncodeError as error:
        raise CannotUnderstand("the metadata are nested deeper than this archive reads") from error


def _checked(members: Any) -> Members:
    """DICOM JSON as far as the names of its members go."""
    if not isinstance(members, dict):
        raise CannotUnderstand("the metadata of an instance are a JSON object (PS3.18 F.2)")
    if any(len(tag) != 8 or not HEX.issuperset(tag) or tag < FILE_META for tag in members):
        raise CannotUnderstand("the metadata have a member that is not named by a tag")
    return members

"""Identifiers of queries and retrieves: the data sets that say what is asked and what was found
(PS3.7 9.1.2.1.5, PS3.4 C.4), in any of the uncompressed transfer syntaxes.
"""

import zlib
from dataclasses import dataclass, field

from hounsfield.archive.charset import Encode, encoder
from hounsfield.archive.dataset_writer import CHARACTER_SET, UTF_8, DataSetWriter
from hounsfield.archive.dicom_json import Element, Members, values_of
from hounsfield.archive.encoding import Encoding, encoding_named
from hounsfield.archive.errors import CannotUnderstand, TooLarge
from hounsfield.archive.header import read_dataset
from hounsfield.archive.index_text import plain
from hounsfield.archive.inflate import inflate
from hounsfield.archive.scanned import Limits

MOST_BYTES = 1024 * 1024
"""Room for a list of sixteen thousand UIDs."""

LIMITS = Limits(
    depth=8,
    elements=20_000,
    inline_bytes=MOST_BYTES,
    values_memory=16 * MOST_BYTES,
    inflated_bytes=MOST_BYTES,
    inflated_always=MOST_BYTES,
)


@dataclass(frozen=True, slots=True)
class Identifier:
    """What was asked, as members of DICOM JSON, and in which character set."""

    members: Members
    character_set: tuple[str, ...] = ()

    def text(self, tag: str) -> str:
        """The values of an attribute as one text, as they stand in its data set."""
        return text_of(self.members.get(tag))


def text_of(element: Element | None) -> str:
    """The values of an element as one text; nothing where it is absent, empty or a sequence."""
    if element is None or element["vr"] == "SQ":
        return ""
    return "\\".join(map(plain, values_of({"": element}, "")))


@dataclass(slots=True)
class Incoming:
    """An identifier while it arrives. What is too long is let pass, and said once it has come."""

    transfer_syntax_uid: str
    _data: bytearray = field(default_factory=bytearray)
    _length: int = 0

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes."""
        self._length += len(fragment)
        if self._length <= MOST_BYTES:
            self._data += fragment

    def decode(self) -> Identifier:
        """All has come. Raises CannotUnderstand or TooLarge."""
        if self._length > MOST_BYTES:
            raise TooLarge("the identifier is longer than a query can be")
        encoding = encoding_named(self.transfer_syntax_uid)
        view = memoryview(self._data)
        if encoding.deflated:
            view = memoryview(inflate(view, LIMITS))
        scanned = read_dataset(view, 0, encoding, LIMITS)
        return Identifier(scanned.members, scanned.character_set)


class IdentifierWriter:
    """Writes identifiers in one transfer syntax and, where they fit into it, one character set.

    What does not fit is written in UTF-8, and says so (PS3.4 C.4.1.1.3.2). ``fixed`` goes into
    every one of them, and is encoded once.
    """

    def __init__(
        self,
        transfer_syntax_uid: str,
        character_set: tuple[str, ...] = (),
        fixed: Members | None = None,
    ) -> None:
        self._encoding = encoding_named(transfer_syntax_uid)
        self._writer = _writer(self._encoding, encoder(character_set))
        self._in_utf_8 = _writer(self._encoding, str.encode)
        self._fixed = fixed or {}
        stated = {CHARACTER_SET: {"vr": "CS", "Value": list(character_set)}}
        ready = self._fixed | (stated if character_set else {})
        self._ready = [(tag, self._writer.element(tag, ready[tag])) for tag in ready]

    def write(self, members: Members) -> bytes:
        """The data set of these members and of what is fixed, tags ascending."""
        element = self._writer.element
        try:
            elements = [(tag, element(tag, member)) for tag, member in members.items()]
            data = b"".join([encoded for _, encoded in sorted(elements + self._ready)])
        except CannotUnderstand:
            data = self._written_in_utf_8(members | self._fixed | {CHARACTER_SET: UTF_8})
        return _deflated(data) if self._encoding.deflated else data

    def _written_in_utf_8(self, members: Members) -> bytes:
        """What was stored and is no value of its VR goes out empty."""
        elements = []
        for tag in sorted(members):
            try:
                elements.append(self._in_utf_8.element(tag, members[tag]))
            except CannotUnderstand:
                elements.append(self._in_utf_8.element(tag, {"vr": members[tag]["vr"]}))
        return b"".join(elements)


def _writer(encoding: Encoding, encode: Encode) -> DataSetWriter:
    return DataSetWriter(lambda vr, uri: b"", encoding, encode)


def _deflated(data: bytes) -> bytes:
    """RFC 1951 without a header, of even length (PS3.5 A.5)."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = stream.compress(data) + stream.flush()
    return deflated + b"\0" * (len(deflated) % 2)

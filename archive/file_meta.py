"""File Meta Information (PS3.10 7.1): the 128-byte preamble, ``DICM`` and group 0002.

Written for data sets that come by C-STORE, which bring none; read, with the tolerance that
files in the field need, for all that come as PS3.10 objects.
"""

from dataclasses import dataclass
from struct import Struct

from hounsfield.archive.errors import CannotUnderstand, TransferSyntaxNotSupported

IMPLEMENTATION_CLASS_UID = "2.25.334772294356911164276450942919104967145"
IMPLEMENTATION_VERSION_NAME = "HOUNSFIELD_0.1"

PREAMBLE = bytes(128)
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

_STANDARD = "1.2.840.10008.1.2"
_NOT_A_DATA_SET_WITH_PIXELS = (
    "1.2.840.10008.1.2.4.94",  # JPIP Referenced
    "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
    "1.2.840.10008.1.2.4.204",  # JPIP HTJ2K Referenced
    "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
    "1.2.840.10008.1.2.6.1",  # RFC 2557 MIME encapsulation
    "1.2.840.10008.1.2.6.2",  # XML encoding
    "1.2.840.10008.1.2.7.1",  # SMPTE ST 2110-20 progressive
    "1.2.840.10008.1.2.7.2",  # SMPTE ST 2110-20 interlaced
    "1.2.840.10008.1.2.7.3",  # SMPTE ST 2110-30 audio
)
_LONG = frozenset((b"OB", b"OW", b"UN", b"UT", b"SQ"))
_EXPLICIT = Struct("<HH2sH")
_IMPLICIT = Struct("<HHI")
_LENGTH = Struct("<I")


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the File Meta says, and where the data set begins."""

    transfer_syntax_uid: str
    dataset_offset: int
    warnings: tuple[str, ...] = ()


def encode_file_meta(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae_title: str = ""
) -> bytes:
    """Preamble, ``DICM`` and group 0002, to stand before a data set received by C-STORE."""
    group = (
        _LONG_HEADER.pack(2, 1, b"OB", 0, 2)
        + b"\x00\x01"
        + _element(0x0002, b"UI", sop_class_uid)
        + _element(0x0003, b"UI", sop_instance_uid)
        + _element(0x0010, b"UI", transfer_syntax_uid)
        + _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID)
        + _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME)
    )
    if source_ae_title:
        group += _element(0x0016, b"AE", source_ae_title)
    length = _EXPLICIT.pack(2, 0, b"UL", 4) + _LENGTH.pack(len(group))
    return PREAMBLE + b"DICM" + length + group


_LONG_HEADER = Struct("<HH2sHI")


def _element(element: int, vr: bytes, value: str) -> bytes:
    try:
        raw = value.encode("ascii")
    except UnicodeEncodeError as error:
        raise CannotUnderstand("the request holds a UID or AE title that is not ASCII") from error
    if len(raw) > 64:
        raise CannotUnderstand("the request holds a UID or AE title of over 64 characters")
    raw += (b"\0" if vr == b"UI" else b" ") * (len(raw) % 2)
    return _EXPLICIT.pack(2, element, vr, len(raw)) + raw


def read_file_meta(view: memoryview) -> FileMeta:
    """Find the transfer syntax and the first byte of the data set.

    An object without preamble, or a bare data set that clearly begins with group 0002 or 0008,
    is read too. Group lengths are not trusted (PS3.10 7.1 requires one; files lie).
    """
    start = _first_element(view)
    uid, offset = _walk(view, start)
    if not uid:
        guessed = guess_encoding(view, offset)
        return FileMeta(guessed, offset, (f"no transfer syntax: taken for {guessed}",))
    if not uid.startswith(_STANDARD) or uid in _NOT_A_DATA_SET_WITH_PIXELS:
        raise TransferSyntaxNotSupported(f"transfer syntax {uid!r} cannot be stored")
    return FileMeta(uid, offset)


def _first_element(view: memoryview) -> int:
    head = view[:132].tobytes()
    if head[128:] == b"DICM":
        return 132
    if head[:4] == b"DICM":
        return 4
    if head[:2] in (b"\x02\x00", b"\x08\x00") and len(head) > 8 and head[3] == 0:
        return 0
    if head[:3] == b"\x00\x08\x00" and head[4:6].isalpha():
        return 0  # a bare big-endian data set
    raise CannotUnderstand("not a DICOM object: no DICM prefix and no data set at its beginning")


def _walk(view: memoryview, pos: int) -> tuple[str, int]:
    """Read group 0002 to its end: the transfer syntax and the offset of what follows."""
    uid, declared_end, size = "", 0, len(view)
    while pos + 8 <= size and view[pos] == 2 and view[pos + 1] == 0:
        if pos == declared_end and uid == DEFLATED:
            break  # deflated bytes may look like anything, group 0002 included
        element, start, length = _header(view, pos)
        pos = start + length
        if pos > size:
            raise CannotUnderstand(f"File Meta element (0002,{element:04X}) ends beyond the object")
        if element == 0x0000 and length == 4:
            declared_end = pos + _LENGTH.unpack_from(view, start)[0]
        elif element == 0x0010 and not uid:
            uid = str(view[start : start + min(length, 64)], "latin-1").strip(" \0")
    return uid, pos


def _header(view: memoryview, pos: int) -> tuple[int, int, int]:
    _, element, vr, length = _EXPLICIT.unpack_from(view, pos)
    if not vr.isalpha():
        return element, pos + 8, _IMPLICIT.unpack_from(view, pos)[2]
    if vr not in _LONG:
        return element, pos + 8, length
    if pos + 12 > len(view):
        raise CannotUnderstand("the object ends inside its File Meta")
    return element, pos + 12, _LENGTH.unpack_from(view, pos + 8)[0]


def guess_encoding(view: memoryview, offset: int) -> str:
    """The uncompressed transfer syntax that a data set's first bytes look like."""
    first = view[offset : offset + 6]
    if len(first) < 6:
        return EXPLICIT_LITTLE
    if not (first[4:6].tobytes().isalpha() and first[4:6].tobytes().isupper()):
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if first[0] == 0 and first[1] else EXPLICIT_LITTLE

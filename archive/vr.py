"""Value representations (PS3.5 6.2): how each is encoded, and which one an element has where
the encoding does not say (implicit VR, UN).
"""

from functools import lru_cache
from typing import NamedTuple

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, private_dictionary_VR

from hounsfield.archive.dicom_json import KEYS, Members, values_of
from hounsfield.archive.number_values import Convert
from hounsfield.archive.values import CONVERTERS

INLINE_BINARY_BYTES = 1024
INLINE_BYTES = 1024 * 1024
SHORT_BYTES = 128
"""Longer values are accounted for: a kilobyte of text may become a megabyte of objects."""
_NO_LIMIT = 0xFFFFFFFE

BINARY_UNITS = {"OB": 1, "UN": 1, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
UNITS = BINARY_UNITS | {
    "US": 2, "SS": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8,
}  # fmt: skip
"""Bytes of the word that a big-endian encoding swaps; VRs that are not named have none."""

_LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
_MAY_BE_BULK = {
    "DS", "FL", "FD", "IS", "LT", "SL", "SS", "ST", "SV", "UC", "UL", "US", "UT", "UV",
}  # fmt: skip
"""Beside the binary ones (PS3.18 10.4.3.3.2)."""


class Kind(NamedTuple):
    """How the elements of one VR are read."""

    vr: str
    long: bool
    """Explicit VR has two reserved bytes and a length of four (PS3.5 7.1.2)."""
    limit: int
    """Up to this many bytes are converted on the spot; -1 for what is never that simple."""
    convert: Convert
    empty: dict[str, str]
    inline: int
    """A longer value is given by URI."""
    field: str
    """The member that holds the value: ``Value`` or ``InlineBinary``."""


def _kind(vr: str) -> Kind:
    binary = vr in BINARY_UNITS
    inline = INLINE_BYTES if vr in _MAY_BE_BULK else _NO_LIMIT
    inline = INLINE_BINARY_BYTES if binary else inline
    limit = -1 if vr == "SQ" else min(inline, SHORT_BYTES)
    convert = CONVERTERS.get(vr, CONVERTERS["UN"])
    field = "InlineBinary" if binary else "Value"
    return Kind(vr, vr in _LONG, limit, convert, {"vr": vr}, inline, field)


KINDS = {vr: _kind(vr) for vr in [*CONVERTERS, "SQ"]}
EXPLICIT_UN = KINDS["UN"]._replace(limit=-1)
"""May be of a VR that a dictionary knows (PS3.5 6.2.2)."""
MAY_BE_GROUP_LENGTH = KINDS["UL"]._replace(limit=-1)

EXPLICIT = {vr.encode(): kind for vr, kind in KINDS.items()}
EXPLICIT |= {b"UN": EXPLICIT_UN, b"UL": MAY_BE_GROUP_LENGTH}

AMBIGUOUS = {
    "US or SS": KINDS["US"]._replace(vr="US or SS", limit=-1, inline=0),
    "US or OW": KINDS["OW"]._replace(vr="US or OW", limit=-1, inline=0),
    "US or SS or OW": KINDS["OW"],
    "OB or OW": KINDS["OW"],  # implicit VR always means OW (PS3.5 A.1)
}

IMPLICIT: dict[int, Kind] = {
    tag: KINDS.get(entry[0]) or AMBIGUOUS.get(entry[0], KINDS["UN"])
    for tag, entry in DicomDictionary.items()
    if tag & 0xFFFF and tag >> 16 != 0xFFFE
}


def implicit_kind(tag: int, members: Members) -> Kind:
    """VR of an element that does not carry one; UN where no dictionary knows it."""
    kind = IMPLICIT.get(tag)
    if kind is not None:
        return kind
    if not tag & 0xFFFF:
        return MAY_BE_GROUP_LENGTH
    return private_kind(tag, members) if tag & 0x10000 else _repeating_kind(tag)


@lru_cache(maxsize=4096)
def _repeating_kind(tag: int) -> Kind:
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return KINDS["UN"]
    return KINDS.get(vr) or AMBIGUOUS.get(vr, KINDS["UN"])


def private_kind(tag: int, members: Members) -> Kind:
    """VR of a private element, by its creator (PS3.5 7.8.1)."""
    element = tag & 0xFFFF
    if element <= 0xFF:
        return KINDS["LO"] if element >= 0x10 else KINDS["UN"]
    try:
        creator = members[KEYS[tag & 0xFFFF0000 | element >> 8]]["Value"][0]
        return _known_private_kind(tag, creator)
    except (LookupError, TypeError):  # no creator, or one that is not a text
        return KINDS["UN"]


@lru_cache(maxsize=4096)
def _known_private_kind(tag: int, creator: str) -> Kind:
    try:
        vr = private_dictionary_VR(tag, creator)
    except KeyError:
        return KINDS["UN"]
    return KINDS.get(vr) or AMBIGUOUS.get(vr, KINDS["UN"])


def resolve(kind: Kind, members: Members, signed: bool) -> Kind:
    """The VR of an ambiguous element, once its neighbours are known (PS3.5 A.1, PS3.3 C.11)."""
    if kind.vr == "US or SS":
        return KINDS["SS"] if signed else KINDS["US"]
    return KINDS["US"] if values_of(members, "00283002")[:1] == [1] else KINDS["OW"]

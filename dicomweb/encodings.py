"""What an image can be encoded in (PS3.5 8.2), told from its attributes before anything is done.

A transfer syntax that does not fit is no failure of the archive: the client is told 406 before
the body begins, or gets its next choice.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import orjson

from hounsfield.archive.dicom_json import values_of
from hounsfield.archive.metadata import BASE_URL
from hounsfield.dicomweb.media_types import MediaType
from hounsfield.dicomweb.transfer_syntaxes import ENCODABLE, FRAME_TYPES, IMAGE_DEFAULTS

GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
COLOR = frozenset(
    {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"}
)
OVERLAY_PLANES = tuple(f"60{group:02X}0102" for group in range(0, 32, 2))


@dataclass(frozen=True, slots=True)
class Image:
    """The attributes of PS3.3 C.7.6.3 that decide."""

    sop_instance_uid: str
    samples: int
    photometric: str
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    embedded_overlay: bool
    """An overlay lies in the unused bits of the pixels (retired): encoding would lose it."""

    @classmethod
    def of(cls, document: bytes) -> Self:
        """From the DICOM JSON of an instance, as the archive keeps it."""
        members = orjson.loads(document.replace(BASE_URL, b""))
        return cls(
            sop_instance_uid=str(_first(members, "00080018")),
            samples=_number(members, "00280002", 1),
            photometric=str(_first(members, "00280004")),
            allocated=_number(members, "00280100", 0),
            stored=_number(members, "00280101", 0),
            high_bit=_number(members, "00280102", -1),
            signed=_number(members, "00280103", 0) == 1,
            embedded_overlay=any(_number(members, key, 0) for key in OVERLAY_PLANES),
        )

    def fits(self, syntax: str) -> bool:
        """True where the image can be encoded in that transfer syntax."""
        rule = ENCODABLE.get(syntax)
        if rule is None or self.embedded_overlay or not self._is_known():
            return False
        palette = self.photometric == "PALETTE COLOR"
        return (
            self.allocated in rule.allocated
            and self.stored in rule.stored
            and self.high_bit == self.stored - 1
            and (rule.signed or not self.signed)
            and not (rule.lossy and palette)
        )

    def _is_known(self) -> bool:
        if self.samples == 1:
            return self.photometric in GREY or self.photometric == "PALETTE COLOR"
        return self.samples == 3 and self.photometric in COLOR


def may_need_encoding(accept: Iterable[MediaType], stored: str = "") -> bool:
    """True where a client names a transfer syntax, or an image type, other than the stored one."""
    image = FRAME_TYPES.get(stored)
    return any(
        (entry.transfer_syntax in ENCODABLE and entry.transfer_syntax != stored)
        or (entry.name in IMAGE_DEFAULTS and entry.name != image)
        or (entry.root in IMAGE_DEFAULTS and entry.root != image)
        for entry in accept
    )


def _first(members: dict[str, Any], key: str) -> Any:
    values = values_of(members, key)
    return values[0] if values else ""


def _number(members: dict[str, Any], key: str, default: int) -> int:
    value = _first(members, key)
    return value if isinstance(value, int) else default

"""Statuses of a response, and the one table from archive errors to them (PS3.7 C, PS3.4 B.2.3)."""

from dataclasses import dataclass

from hounsfield.archive.errors import (
    CannotUnderstand,
    DataSetMismatch,
    HounsfieldError,
    OutOfResources,
    Retriable,
    SOPClassNotSupported,
    TooLarge,
    TransferSyntaxNotSupported,
)

SUCCESS_CODE = 0x0000
PROCESSING_FAILURE = 0x0110
INVALID_SOP_INSTANCE = 0x0117
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
OUT_OF_RESOURCES = 0xA700
DATA_SET_MISMATCH = 0xA900
COERCED = 0xB000
CANNOT_UNDERSTAND = 0xC000

COMMENT_LENGTH = 64

CODES: tuple[tuple[type[HounsfieldError], int], ...] = (
    (CannotUnderstand, CANNOT_UNDERSTAND),
    (TransferSyntaxNotSupported, CANNOT_UNDERSTAND),
    (DataSetMismatch, DATA_SET_MISMATCH),
    (SOPClassNotSupported, SOP_CLASS_NOT_SUPPORTED),
    (TooLarge, OUT_OF_RESOURCES),
    (OutOfResources, OUT_OF_RESOURCES),
    (Retriable, OUT_OF_RESOURCES),
)
"""The first row that fits an error gives its status."""


@dataclass(frozen=True, slots=True)
class Status:
    """A status with what a person and a machine may want to know about it."""

    code: int
    comment: str = ""
    """Error Comment (0000,0902)."""
    offending_tags: tuple[int, ...] = ()
    """Offending Element (0000,0901)."""

    @property
    def is_failure(self) -> bool:
        """Neither success nor one of the warnings (PS3.7 C.2 and C.3)."""
        return self.code != SUCCESS_CODE and self.code >> 12 != 0xB


SUCCESS = Status(SUCCESS_CODE)


def status_of(error: BaseException) -> Status:
    """The status that tells a sender about an error."""
    if not isinstance(error, HounsfieldError):
        return Status(PROCESSING_FAILURE, "the server failed; its log says why")
    code = next((code for kind, code in CODES if isinstance(error, kind)), PROCESSING_FAILURE)
    return Status(code, comment(error.message), error.offending_tags)


def comment(message: str) -> str:
    """A message as the value of Error Comment: LO in the default repertoire (PS3.5 6.2)."""
    ascii_only = message.encode("ascii", "replace").decode()
    clean = "".join(c if c.isprintable() and c != "\\" else "?" for c in ascii_only)
    return clean if len(clean) <= COMMENT_LENGTH else clean[: COMMENT_LENGTH - 3] + "..."

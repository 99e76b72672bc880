"""Statuses of a response, and the one table from archive errors to them (PS3.7 C, PS3.4 B.2.3)."""

from dataclasses import dataclass

from hounsfield.archive.errors import (
    CannotUnderstand,
    DataSetMismatch,
    HounsfieldError,
    InvalidQuery,
    OutOfResources,
    Retriable,
    SOPClassNotSupported,
    TooLarge,
    TransferSyntaxNotSupported,
)

SUCCESS_CODE = 0x0000
PROCESSING_FAILURE = 0x0110
NO_SUCH_SOP_INSTANCE = 0x0112
INVALID_ARGUMENT = 0x0115
INVALID_SOP_INSTANCE = 0x0117
NO_SUCH_SOP_CLASS = 0x0118
CLASS_INSTANCE_CONFLICT = 0x0119
SOP_CLASS_NOT_SUPPORTED = 0x0122
NO_SUCH_ACTION = 0x0123
NOT_AUTHORIZED = 0x0124
DUPLICATE_TRANSACTION_UID = 0x0131
UNRECOGNIZED_OPERATION = 0x0211
RESOURCE_LIMITATION = 0x0213
OUT_OF_RESOURCES = 0xA700
CANNOT_COUNT_MATCHES = 0xA701
CANNOT_PERFORM_SUB_OPERATIONS = 0xA702
MOVE_DESTINATION_UNKNOWN = 0xA801
DATA_SET_MISMATCH = 0xA900
COERCED = 0xB000
SUB_OPERATIONS_FAILED = 0xB000
CANNOT_UNDERSTAND = 0xC000
CANCELED = 0xFE00
PENDING_CODE = 0xFF00
PENDING_WITHOUT_KEYS = 0xFF01
"""Of a C-FIND: an optional key was not supported (PS3.4 C.4.1.1.4)."""

COMMENT_LENGTH = 64

CODES: tuple[tuple[type[HounsfieldError], int], ...] = (
    (CannotUnderstand, CANNOT_UNDERSTAND),
    (TransferSyntaxNotSupported, CANNOT_UNDERSTAND),
    (DataSetMismatch, DATA_SET_MISMATCH),
    (InvalidQuery, CANNOT_UNDERSTAND),
    (SOPClassNotSupported, SOP_CLASS_NOT_SUPPORTED),
    (TooLarge, OUT_OF_RESOURCES),
    (OutOfResources, OUT_OF_RESOURCES),
    (Retriable, OUT_OF_RESOURCES),
)
"""The first row that fits an error gives its status."""


@dataclass(frozen=True, slots=True)
class SubOperations:
    """How many C-STORE sub-operations of a C-GET or C-MOVE stand where (PS3.7 9.1.3, 9.1.4)."""

    remaining: int | None = None
    """None in a final response that has none left to name."""
    completed: int = 0
    failed: int = 0
    warning: int = 0

    def counters(self) -> tuple[int | None, int, int, int]:
        """In the order of their elements."""
        return self.remaining, self.completed, self.failed, self.warning


@dataclass(frozen=True, slots=True)
class Status:
    """A status with what a person and a machine may want to know about it."""

    code: int
    comment: str = ""
    """Error Comment (0000,0902)."""
    offending_tags: tuple[int, ...] = ()
    """Offending Element (0000,0901)."""
    sub_operations: SubOperations | None = None
    data_set: bytes = b""
    """What goes with the response, encoded in the transfer syntax of its context."""

    @property
    def is_failure(self) -> bool:
        """Neither success, pending nor one of the warnings (PS3.7 C.2 and C.3)."""
        return self.code != SUCCESS_CODE and not self.is_warning and not self.is_pending

    @property
    def is_warning(self) -> bool:
        """Done, with something to be told (PS3.7 C.3)."""
        return self.code >> 12 == 0xB or self.code in (0x0107, 0x0116)

    @property
    def is_pending(self) -> bool:
        """There is more to come."""
        return self.code in (PENDING_CODE, PENDING_WITHOUT_KEYS)


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

"""How a data set is encoded (PS3.5 Annex A): what its transfer syntax says, and what is true."""

from dataclasses import dataclass

from hounsfield.archive.file_meta import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    FileMeta,
    guess_encoding,
)

_UNCOMPRESSED = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG)


@dataclass(frozen=True, slots=True)
class Encoding:
    """VR encoding and byte order of a data set, as an engine has to read it."""

    transfer_syntax_uid: str
    implicit: bool = False
    order: str = "<"
    deflated: bool = False


def encoding_named(transfer_syntax_uid: str) -> Encoding:
    """The encoding that a transfer syntax stands for."""
    return Encoding(
        transfer_syntax_uid,
        implicit=transfer_syntax_uid == IMPLICIT_LITTLE,
        order=">" if transfer_syntax_uid == EXPLICIT_BIG else "<",
        deflated=transfer_syntax_uid == DEFLATED,
    )


def find_encoding(view: memoryview, meta: FileMeta) -> tuple[Encoding, tuple[str, ...]]:
    """The encoding of the data set behind the File Meta, and what is wrong with its name.

    Files in the field say explicit and are implicit, or the other way about; where the pixel
    data are not compressed the transfer syntax is corrected, for the object is what it is.
    """
    named = encoding_named(meta.transfer_syntax_uid)
    if named.deflated:
        return named, meta.warnings
    guessed = encoding_named(guess_encoding(view, meta.dataset_offset))
    if guessed.implicit == named.implicit:
        return named, meta.warnings
    uid = named.transfer_syntax_uid
    if uid in _UNCOMPRESSED:
        found = encoding_named(IMPLICIT_LITTLE if guessed.implicit else EXPLICIT_LITTLE)
    else:
        found = Encoding(uid, guessed.implicit)
    vr = "implicit" if found.implicit else "explicit"
    return found, (*meta.warnings, f"the data set is in {vr} VR, which {uid} is not")

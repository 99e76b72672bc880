"""Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1.2): from encoded bytes to text.

pydicom's tables name the codecs; the splitting is our own, for a value has to be decoded
before it is split: 5C, 5E and 3D occur inside characters of GB18030, GBK and ISO-IR 87.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

Decode = Callable[[bytes], str]

DEFAULT = "latin-1"
"""Codec of the default repertoire; latin-1 so that undeclared bytes are kept apart."""

_ESCAPED = re.compile(rb"(\x1b\$?[()\-.][@-~]|\x1b\$[@-~])")
_DELIMITERS = re.compile(rb"[\\^=\r\n\t\f]")
_KEEPS_ESCAPE = ("iso2022_jp", "iso2022_jp_2")
_SPELLING = re.compile(r"^ISO[ _-]?(2022[ _-])?IR[ _-]?(\d+)$")


def decode_default(raw: bytes) -> str:
    """Text of a data set without Specific Character Set."""
    return raw.decode(DEFAULT)


@lru_cache(maxsize=256)
def decoder(specific_character_set: tuple[str, ...]) -> Decode:
    """The function that decodes text under these values of (0008,0005).

    Only codecs of the standard's table are ever used: a sender cannot name a Python codec.
    """
    codecs = [_codec(value) for value in specific_character_set] or [DEFAULT]
    first = codecs[0]
    if len(codecs) == 1:
        return decode_default if first == DEFAULT else lambda raw: raw.decode(first, "replace")
    return lambda raw: (
        _decode_with_escapes(raw, first) if b"\x1b" in raw else raw.decode(first, "replace")
    )


def _codec(value: str) -> str:
    term = value.strip().upper()
    if term not in python_encoding and (match := _SPELLING.match(term)):
        term = f"ISO 2022 IR {match[2]}" if match[1] else f"ISO_IR {match[2]}"
    codec = python_encoding.get(term, DEFAULT)
    return DEFAULT if codec == "iso8859" else codec


def _decode_with_escapes(raw: bytes, first: str) -> str:
    """Code extensions (PS3.5 6.1.2.5): an escape sequence holds until a delimiter."""
    parts = _ESCAPED.split(raw)
    text = [parts[0].decode(first, "replace")]
    for escape, part in zip(parts[1::2], parts[2::2], strict=True):
        codec = CODES_TO_ENCODINGS.get(escape, first)
        if codec in _KEEPS_ESCAPE:
            text.append((escape + part).decode(codec, "replace"))
            continue
        found = _DELIMITERS.search(part)
        end = found.start() if found else len(part)
        text.append(part[:end].decode(codec, "replace") + part[end:].decode(first, "replace"))
    return "".join(text)

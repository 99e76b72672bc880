"""Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1.2): from encoded bytes to text, and back.

pydicom's tables name the codecs; the splitting is our own, for a value has to be decoded
before it is split: 5C, 5E and 3D occur inside characters of GB18030, GBK and ISO-IR 87.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

Decode = Callable[[bytes], str]
Encode = Callable[[str], bytes]

DEFAULT = "latin-1"
"""Codec of the default repertoire; latin-1 so that undeclared bytes are kept apart."""

_ESCAPED = re.compile(rb"(\x1b\$?[()\-.][@-~]|\x1b\$[@-~])")
_DELIMITERS = re.compile(rb"[\\^=\r\n\t\f]")
_ESCAPES = {codec: escape for escape, codec in CODES_TO_ENCODINGS.items()}
_JIS_X_0201 = "shift_jis"
_PARTS = re.compile(r"([\\\\^=\r\n\t\f])")
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


@lru_cache(maxsize=256)
def encoder(specific_character_set: tuple[str, ...]) -> Encode:
    """The function that encodes text in these. It raises ValueError for what does not fit."""
    if not specific_character_set:
        return lambda text: text.encode("ascii")
    codecs = [_codec(value) for value in specific_character_set]
    decode = decoder(specific_character_set)

    def encode(text: str) -> bytes:
        if text.isascii():
            return text.encode("ascii")
        encoded = b"".join(_encode_part(part, codecs) for part in _PARTS.split(text))
        if decode(encoded) != text:
            raise ValueError("the text does not fit into the character set")
        return encoded

    return encode


def _encode_part(part: str, codecs: list[str]) -> bytes:
    """What lies between delimiters, at which escape sequences end (PS3.5 6.1.2.5.3)."""
    if part.isascii():
        return part.encode("ascii")
    for codec in codecs:
        try:
            encoded = part.encode("ascii" if codec == DEFAULT else codec)
        except (UnicodeEncodeError, LookupError):
            continue
        if codec == _JIS_X_0201 and len(encoded) != len(part):
            continue  # the codec knows more characters than the set
        if codec in _KEEPS_ESCAPE:
            # Its last escape sequence goes back to the first set.
            return encoded[:-3] + b"\x1b(J" if codecs[0] == _JIS_X_0201 else encoded
        return encoded if codec == codecs[0] else _ESCAPES.get(codec, b"") + encoded
    raise ValueError("the text does not fit into the character set")

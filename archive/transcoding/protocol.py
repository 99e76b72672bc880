"""What the server and a worker say to one another through two pipes.

A message is the length of its JSON, the JSON, and, where that names a ``size``, as many bytes.
JSON and bytes alone: a worker that a hostile image has taken over cannot make the server run
anything by what it answers.
"""

import struct
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import orjson

LENGTH = struct.Struct("<I")
MAX_JSON = 8 * 1024 * 1024
MAX_PAYLOAD = 1024 * 1024 * 1024

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a task gives back."""

    facts: Arguments = field(default_factory=dict)
    payload: bytes = b""


class Refused(Exception):
    """The task cannot be done with this instance; the message may be shown to the client."""


def pack(message: Arguments, payload: bytes = b"") -> bytes:
    """A message, ready for the pipe."""
    if payload:
        message = message | {"size": len(payload)}
    encoded = orjson.dumps(message)
    return LENGTH.pack(len(encoded)) + encoded + payload


def read_message(stream: BinaryIO) -> Arguments | None:
    """The next message without a payload; None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    message: Arguments = orjson.loads(stream.read(LENGTH.unpack(head)[0]))
    return message

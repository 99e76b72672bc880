"""The worker process: limits itself, then does one task after the other until its pipe closes."""

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import BinaryIO

from hounsfield.archive.transcoding.decode import decode_frame
from hounsfield.archive.transcoding.encode import encode_frame, encode_object
from hounsfield.archive.transcoding.protocol import (
    Arguments,
    Refused,
    Reply,
    pack,
    read_message,
)
from hounsfield.archive.transcoding.rewrite import decode_object, rewrite

MEMORY_BYTES = 3 * 1024**3
FILE_BYTES = 8 * 1024**3
CANNOT_DECODE = "the pixels of this instance cannot be decoded"

Tasks = Mapping[str, Callable[[Arguments], Reply]]

TASKS: Tasks = {
    "decode_frame": decode_frame,
    "decode_object": decode_object,
    "encode_frame": encode_frame,
    "encode_object": encode_object,
    "rewrite": rewrite,
}


def main(tasks: Tasks = TASKS) -> None:
    """Serve the pipe."""
    limit_resources()
    warnings.simplefilter("ignore")
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # Codecs print: it must not get into the answers.
    os.dup2(2, 1)
    serve(questions, answers, tasks)


def serve(questions: BinaryIO, answers: BinaryIO, tasks: Tasks) -> None:
    """One answer to each question."""
    while (message := read_message(questions)) is not None:
        answers.write(_answer(message, tasks))
        answers.flush()


def _answer(message: Arguments, tasks: Tasks) -> bytes:
    try:
        reply = tasks[message.pop("task")](message)
    except Refused as refusal:
        return pack({"refused": str(refusal)})
    except MemoryError:
        return pack({"refused": "the image needs more memory than it may have"})
    except Exception as error:
        return pack({"refused": CANNOT_DECODE, "error": type(error).__name__})
    return pack(reply.facts, reply.payload)


def limit_resources() -> None:
    """Memory, file size and core dumps, where the system knows such limits."""
    with contextlib.suppress(ImportError):
        import resource  # noqa: PLC0415

        for kind, limit in (
            (resource.RLIMIT_AS, MEMORY_BYTES),
            (resource.RLIMIT_FSIZE, FILE_BYTES),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    main()
    sys.exit(0)

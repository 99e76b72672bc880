"""Do two encodings of one SOP instance hold the same values and pixels?

Only lossless encodings can. The attributes are compared here, as their DICOM JSON; the pixels
are decoded by a child process with limits, since a sender chose those bytes.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from hounsfield.archive.metadata import members_of
from hounsfield.archive.objects.port import ObjectStore
from hounsfield.archive.prepared import Prepared

NATIVE = frozenset(
    {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"}
)
LOSSLESS = NATIVE | {
    str(uid)
    for uid in (JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless)
}
LOSSLESS |= {"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202"}
TIME_LIMIT_SECONDS = 60
LARGEST_BYTES = 512 * 1024 * 1024
_PIXEL_DATA = re.compile(rb'"7FE00010":\{[^}]*\},?')


def same_values(objects: ObjectStore, stored: Mapping[str, Any] | Any, item: Prepared) -> bool:
    """True where the stored instance and a new one differ in their encoding alone."""
    syntaxes = {stored["transfer_syntax_uid"], item.header.transfer_syntax_uid}
    if len(syntaxes) == 1 or not syntaxes <= LOSSLESS:
        return False
    largest = max(stored["object_size"], int(str(item.row.columns["object_size"])))
    if largest > LARGEST_BYTES:
        return False
    kept = members_of(stored["metadata_json"])
    if _attributes(kept) != _attributes(item.header.metadata_json):
        return False
    if item.header.frame_table is None:
        return True
    return _same_pixels(objects.path(stored["object_key"]), objects.path(item.writer.key))


def _attributes(members: bytes) -> bytes:
    return _PIXEL_DATA.sub(b"", members).rstrip(b",")


def _same_pixels(first: str, second: str) -> bool:
    command = [sys.executable, "-m", "hounsfield.archive.compare_pixels", first, second]
    environment = {"PATH": os.environ.get("PATH", "")}
    try:
        done = subprocess.run(
            command, env=environment, timeout=TIME_LIMIT_SECONDS, check=False, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0

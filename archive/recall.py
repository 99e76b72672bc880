"""The elements of the data set that this thread has read last.

Instances come by the series, and most elements of a slice are, byte for byte, those of the slice
before it. To find that out takes a tenth of what it takes to read them again.
"""

import threading
from collections.abc import Iterator
from typing import Any

from hounsfield.archive.charset import Decode

Recalled = tuple[bytes, int, dict[str, Any], Decode]
"""An element as it is encoded, explicit VR little endian; its tag; its DICOM JSON, which nobody
changes; and how its text was decoded."""

ONLY_SO_MANY = 512

_last = threading.local()


def recall() -> Iterator[Recalled]:
    """The short elements of the last data set, in its order."""
    return iter(getattr(_last, "elements", ()))


def remember(elements: list[Recalled]) -> None:
    """Keep them for the next data set."""
    _last.elements = elements[:ONLY_SO_MANY]

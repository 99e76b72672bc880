"""Real files for the readers, and a plain way to look at what was read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from pydicom.data import get_testdata_files

from hounsfield.archive.encoding import Encoding, find_encoding
from hounsfield.archive.errors import HounsfieldError
from hounsfield.archive.file_meta import read_file_meta
from hounsfield.archive.header import Header
from hounsfield.archive.inflate import inflate
from hounsfield.archive.scanned import Scanned

LARGEST = 30_000_000


def pydicom_files() -> list[Path]:
    """The files that pydicom ships with its wheel."""
    paths = (Path(name) for name in sorted(get_testdata_files()))
    return [path for path in paths if path.is_file() and path.stat().st_size < LARGEST]


def shared_files(folder: Path) -> list[Path]:
    """The folder of real DICOM; of its two long series the first slices."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if not path.name.startswith(("N2D_00", "1-0")) or _first(path)]


def _first(path: Path) -> bool:
    return path.stem in ("N2D_0001", "N2D_0002", "1-01", "1-02")


def data_sets(paths: list[Path]) -> Iterator[tuple[Path, memoryview, int, Encoding]]:
    """Path, bytes, first byte and encoding of every file in which a data set can be found."""
    for path in paths:
        view = memoryview(path.read_bytes())
        try:
            meta = read_file_meta(view)
            encoding, _ = find_encoding(view, meta)
            start = meta.dataset_offset
            if encoding.deflated:
                view, start = memoryview(inflate(view[start:])), 0
        except HounsfieldError:
            continue
        yield path, view, start, encoding


def document(scanned: Scanned) -> dict[str, Any]:
    """The members of a data set, as a client parses them."""
    parsed: dict[str, Any] = orjson.loads(orjson.dumps(scanned.members).replace(b"\xfe", b"URI"))
    return parsed


def metadata(header: Header) -> dict[str, Any]:
    """The metadata of an instance, as a client parses them."""
    written = b"{" + header.metadata_json.replace(b"\xff", b"http://host") + b"}"
    parsed: dict[str, Any] = orjson.loads(written)
    return parsed

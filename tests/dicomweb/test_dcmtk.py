"""Metadata as DCMTK writes them, over every file that both can read (conformance J1 to J6).

Of a series of hundreds every eighth, unless HOUNSFIELD_TEST_ALL is set: DCMTK reads its dictionary
anew for each.
Only the pixel data of the top level is cut off first: dcm2json has no form for compressed ones.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
from dicom_files import data_sets, document

from hounsfield.archive.errors import HounsfieldError
from hounsfield.archive.header import read_dataset
from hounsfield.dicomweb.native_model import native_model

MANY, EVERY = 100, 8
JSON = ("dcm2json", "-q", "-fc")
XML = ("dcm2xml", "-q", "--native-format", "+U8")
NOT_IN_GLIBC = "a character set that DCMTK has not where it is built with glibc's iconv"
NOT_READ = {
    "TC0267_depth_500_raw.dcm": "it gives up on sequences 500 deep",
    "TC0413_utf8_overlong.dcm": "bytes that are no UTF-8 are written as they are",
    "explicit_VR-UN.dcm": "it refuses a character set that is called 49",
    **dict.fromkeys(
        ("chrH31.dcm", "chrH32.dcm", "chrJapMulti.dcm", "chrJapMultiExplicitIR6.dcm",
         "chrSQEncoding.dcm", "chrSQEncoding1.dcm"),
        NOT_IN_GLIBC,
    ),
}  # fmt: skip
"""Files that DCMTK 3.6.7 refuses or cannot write, and why."""
OTHERWISE = {
    "TC0355_group_ffff.dcm": "it drops an element of group FFFF",
    "911f6cbd-a1ad-4e95-bdf5-4e4ea52d9977.dcm": "it drops Data Set Trailing Padding",
    "bad_sequence.dcm": "it leaves a sequence UN whose length is wrong, which we read",
}
"""Files of which it writes something else, and why."""
OTHERWISE_IN_XML = dict.fromkeys(
    ("chrX1.dcm", "chrX2.dcm"), "it writes the ideographic group again for an empty phonetic one"
)

Members = dict[str, Any]


def read_all(folder: Path, work: Path) -> dict[Path, tuple[Members, Path]]:
    """What we make of every file that we can read, and its copy."""
    places = sorted({path.parent for path in folder.rglob("*") if path.is_file()})
    paths = [path for place in places for path in _some(place)]
    found = (_read(path, work / str(number)) for number, path in enumerate(paths))
    return dict(filter(None, found))


def _some(place: Path) -> list[Path]:
    paths = sorted(path for path in place.iterdir() if path.is_file())
    return (
        paths[::EVERY] if len(paths) > MANY and not os.environ.get("HOUNSFIELD_TEST_ALL") else paths
    )


def compare(
    readable: dict[Path, tuple[Members, Path]],
    command: tuple[str, ...],
    differ: Callable[[Members, bytes], Any],
) -> tuple[set[str], dict[str, Any]]:
    """Names of files that DCMTK does not read, and what differs in the others."""
    with ThreadPoolExecutor(2) as pool:
        written = pool.map(lambda found: _run(*command, found[1]), readable.values())
    refused, differing = set(), {}
    for (path, (ours, _)), theirs in zip(readable.items(), written, strict=True):
        try:
            found = differ(ours, theirs)
        except ValueError:  # nothing, or not in UTF-8
            refused.add(path.name)
        else:
            differing |= {path.name: found} if found else {}
    return refused, differing


def _read(path: Path, copy: Path) -> tuple[Path, tuple[Members, Path]] | None:
    """What we make of a file, and a copy of it that ends where its pixel data begin."""
    for _, view, start, encoding in data_sets([path]):
        try:
            scanned = read_dataset(view, start, encoding)
        except HounsfieldError:
            return None
        if scanned.pixels is None or encoding.deflated:
            copy.write_bytes(path.read_bytes())
        else:
            copy.write_bytes(view[: scanned.pixels.start - (8 if encoding.implicit else 12)])
        return path, (document(scanned), copy)
    return None


def _run(*command: str | Path) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    return done.stdout if done.returncode == 0 else b""


def differing_json(ours: Members, theirs: bytes) -> list[str]:
    return list(_differences(_public(ours), _public(json.loads(theirs))))


def _differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted((ours.keys() | theirs.keys()) - {"00080005", "7FE00010"}):
            yield from _differences(ours.get(key), theirs.get(key), f"{path}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for a, b in zip(ours, theirs, strict=True):
            yield from _differences(a, b, path)
    elif ours != theirs and not (theirs is None and _is_nobody(ours)):
        yield f"{path}: {ours!r} != {theirs!r}"


def _is_nobody(value: Any) -> bool:
    """A name of carets alone, which DCMTK does not write."""
    return isinstance(value, list) and all(
        isinstance(name, dict) and not "".join(map(str, name.values())).strip("^") for name in value
    )


def _public(element: Any) -> Any:
    """Without private elements (DCMTK has a dictionary of its own) and the bytes of values."""
    if isinstance(element, dict):
        if "BulkDataURI" in element or "InlineBinary" in element:
            return {"binary": True}
        return {key: _public(value) for key, value in element.items() if not _is_private(key)}
    if isinstance(element, list):
        return [_public(item) for item in element]
    return _as_number(element)


def _is_private(key: str) -> bool:
    return re.fullmatch("[0-9A-F]{8}", key) is not None and int(key[:4], 16) % 2 == 1


def _as_number(value: Any) -> Any:
    """DCMTK writes DS and IS as they stand, and of an FL some eight digits."""
    try:
        return float(f"{float(value):.7g}")
    except (TypeError, ValueError):
        return value.strip(" \0") or None if isinstance(value, str) else value


def differing_xml(ours: Members, theirs: bytes) -> list[Any]:
    try:
        model = ElementTree.fromstring(theirs)
    except ElementTree.ParseError as error:
        raise ValueError from error
    mine, other = (
        list(_simple(root))
        for root in (ElementTree.fromstring(native_model(orjson.dumps(ours))), model)
    )
    if len(mine) != len(other):
        return [{entry[0] for entry in mine} ^ {entry[0] for entry in other}]
    return [(a, b) for a, b in zip(mine, other, strict=True) if a != b]


def _simple(parent: ElementTree.Element) -> Iterator[tuple[Any, ...]]:
    """A model in a form in which two writers can be compared: what is large is only named."""
    for element in parent:
        if not _is_compared(element.get("tag", "")) and element.tag.endswith("DicomAttribute"):
            continue
        names = (element.get("tag"), element.get("vr"), element.get("privateCreator"))
        kinds = {child.tag.rpartition("}")[2] for child in element}
        if kinds & {"BulkData", "InlineBinary"}:
            yield (*names, "binary")
        elif element.get("vr") == "SQ":
            yield (*names, [list(_simple(item)) for item in element])
        elif element.get("vr") == "PN":
            people = ["".join("".join(name.itertext()).split()) for name in element]
            yield (*names, [person for person in people if person])
        else:
            yield (*names, [_plain(child.text or "") for child in element])


def _plain(text: str) -> Any:
    try:
        return float(f"{float(text):.5g}")
    except ValueError:
        return text.strip()


def _is_compared(tag: str) -> bool:
    """Not group 0002, group lengths, the character set, which dcm2xml makes up, or the pixels."""
    left_out = tag.startswith(("0002", "7FE0")) or tag.endswith("0000") or tag == "00080005"
    return not (left_out or _is_private(tag))


@pytest.mark.skipif(shutil.which("dcm2json") is None, reason="needs DCMTK")
def test_metadata_agree_with_dcmtk_on_every_file_that_both_read(
    shared_data: Path, tmp_path: Path
) -> None:
    readable = read_all(shared_data, tmp_path)
    assert len(readable) > 100
    for command, differ, otherwise in (
        (JSON, differing_json, OTHERWISE),
        (XML, differing_xml, OTHERWISE | OTHERWISE_IN_XML),
    ):
        refused, differing = compare(readable, command, differ)
        assert refused <= NOT_READ.keys(), refused - NOT_READ.keys()
        unexpected = {name: found for name, found in differing.items() if name not in otherwise}
        assert not unexpected, list(unexpected.items())[:5]

"""DICOM JSON there and back on real files (PS3.18 Annex F; conformance J4, J5, N9)."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from dicom_files import pydicom_files
from dicomweb_requests import parts_of, store, stored_series, url_of
from pydicom import Dataset

NAMES = (
    "ct_chest_philips_64/1-01.dcm", "us/US-PAL-8-10x-echo", "enhanced/MOVEKNEE.dcm",
    "enhanced/eCT_Supplemental.dcm", "seg_sr_rt/rt/rtplan.dcm", "seg_sr_rt/rt/rtss.dcm",
    "seg_sr_rt/sr_example/sr.dcm", "seg_sr_rt/liver.dcm", "pt/1.dcm", "mg/OutOfBoundsOverlay.dcm",
    "transfer_syntaxes/CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm",
)  # fmt: skip
PYDICOMS = ("CT_small.dcm", "MR_small.dcm", "rtdose.dcm", "test-SR.dcm", "liver_1frame.dcm")


def elements(members: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for element in members.values():
        yield element
        if element["vr"] == "SQ":
            for item in element.get("Value", ()):
                yield from elements(item)


async def there_and_back(client: httpx.AsyncClient, path: Path) -> tuple[Dataset, Dataset]:
    """The data set as the archive sends it, and as it is made again from its JSON."""
    sent = pydicom.dcmread(path)
    data = await asyncio.to_thread(path.read_bytes)
    assert (await store(client, data)).status_code == 200, path
    (members,) = (await client.get(url_of(sent) + "/metadata")).json()
    bulk: dict[str, bytes] = {}
    for element in elements(members):
        given = {"Value", "BulkDataURI", "InlineBinary"} & element.keys()
        assert len(given) <= 1, element
        assert set(element) == {"vr", *given}
        if uri := element.get("BulkDataURI"):
            answer = await client.get(uri, headers={"accept": "application/octet-stream"})
            bulk[uri] = answer.content if answer.status_code == 200 else b""
    explicit = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    answer = await client.get(url_of(sent), headers={"accept": explicit})
    assert answer.status_code == 200, answer.text[:200]
    again = Dataset.from_json(members, lambda tag, vr, uri: bulk[uri])
    return pydicom.dcmread(io.BytesIO(answer.content)), again


def compare(received: Dataset, again: Dataset, name: str) -> int:
    compared = 0
    for element in received:
        if element.tag.element == 0 or element.tag == 0x7FE00010:
            continue
        other = again[element.tag]
        assert other.VR == element.VR, (name, element.tag)
        if element.VR == "SQ":
            assert len(element.value) == len(other.value)
            for one, two in zip(element.value, other.value, strict=True):
                compared += compare(one, two, name)
        elif element.tag != 0x00080005:
            assert plain(element.value) == plain(other.value), (name, element.tag)
            compared += 1
    return compared


def plain(value: Any) -> Any:
    """Empty is empty, and trailing padding is none, in whatever way a library writes it."""
    if isinstance(value, bytes):
        return value
    if value is None or value == "":
        return ""
    if isinstance(value, str | pydicom.valuerep.PersonName):
        return str(value).rstrip(" \0").rstrip("=^")
    if hasattr(value, "__iter__"):
        return [plain(one) for one in value]
    return value


async def test_j4_j5_real_files_come_back_from_their_json_value_for_value(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    for name in NAMES:
        received, again = await there_and_back(client, shared_data / name)
        assert compare(received, again, name) > 10
        if "PixelData" in received and not stored_syntax(shared_data / name).is_compressed:
            assert again.PixelData == received.PixelData, name


def stored_syntax(path: Path) -> pydicom.uid.UID:
    return pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID


@pytest.mark.parametrize("name", PYDICOMS)
async def test_j4_j5_the_files_of_pydicom_come_back_too(
    client: httpx.AsyncClient, name: str
) -> None:
    paths = [path for path in pydicom_files() if path.name == name]
    if not paths:
        pytest.skip("this pydicom does not ship the file")
    received, again = await there_and_back(client, paths[0])
    assert compare(received, again, name) > 10


async def test_n9_a_multipart_quotes_its_type_and_closes_with_its_boundary(
    client: httpx.AsyncClient,
) -> None:
    (dataset,) = await stored_series(client, 1)
    accept = {"accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}
    response = await client.get(url_of(dataset) + "/frames/1", headers=accept)
    kind, _, boundary = response.headers["content-type"].partition("; boundary=")
    assert kind == 'multipart/related; type="application/octet-stream"'
    body = response.content
    assert body.startswith(f"--{boundary}\r\nContent-Type: application/octet-stream;".encode())
    assert body.endswith(f"\r\n--{boundary}--\r\n".encode())
    head = body.partition(b"\r\n\r\n")[0].decode()
    assert "\n" not in head.replace("\r\n", "")
    ((headers, data),) = parts_of(response)
    assert headers["content-location"].endswith("/frames/1")
    assert int(headers["content-length"]) == len(data)

"""STOW-RS as metadata and bulk data (PS3.18 10.5.2; conformance T2, T4, T6; S-11, S-12)."""

import asyncio
import http.server
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import httpx
import orjson
import pytest
from dicomweb_requests import BOUNDARY, FRAME_ACCEPT, Members, parts_of, store, url_of, values
from factories import ct_slice, encode, new_uid
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import compress
from pydicom.uid import RLELossless

from hounsfield.archive.archive import Archive

JSON, XML = "application/dicom+json", "application/dicom+xml"
FAILED, REFERENCED, OTHER, REASON = "00081198", "00081199", "0008119A", "00081197"

Part = tuple[dict[str, str], bytes]


def body_of(parts: Sequence[Part]) -> bytes:
    """A multipart body of parts with their header fields."""
    out = bytearray()
    for headers, data in parts:
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        out += f"\r\n--{BOUNDARY}\r\n{fields}\r\n".encode() + data
    return bytes(out) + f"\r\n--{BOUNDARY}--\r\n".encode()


async def post(
    client: httpx.AsyncClient, parts: Sequence[Part], kind: str = JSON, study: str = ""
) -> httpx.Response:
    headers = {"content-type": f'multipart/related; type="{kind}"; boundary="{BOUNDARY}"'}
    url = f"/studies/{study}" if study else "/studies"
    return await client.post(url, content=body_of(parts), headers=headers)


def as_json(*instances: Members) -> Part:
    return {"Content-Type": JSON}, orjson.dumps(instances)


def as_xml(members: Members) -> Part:
    """The Native DICOM Model of DICOM JSON members (PS3.19 A.1)."""
    root = (
        f'<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">{_xml(members)}'
    )
    return {"Content-Type": XML}, f'<?xml version="1.0"?>{root}</NativeDicomModel>'.encode()


def _xml(members: Members) -> str:
    out = ""
    for tag, element in members.items():
        vr = element["vr"]
        out += f'<DicomAttribute tag="{tag}" vr="{vr}">'
        for number, value in enumerate(element.get("Value", []), 1):
            if vr == "SQ":
                out += f'<Item number="{number}">{_xml(value)}</Item>'
            elif vr == "PN" and value:
                out += f'<PersonName number="{number}">{_person(value)}</PersonName>'
            else:
                text = "" if value is None else escape(str(value))
                out += f'<Value number="{number}">{text}</Value>'
        if "BulkDataURI" in element:
            out += f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>"
        if "InlineBinary" in element:
            out += f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"
        out += "</DicomAttribute>"
    return out


def _person(value: dict[str, str]) -> str:
    names = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
    return "".join(
        f"<{group}>"
        + "".join(
            f"<{name}>{escape(text)}</{name}>"
            for name, text in zip(names, components.split("^"), strict=False)
        )
        + f"</{group}>"
        for group, components in value.items()
    )


def members_of(dataset: Dataset, uri: str | None = None) -> Members:
    """DICOM JSON as pydicom writes it; with a URI for the pixels, or with the pixels inline."""
    members: Members = dataset.to_json_dict()
    members["7FE00010"]["vr"] = "OW"
    if uri is not None:
        members["7FE00010"] = {"vr": "OW", "BulkDataURI": uri}
    return members


def rich() -> Dataset:
    """Every kind of value, private ones and large ones in sequences among them."""
    dataset = ct_slice(PatientName="Müller^Jürgen=山田^太郎", ImageComments="a\\b & <c>")
    dataset.WindowCenter = ["40", "1e-3", "300.25"]
    dataset.ImageType = ["ORIGINAL", "", "AXIAL"]
    dataset.FrameIncrementPointer = 0x00181063
    dataset.SelectorSVValue = -(2**60) - 1
    dataset.RealWorldValueIntercept = 0.1
    dataset.AccessionNumber = ""
    item = Dataset()
    item.ReferencedSOPInstanceUID = new_uid()
    item.EncapsulatedDocument = bytes(range(256)) * 8
    item.ContentSequence = [Dataset()]
    dataset.ReferencedImageSequence = [item, Dataset()]
    block = dataset.private_block(0x0009, "ACME", create=True)
    block.add_new(0x01, "UN", b"\x01\x02" * 2000)
    block.add_new(0x02, "LO", "Größe")
    return dataset


async def taken_apart(client: httpx.AsyncClient, dataset: Dataset) -> tuple[Members, list[Part]]:
    """Metadata and bulk data as this service gives them out."""
    (members,) = (await client.get(url_of(dataset) + "/metadata")).json()
    bulk: list[Part] = []
    for uri in _uris(members):
        found = await client.get(uri, headers={"accept": "application/octet-stream"})
        bulk.append(
            (
                {"Content-Type": found.headers["content-type"], "Content-Location": uri},
                found.content,
            )
        )
    return members, bulk


def _uris(members: Members) -> Iterator[str]:
    for element in members.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        if element["vr"] == "SQ":
            for item in element.get("Value", []):
                yield from _uris(item)


@pytest.mark.parametrize("kind", [JSON, XML])
async def test_t6_what_is_taken_apart_and_sent_is_the_same_instance_again(
    client: httpx.AsyncClient, kind: str
) -> None:
    dataset = rich()
    await store(client, encode(dataset))
    members, bulk = await taken_apart(client, dataset)
    assert len(bulk) == 3, "pixels, a nested value and a private one"
    await client.delete(url_of(dataset))
    metadata = as_json(members) if kind == JSON else as_xml(members)
    response = await post(client, [metadata, *bulk], kind)
    assert response.status_code == 200, response.text
    assert values(response.json(), REFERENCED, "00081155") == [dataset.SOPInstanceUID]
    again, pieces = await taken_apart(client, dataset)
    assert again == members
    assert [data for _, data in pieces] == [data for _, data in bulk]
    file = await client.get(url_of(dataset), headers={"accept": "application/dicom"})
    assert file.content[128:132] == b"DICM"


@pytest.mark.parametrize("name", ["charset", "seg_sr_rt"])
async def test_t6_real_instances_survive_it(
    client: httpx.AsyncClient, shared_data: Path, name: str
) -> None:
    paths = sorted((shared_data / name).rglob("*.dcm"), key=lambda path: path.stat().st_size)[:6]
    assert paths
    for path in paths:
        dataset = dcmread(path, stop_before_pixels=True)
        if "StudyInstanceUID" not in dataset:
            continue
        await store(client, path.read_bytes())
        members, bulk = await taken_apart(client, dataset)
        await client.delete(url_of(dataset))
        response = await post(client, [as_json(members), *bulk])
        assert response.status_code == 200, (path, response.text)
        assert (await taken_apart(client, dataset))[0] == members


async def test_t6_compressed_frames_are_kept_as_they_are_one_a_part(
    client: httpx.AsyncClient,
) -> None:
    dataset = ct_slice(NumberOfFrames=2, PixelData=bytes(512) + bytes(range(256)) * 2)
    compress(dataset, RLELossless, generate_instance_uid=False)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=2))
    members = members_of(dataset, "px")
    location = {
        "Content-Type": f"image/dicom-rle; transfer-syntax={RLELossless}",
        "Content-Location": "px",
    }
    bulk = [(location, frame) for frame in frames]
    too_few = await post(client, [as_json(members), bulk[0]])
    assert values(too_few.json(), FAILED, REASON) == [0xC000]
    response = await post(client, [*bulk, as_json(members)])
    assert response.status_code == 200, response.text
    found = await client.get(f"{url_of(dataset)}/frames/1,2", headers={"accept": FRAME_ACCEPT})
    assert [data for _, data in parts_of(found)] == frames
    assert str(RLELossless) in parts_of(found)[0][0]["content-type"]


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """A server that nobody may ask anything, and the paths that it was asked for."""
    asked: list[str] = []

    class Canary(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    server = http.server.HTTPServer(("127.0.0.1", 0), Canary)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


async def test_s12_no_uri_of_a_payload_is_ever_followed(
    client: httpx.AsyncClient, archive: Archive, canary: tuple[str, list[str]], tmp_path: Path
) -> None:
    base, asked = canary
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    stored = ct_slice()
    await store(client, encode(stored))
    own = f"http://pacs.example/dicom-web{url_of(stored)}/bulkdata/7FE00010"
    for uri in (f"{base}/bulk", secret.as_uri(), str(secret), "../secret", own, ""):
        for vr in ("OW", "SQ"):
            dataset = ct_slice()
            members = members_of(dataset, uri)
            if vr == "SQ":
                del members["7FE00010"]
                nested = {"00420011": {"vr": "OB", "BulkDataURI": uri}}
                members["00081140"] = {"vr": "SQ", "Value": [nested]}
            for kind, part in ((JSON, as_json(members)), (XML, as_xml(members))):
                response = await post(client, [part], kind)
                assert response.status_code == 409, response.text
                assert values(response.json(), FAILED, REASON) == [0xC000]
    assert asked == []


ENTITY = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
EXTERNAL = b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">'


@pytest.mark.parametrize("doctype", [ENTITY, LAUGHS, EXTERNAL])
async def test_s11_a_document_type_is_refused_before_anything_of_it_is_resolved(
    client: httpx.AsyncClient, doctype: bytes
) -> None:
    headers, document = as_xml({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "&e;"}]}})
    document = document.replace(b"?>", b"?>" + doctype, 1)
    response = await post(client, [(headers, document)], XML)
    assert response.status_code == 409
    assert values(response.json(), OTHER, REASON) == [0xC000]


def nested(depth: int) -> Members:
    members: Members = {}
    for _ in range(depth):
        members = {"00081140": {"vr": "SQ", "Value": [members]}}
    return members


BROKEN: list[tuple[str, Any]] = [
    ("no object", [1, "x", None]),
    ("no tag", [{"PatientName": {"vr": "PN"}}]),
    ("no VR", [{"00100010": {}}]),
    ("a VR that is none", [{"00100010": {"vr": "ZZ", "Value": ["x"]}}]),
    ("two VRs", [{"7FE00010": {"vr": "OB or OW", "InlineBinary": "AAAA"}}]),
    ("a value that is no array", [{"00100010": {"vr": "LO", "Value": "x"}}]),
    ("a number out of range", [{"00280010": {"vr": "US", "Value": [70000]}}]),
    ("no number", [{"00280010": {"vr": "US", "Value": [{}]}}]),
    ("no Base64", [{"00420011": {"vr": "OB", "InlineBinary": "*"}}]),
    ("a backslash in a value", [{"00080060": {"vr": "CS", "Value": ["A\\B"]}}]),
    ("too deep", [nested(70)]),
    ("without UIDs", [{"00080060": {"vr": "CS", "Value": ["CT"]}}]),
    ("an element that is no object", [{"00100010": 5}]),
]


@pytest.mark.parametrize(("what", "document"), BROKEN, ids=[what for what, _ in BROKEN])
async def test_t2_metadata_that_cannot_be_read_are_a_reason_and_no_error_of_the_server(
    client: httpx.AsyncClient, what: str, document: Any
) -> None:
    good = ct_slice()
    members = members_of(good)
    both = [*document, members]
    response = await post(client, [({"Content-Type": JSON}, orjson.dumps(both))])
    assert response.status_code == 202, (what, response.text)
    assert values(response.json(), OTHER, REASON) == [0xC000]
    assert values(response.json(), REFERENCED, "00081155") == [good.SOPInstanceUID]


@pytest.mark.parametrize(
    "document", [b"[" * 100_000, b"[{", b"", b'["\xff"]', b'{"x":' * 200 + b"1" + b"}" * 200]
)
async def test_t2_what_is_no_json_is_said_to_be_none(
    client: httpx.AsyncClient, document: bytes
) -> None:
    response = await post(client, [({"Content-Type": JSON}, document)])
    assert response.status_code == 409
    assert values(response.json(), OTHER, REASON) == [0xC000]


async def test_t6_each_instance_of_a_request_fails_by_itself(client: httpx.AsyncClient) -> None:
    right, wrong, lost = ct_slice(), ct_slice(), ct_slice()
    lost.StudyInstanceUID = right.StudyInstanceUID
    instances = [
        members_of(one, f"pixels/{index}") for index, one in enumerate((right, wrong, lost))
    ]
    bulk: list[Part] = [
        ({"Content-Type": "application/octet-stream", "Content-Location": name}, right.PixelData)
        for name in ("pixels/0", "pixels/1", "pixels/9")
    ]
    bulk.append(({"Content-Type": "application/octet-stream"}, b"of nothing"))
    response = await post(client, [as_json(*instances), *bulk], study=str(right.StudyInstanceUID))
    assert response.status_code == 202
    answer = response.json()
    assert values(answer, REFERENCED, "00081155") == [right.SOPInstanceUID]
    failed = {values(i, "00081155")[0]: values(i, REASON)[0] for i in values(answer, FAILED)}
    assert failed == {wrong.SOPInstanceUID: 0xA900, lost.SOPInstanceUID: 0xC000}
    assert len(values(answer, OTHER)) == 2, "a part that nobody names, and one without a name"


async def test_t8_bulk_data_that_are_cut_short_store_nothing_and_leave_nothing(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    dataset = ct_slice()
    members = members_of(dataset, "px")
    location = {"Content-Type": "application/octet-stream", "Content-Location": "px"}
    body = body_of([as_json(members), (location, dataset.PixelData)])[:-300]
    headers = {"content-type": f'multipart/related; type="{JSON}"; boundary="{BOUNDARY}"'}
    response = await client.post("/studies", content=body, headers=headers)
    assert response.status_code == 409
    assert (await client.get(url_of(dataset))).status_code == 404
    files = [path for path in archive.settings.data_dir.rglob("*") if path.is_file()]
    assert await asyncio.to_thread(list, files) == []

"""Native DICOM Model XML (PS3.19 A.1; PS3.18 8.7.3.2; conformance J6, N6)."""

import asyncio
import base64
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pydicom
import pytest
from dicomweb_requests import parts_of, store, stored_series, url_of
from factories import ct_slice, encode
from pydicom import Dataset

XML = 'multipart/related; type="application/dicom+xml"'
SPACE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def attribute(document: bytes, **named: str) -> ElementTree.Element:
    root = ElementTree.fromstring(document)
    found = [e for e in root if all(e.get(name) == value for name, value in named.items())]
    assert len(found) == 1, named
    return found[0]


def texts(element: ElementTree.Element) -> list[str]:
    return [child.text or "" for child in element]


async def metadata(client: httpx.AsyncClient, dataset: Dataset) -> bytes:
    assert (await store(client, encode(dataset))).status_code == 200
    response = await client.get(url_of(dataset) + "/metadata", headers={"accept": XML})
    assert response.status_code == 200, response.text
    ((headers, body),) = parts_of(response)
    assert headers["content-type"] == "application/dicom+xml"
    return body


async def test_j6_every_kind_of_element_is_written_as_the_model_says(
    client: httpx.AsyncClient,
) -> None:
    item = Dataset()
    item.LUTExplanation = "a<b&c\x0cd"
    dataset = ct_slice(
        PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", ImageType=["ORIGINAL", "", "AXIAL"],
        PatientComments="", FrameIncrementPointer=0x00181063, VOILUTSequence=[item, Dataset()],
        WindowCenter=[1.5, 2],
    )  # fmt: skip
    block = dataset.private_block(0x0029, "HOUNSFIELD <TEST>", create=True)
    block.add_new(0x10, "LO", ["x", "y"])
    block.add_new(0x11, "OB", b"ab")
    body = await metadata(client, dataset)
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    name = attribute(body, keyword="PatientName", tag="00100010", vr="PN")[0]
    assert (name.tag, name.get("number")) == (f"{SPACE}PersonName", "1")
    assert [(g.tag, [(c.tag, c.text) for c in g]) for g in name] == [
        (f"{SPACE}{group}", [(f"{SPACE}FamilyName", family), (f"{SPACE}GivenName", given)])
        for group, family, given in (
            ("Alphabetic", "Yamada", "Tarou"), ("Ideographic", "山田", "太郎"),
            ("Phonetic", "やまだ", "たろう"),
        )
    ]  # fmt: skip
    kinds = attribute(body, keyword="ImageType")
    assert texts(kinds) == ["ORIGINAL", "", "AXIAL"]
    assert [v.get("number") for v in kinds] == ["1", "2", "3"]
    assert texts(attribute(body, keyword="PatientComments")) == []
    assert texts(attribute(body, keyword="FrameIncrementPointer", vr="AT")) == ["00181063"]
    assert [float(t) for t in texts(attribute(body, keyword="WindowCenter"))] == [1.5, 2]
    items = attribute(body, keyword="VOILUTSequence", vr="SQ")
    assert [(i.tag, i.get("number"), len(i)) for i in items] == [
        (f"{SPACE}Item", "1", 1),
        (f"{SPACE}Item", "2", 0),
    ]
    assert texts(items[0][0]) == ["a<b&c\ufffdd"]
    private = {"tag": "00290010", "privateCreator": "HOUNSFIELD <TEST>"}
    assert texts(attribute(body, **private)) == ["x", "y"]
    (inline,) = attribute(body, tag="00290011", vr="OB")
    assert base64.b64decode(inline.text or "") == b"ab"
    (bulk,) = attribute(body, keyword="PixelData")
    assert bulk.get("uri") == f"http://pacs.example/dicom-web{url_of(dataset)}/bulkdata/7FE00010"


async def test_j6_metadata_and_searches_have_a_part_for_each_instance_or_match(
    client: httpx.AsyncClient,
) -> None:
    datasets = await stored_series(client, 120)
    series = url_of(datasets[0]).rpartition("/instances")[0]
    response = await client.get(f"{series}/metadata", headers={"accept": XML})
    assert response.headers["content-type"].startswith(XML + "; boundary=")
    found = [texts(attribute(body, keyword="SOPInstanceUID"))[0] for _, body in parts_of(response)]
    assert sorted(found) == sorted(dataset.SOPInstanceUID for dataset in datasets)
    again = await client.get(
        f"{series}/metadata",
        headers={"accept": XML, "if-none-match": response.headers["etag"]},
    )
    assert again.status_code == 304
    search = await client.get("/instances?limit=5", headers={"accept": XML})
    assert len(parts_of(search)) == 5
    assert "additional results" in search.headers["warning"]
    nothing = await client.get("/studies?PatientID=nobody", headers={"accept": XML})
    assert nothing.status_code == 204
    missing = await client.get("/studies/1.2.3/metadata", headers={"accept": XML})
    assert missing.status_code == 404


async def test_n6_json_is_the_default_and_xml_comes_where_it_is_liked_better(
    client: httpx.AsyncClient,
) -> None:
    await stored_series(client, 1)
    for accept, kind in (
        ("*/*", "application/dicom+json"),
        (f"application/dicom+json; q=0.5, {XML}", "multipart/related"),
        (f"{XML}; q=0.5, application/json", "application/json"),
    ):
        response = await client.get("/studies", headers={"accept": accept})
        assert response.headers["content-type"].startswith(kind)
    alone = await client.get("/studies", headers={"accept": "application/dicom+xml"})
    assert alone.status_code == 406


def simple(parent: ElementTree.Element) -> Iterator[tuple[Any, ...]]:
    """A model in a form in which two writers can be compared: what is large is only named."""
    for element in parent:
        names = (element.get("tag"), element.get("vr"), element.get("privateCreator"))
        kinds = {child.tag.rpartition("}")[2] for child in element}
        if kinds & {"BulkData", "InlineBinary"}:
            yield (*names, "binary")
        elif element.get("vr") == "SQ":
            yield (*names, [list(simple(item)) for item in element])
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


def dcm2xml(path: Path) -> bytes:
    command = ["dcm2xml", "-q", "--native-format", "+U8", path]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.skipif(shutil.which("dcm2xml") is None, reason="needs dcm2xml of DCMTK")
async def test_j6_the_model_agrees_with_dcm2xml_on_real_files(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    names = (
        "ct_chest_philips_64/1-01.dcm", "us/US-PAL-8-10x-echo", "enhanced/MOVEKNEE.dcm",
        "seg_sr_rt/rt/rtplan.dcm", "seg_sr_rt/sr_example/sr.dcm", "charset/chrRuss.dcm",
        "pt/1.dcm", "seg_sr_rt/liver.dcm",
    )  # fmt: skip
    for name in names:
        path = shared_data / name
        if not path.is_file():
            continue
        written = await asyncio.to_thread(dcm2xml, path)
        dataset = pydicom.dcmread(path)
        assert (await store(client, path.read_bytes())).status_code == 200, name
        response = await client.get(url_of(dataset) + "/metadata", headers={"accept": XML})
        ((_, body),) = parts_of(response)
        ours, theirs = (
            [entry for entry in simple(ElementTree.fromstring(model)) if _compared(entry[0])]
            for model in (body, written)
        )
        assert len(ours) == len(theirs), name
        differing = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
        assert not differing, (name, differing[:3])
        keywords = {e.get("keyword") for e in ElementTree.fromstring(body)}
        assert {"SOPInstanceUID", "PatientName", "StudyDate"} <= keywords, name


def _compared(tag: str) -> bool:
    """Not group 0002, group lengths, or the character set, which dcm2xml makes up."""
    return not (tag.startswith("0002") or tag.endswith("0000") or tag == "00080005")

"""Native DICOM Model XML (PS3.19 A.1; PS3.18 8.7.3.2; conformance J6, N6)."""

import base64
from xml.etree import ElementTree

import httpx
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

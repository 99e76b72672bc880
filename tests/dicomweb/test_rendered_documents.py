"""Reports, documents and video as renditions (PS3.18 8.7.4; conformance W7; S-09, S-11)."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from dicomweb_requests import store, url_of
from factories import ct_slice, encode
from pydicom import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    EncapsulatedCDAStorage,
    EncapsulatedPDFStorage,
    RawDataStorage,
    TwelveLeadECGWaveformStorage,
)

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
BACKWARDS = "\u202egnp.exe"


def without_pixels(sop_class: str, modality: str, **attributes: Any) -> Dataset:
    dataset = ct_slice(SOPClassUID=sop_class, Modality=modality, PixelData=b"", **attributes)
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel"):
        delattr(dataset, keyword)
    return dataset


def code(meaning: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99TEST", meaning
    return [item]


def content(kind: str, name: str, **attributes: Any) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", kind
    item.ConceptNameCodeSequence = code(name)
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def report(*items: Dataset) -> Dataset:
    dataset = without_pixels(BasicTextSRStorage, "SR", ValueType="CONTAINER")
    dataset.ConceptNameCodeSequence = code(f"Findings {SCRIPT}")
    dataset.ContentSequence = list(items)
    dataset.CompletionFlag = "COMPLETE"
    return dataset


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and whether each is closed in turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Any]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.found.append((tag, attributes))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_a_hostile_report_is_a_page_that_runs_and_loads_nothing(
    client: httpx.AsyncClient,
) -> None:
    """W7, S-09, S-11: the default is text/html; everything is escaped, nothing is allowed."""
    hostile = report(
        content("TEXT", IMAGE, TextValue=f"{SCRIPT}\r\nSet-Cookie: x {BACKWARDS}"),
        content(
            "CONTAINER",
            "javascript:alert(1)",
            ContentSequence=[content("TEXT", "Inner", TextValue="<b>&amp;")],
        ),
        content("TEXT", "Conclusion", TextValue="nothing \u00e4\u65e5"),
    )
    await store(client, encode(hostile))
    response = await client.get(url_of(hostile) + "/rendered", headers={"accept": "*/*"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    tags = Tags(response.text)
    assert not tags.open
    assert {tag for tag, _ in tags.found} <= {
        *("html", "head", "meta", "title", "body", "h1", "h2", "dl", "dt", "dd", "ul", "li"),
    }
    assert {attribute for _, found in tags.found for attribute, _ in found} == {"lang", "charset"}
    assert "&lt;script&gt;" in response.text
    assert "\u202e" not in response.text
    assert "nothing \u00e4\u65e5" in response.text
    text = await client.get(url_of(hostile) + "/rendered", headers={"accept": "text/plain"})
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "  Conclusion: nothing \u00e4\u65e5\n" in text.text
    assert "    Inner: <b>&amp;\n" in text.text
    assert "\r" not in text.text


async def test_a_real_report_says_all_its_measurements_in_both_forms(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    """W7."""
    path = shared_data / "seg_sr_rt" / "sr_example" / "sr.dcm"
    await store(client, path.read_bytes())
    dataset = pydicom.dcmread(path)
    page = (await client.get(url_of(dataset) + "/rendered")).text
    text = await client.get(url_of(dataset) + "/rendered?accept=text/plain")
    numbers = [
        str(item.MeasuredValueSequence[0].NumericValue)
        for item in _items(dataset)
        if item.get("ValueType") == "NUM" and item.get("MeasuredValueSequence")
    ]
    assert len(numbers) > 10
    assert page.count("<tr>") > 20
    assert all(number in page and number in text.text for number in numbers)


def _items(item: Dataset) -> list[Dataset]:
    return [item, *(below for child in item.get("ContentSequence", ()) for below in _items(child))]


@pytest.mark.parametrize("size", [300, 5000])
async def test_an_encapsulated_pdf_comes_as_it_was_put_in(
    client: httpx.AsyncClient, size: int
) -> None:
    """W7: without the byte that pads it, and with headers that keep it a PDF."""
    pdf = b"%PDF-1.7\n" + b"x" * size + b"%%EOF" + b"\n" * (size % 2)
    document = without_pixels(
        EncapsulatedPDFStorage, "DOC", MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocumentLength=len(pdf), EncapsulatedDocument=pdf + b"\0" * (len(pdf) % 2),
    )  # fmt: skip
    await store(client, encode(document))
    response = await client.get(url_of(document) + "/rendered")
    assert response.content == pdf
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-disposition"].startswith("inline; filename=")
    assert (await client.get(url_of(document) + "/rendered?accept=text/html")).status_code == 406
    study = url_of(document).split("/series")[0]
    assert (await client.get(study + "/thumbnail")).headers["content-type"] == "image/jpeg"


async def test_a_page_that_says_that_it_is_a_pdf_is_refused(client: httpx.AsyncClient) -> None:
    """S-11."""
    document = without_pixels(
        EncapsulatedPDFStorage, "DOC", EncapsulatedDocument=f"<html>{SCRIPT}</html> ".encode()
    )
    await store(client, encode(document))
    assert (await client.get(url_of(document) + "/rendered")).status_code == 422


async def test_a_clinical_document_is_a_file_and_is_never_parsed(
    client: httpx.AsyncClient,
) -> None:
    """S-11: entities stay what they are."""
    xml = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    document = without_pixels(
        EncapsulatedCDAStorage, "DOC", MIMETypeOfEncapsulatedDocument="text/xml",
        EncapsulatedDocument=xml + b" " * (len(xml) % 2),
    )  # fmt: skip
    await store(client, encode(document))
    response = await client.get(url_of(document) + "/rendered")
    assert response.content.strip() == xml
    assert response.headers["content-type"] == "text/xml"
    assert response.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in response.headers["content-security-policy"]


@pytest.mark.parametrize("sop_class", [TwelveLeadECGWaveformStorage, RawDataStorage])
async def test_what_has_no_rendition_says_so_and_has_a_tile(
    client: httpx.AsyncClient, sop_class: str
) -> None:
    """W7, W8."""
    other = without_pixels(sop_class, "ECG")
    await store(client, encode(other))
    for level in ("", "/series", "/study"):
        url = url_of(other)
        url = url if not level else url.split("/instances" if level == "/series" else "/series")[0]
        response = await client.get(url + "/rendered")
        assert response.status_code == 406
        assert "cannot be rendered" in response.json()["detail"]
        assert (await client.get(url + "/thumbnail")).status_code == 200

"""Capabilities and CONFORMANCE.md against the running service (PS3.18 8.9; conformance W9, W13)."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import httpx
import pytest
from dicomweb_requests import STORE_HEADERS, multipart, serve
from factories import ct_slice, encode
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    EncapsulatedCDAStorage,
    EncapsulatedPDFStorage,
    RLELossless,
)

from hounsfield.archive.archive import Archive

ROOT = Path(__file__).resolve().parents[2]
WADL = "{http://wadl.dev.java.net/2009/02}"
OTHERS = ("text/css", "audio/wav", 'multipart/related; type="text/css"', "application/fhir+json")
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "DELETE", "PUT", "PATCH")
# pydicom does not know JPEG XL: its example is written under a name of the same length.
HTJ2K, JPEG_XL = "201", "110"
# What is only ever sent as it is stored, by the end of its transfer syntax.
PASSED_THROUGH = {
    "image/jpx": "92",
    "image/jxl": HTJ2K,
    "video/mpeg2": "100",
    "video/mp4": "102",
    "video/H265": "107",
}


class Described(NamedTuple):
    """A resource as the capabilities document has it."""

    methods: list[str]
    media_types: list[str]
    """Of a GET."""


def test_conformance_names_the_resources_that_there_are() -> None:
    command = [sys.executable, "-m", "tools.conformance", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def service(archive: Archive) -> Iterator[httpx.Client]:
    """A client of a real server."""
    with serve(archive) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_w13_each_resource_has_the_media_types_that_it_names_and_no_other(
    service: httpx.Client,
) -> None:
    described = _described(service)
    everything = {name for one in described.values() for name in one.media_types}
    examples = _stored_examples(service)
    assert len(everything) > 20
    for path, (methods, named) in described.items():
        if "GET" not in methods:
            continue
        for media_type in sorted(everything | set(OTHERS)):
            plain, usual = _plain(media_type), examples[""]
            url = _url(path, examples.get(plain, usual) if media_type in named else usual)
            with service.stream("GET", url, headers={"accept": media_type}) as answer:
                if media_type not in named:
                    assert answer.status_code == 406, (path, media_type)
                    continue
                assert answer.status_code in {200, 206}, (path, media_type, answer.status_code)
                got = answer.headers["content-type"]
                assert _plain(got) == plain, (path, media_type, got)
                if media_type.startswith("multipart"):
                    assert got.startswith("multipart/related"), (path, media_type)


def test_w9_each_resource_has_the_methods_that_it_names_and_no_other(
    service: httpx.Client,
) -> None:
    nobody = ct_slice()
    for path, (methods, _) in _described(service).items():
        for method in METHODS:
            answer = service.request(method, _url(path, nobody))
            if method in methods:
                assert answer.status_code != 405, (path, method)
            else:
                assert answer.status_code == 405, (path, method)
                assert answer.headers["allow"].split(", ") == methods


def test_w13_a_store_takes_and_answers_the_media_types_that_it_names(
    service: httpx.Client,
) -> None:
    root = ElementTree.fromstring(service.options("/").content)
    posts = [e for e in root.iter(f"{WADL}method") if e.get("name") == "POST"]
    assert len(posts) == 2
    for post in posts:
        taken, answered = (_media_types(post, part) for part in ("request", "response"))
        for media_type in (*taken, "application/zip", 'multipart/related; type="text/css"'):
            headers = {"content-type": f"{media_type}; boundary=B"}
            answer = service.post("/studies", content=b"", headers=headers)
            # An empty body is a mistake in a type that is taken, and no type at all else.
            assert answer.status_code == (400 if media_type in taken else 415), media_type
        for media_type in (*answered, "text/css"):
            answer = service.post(
                "/studies",
                content=multipart([encode(ct_slice())]),
                headers=STORE_HEADERS | {"accept": media_type},
            )
            assert answer.status_code == (200 if media_type in answered else 406)
            assert media_type not in answered or answer.headers["content-type"] == media_type


def _described(service: httpx.Client) -> dict[str, Described]:
    root = ElementTree.fromstring(service.options("/").content)
    found = {}
    for resource in root.iter(f"{WADL}resource"):
        methods = {e.get("name", ""): e for e in resource.iter(f"{WADL}method")}
        types = _media_types(methods["GET"], "response") if "GET" in methods else []
        found[f"/{resource.get('path')}"] = Described(list(methods), types)
    return found


def _media_types(method: ElementTree.Element, part: str) -> list[str]:
    names = f"{WADL}{part}/{WADL}representation"
    return [found.get("mediaType", "") for found in method.iterfind(names)]


def _plain(media_type: str) -> str:
    """The type itself, or that of the parts of a multipart."""
    found = re.fullmatch(r'multipart/related; type="([^"]*)".*', media_type)
    return (found[1] if found else media_type.partition(";")[0]).strip()


def _stored_examples(service: httpx.Client) -> dict[str, Dataset]:
    """An instance for each media type that not every image has; one in RLE for all others."""
    examples = {"": ct_slice()}
    examples[""].compress(RLELossless)
    for media_type, number in PASSED_THROUGH.items():
        examples[media_type] = ct_slice(PixelData=encapsulate([b"\0" * 64]), NumberOfFrames=1)
        examples[media_type].file_meta.TransferSyntaxUID = UID(f"1.2.840.10008.1.2.4.{number}")
        examples[media_type]["PixelData"].VR = "OB"
    report = _without_pixels(BasicTextSRStorage, ValueType="CONTAINER")
    examples |= {"text/html": report, "text/plain": report}
    examples["application/pdf"] = _without_pixels(
        EncapsulatedPDFStorage,
        EncapsulatedDocument=b"%PDF-1.7\n%%EOF\n ",
        MIMETypeOfEncapsulatedDocument="application/pdf",
    )
    examples["text/xml"] = _without_pixels(
        EncapsulatedCDAStorage, EncapsulatedDocument=b"<ClinicalDocument/>"
    )
    objects = [encode(dataset) for dataset in examples.values()]
    syntaxes = (f"1.2.840.10008.1.2.4.{number}".encode() for number in (HTJ2K, JPEG_XL))
    body = multipart(objects).replace(*syntaxes)
    assert service.post("/studies", content=body, headers=STORE_HEADERS).status_code < 300
    return examples


def _without_pixels(sop_class: str, **attributes: object) -> Dataset:
    dataset = ct_slice(SOPClassUID=sop_class, PixelData=b"", **attributes)
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel"):
        delattr(dataset, keyword)
    return dataset


def _url(path: str, dataset: Dataset) -> str:
    names = {
        "study": dataset.StudyInstanceUID,
        "series": dataset.SeriesInstanceUID,
        "instance": dataset.SOPInstanceUID,
        "frames": "1",
        "path": "7FE00010",
    }
    if path == "/wado":
        uids = (names["study"], names["series"], names["instance"])
        return "/wado?requestType=WADO&studyUID={}&seriesUID={}&objectUID={}".format(*uids)
    return path.format(**names)

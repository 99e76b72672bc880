"""Whatever is asked, nothing fails with a 5xx (reliability S-01, S-12, S-14)."""

from typing import TypeVar
from urllib.parse import quote, urlencode

import httpx
import pytest
from dicomweb_requests import STORE_HEADERS, multipart, store, url_of
from factories import ct_slice, encode
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from hounsfield.archive.archive import Archive

T = TypeVar("T")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30)
SEGMENT = st.sampled_from(
    ["studies", "series", "instances", "frames", "bulkdata", "rendered", "thumbnail", "metadata",
     "1.2.3", "1", "0", "7FE00010", "..", "1,2", "x"]
) | TEXT  # fmt: skip
FIELD = st.sampled_from(
    ["PatientID", "PatientName", "StudyDate", "StudyTime", "ModalitiesInStudy", "StudyInstanceUID",
     "limit", "offset", "includefield", "fuzzymatching", "viewport", "window", "quality", "accept",
     "SeriesNumber", "00100020", "RequestAttributesSequence.ScheduledProcedureStepID"]
) | TEXT  # fmt: skip
VALUE = st.sampled_from(
    ["*", "?", "a*b*c", "20240101-", "-", "1.2,1.3", "1.2\\1.3", "all", "1e309", "99999999999",
     "%", "_", "\\", "'", "128,128", "40,400,linear", "image/png"]
) | TEXT  # fmt: skip
ACCEPT = st.sampled_from(
    ["*/*", "image/png", "application/dicom", "application/dicom; transfer-syntax=1.2.3",
     "multipart/related; type=application/octet-stream; transfer-syntax=*", "application/json",
     ";;;", 'multipart/related; type="', "a/b;q=2"]
)  # fmt: skip


def examples(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """Examples for a test that has to await, which hypothesis cannot."""
    collected: list[T] = []

    @settings(max_examples=count, deadline=None)
    @given(strategy)
    def collect(example: T) -> None:
        collected.append(example)

    collect()
    return collected


@pytest.fixture
async def stored(client: httpx.AsyncClient) -> Dataset:
    dataset = ct_slice()
    assert (await store(client, encode(dataset))).status_code == 200
    return dataset


async def test_no_path_query_or_accept_header_fails(
    client: httpx.AsyncClient, stored: Dataset
) -> None:
    seen: set[int] = set()
    requests = st.tuples(
        st.lists(SEGMENT, max_size=7),
        st.booleans(),
        st.lists(st.tuples(FIELD, VALUE), max_size=3),
        ACCEPT,
        st.sampled_from(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]),
    )
    for segments, below, fields, accept, method in examples(requests, 250):
        path = "/" + "/".join(quote(segment, safe=",") for segment in segments)
        # Whole, as a path that begins with two slashes would otherwise name a host.
        root = str(client.base_url).rstrip("/") + (url_of(stored) if below else "")
        url = root + path + "?" + urlencode(fields)
        response = await client.request(method, url, headers={"accept": accept})
        seen.add(response.status_code)
        assert response.status_code < 500, (method, url, accept, response.text)
    assert {200, 404} <= seen


async def test_no_body_of_a_store_fails(client: httpx.AsyncClient) -> None:
    whole = multipart([encode(ct_slice())])
    cuts = st.tuples(
        st.integers(0, len(whole)),
        st.integers(0, len(whole)),
        st.binary(max_size=40),
    )
    for start, length, inserted in examples(cuts, 150):
        body = whole[:start] + inserted + whole[start + length % 200 :]
        response = await client.post("/studies", content=body, headers=STORE_HEADERS)
        assert response.status_code < 500, (start, length, inserted, response.text)


@pytest.mark.parametrize("where", ["preamble", "pixels"])
async def test_an_object_that_is_also_a_page_is_sent_as_dicom_and_nothing_else(
    client: httpx.AsyncClient, archive: Archive, where: str
) -> None:
    page = b"<html><script>alert(1)</script></html>"
    dataset = ct_slice(PixelData=page.ljust(512, b" ") if where == "pixels" else bytes(512))
    data = encode(dataset)
    if where == "preamble":
        data = page.ljust(128, b"\0") + data[128:]
    assert (await store(client, data)).status_code == 200
    for url in (
        url_of(dataset),
        url_of(dataset) + "/frames/1",
        url_of(dataset) + "/bulkdata/7FE00010",
    ):
        response = await client.get(url, headers={"accept": "text/html, */*;q=0.8"})
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "html" not in response.headers["content-type"]


async def test_a_uri_inside_a_data_set_is_never_fetched_or_passed_off_as_ours(
    client: httpx.AsyncClient,
) -> None:
    dataset = ct_slice()
    dataset.RetrieveURL = "http://169.254.169.254/latest/meta-data"
    assert (await store(client, encode(dataset))).status_code == 200
    found = (await client.get("/instances")).json()[0]
    assert found["00081190"]["Value"][0].startswith("http://pacs.example/dicom-web/")

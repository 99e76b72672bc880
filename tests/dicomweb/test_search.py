"""QIDO-RS over HTTP (PS3.18 10.6; conformance Q1 to Q13). What matches is tested in the archive."""

import httpx
import pytest
from dicomweb_requests import stored_series, values

STUDY_ATTRIBUTES = {
    "00080020", "00080030", "00080050", "00080056", "00080061", "00080090", "00081190",
    "00100010", "00100020", "00100030", "00100040", "0020000D", "00200010", "00201206",
    "00201208",
}  # fmt: skip
SERIES_ATTRIBUTES = {"00080060", "0008103E", "0020000E", "00200011", "00201209", "00081190"}
INSTANCE_ATTRIBUTES = {
    "00080016", "00080018", "00200013", "00280010", "00280011", "00280100", "00081190",
}  # fmt: skip


async def test_each_level_answers_the_attributes_of_its_table(client: httpx.AsyncClient) -> None:
    (first, *_) = await stored_series(client, 3, SeriesDescription="Axial")
    study = f"/studies/{first.StudyInstanceUID}"
    series = f"{study}/series/{first.SeriesInstanceUID}"
    for url, attributes in (
        ("/studies", STUDY_ATTRIBUTES),
        ("/series", SERIES_ATTRIBUTES | STUDY_ATTRIBUTES - {"00080061", "00201206", "00201208"}),
        (f"{study}/series", SERIES_ATTRIBUTES),
        ("/instances", INSTANCE_ATTRIBUTES),
        (f"{study}/instances", INSTANCE_ATTRIBUTES),
        (f"{series}/instances", INSTANCE_ATTRIBUTES),
    ):
        response = await client.get(url)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/dicom+json"
        item = response.json()[0]
        assert attributes <= item.keys(), url
        assert list(item) == sorted(item)
    assert len((await client.get(f"{series}/instances")).json()) == 3


async def test_the_retrieve_url_leads_to_the_resource(client: httpx.AsyncClient) -> None:
    await stored_series(client, 1)
    for url in ("/studies", "/series", "/instances"):
        (item,) = (await client.get(url)).json()
        (target,) = values(item, "00081190")
        assert target.startswith("http://pacs.example/dicom-web/studies/")
        assert (await client.get(target + "/metadata")).status_code == 200


async def test_the_base_url_is_the_one_that_the_client_used(client: httpx.AsyncClient) -> None:
    await stored_series(client, 1)
    response = await client.get("/studies", headers={"host": "10.1.2.3:8080"})
    assert values(response.json()[0], "00081190")[0].startswith("http://10.1.2.3:8080/dicom-web/")
    hostile = await client.get("/studies", headers={"host": 'x"},{"a'})
    assert values(hostile.json()[0], "00081190")[0].startswith("http://pacs.example")


async def test_no_match_is_no_content_and_more_matches_are_announced(
    client: httpx.AsyncClient,
) -> None:
    (first, *_) = await stored_series(client, 5)
    nothing = await client.get("/studies?PatientID=nobody")
    assert (nothing.status_code, nothing.content) == (204, b"")
    url = f"/studies/{first.StudyInstanceUID}/instances"
    page = await client.get(f"{url}?limit=2")
    assert len(page.json()) == 2
    assert page.headers["warning"] == (
        "299 http://pacs.example/dicom-web: There are 3 additional results that can be requested"
    )
    last = await client.get(f"{url}?limit=2&offset=4")
    assert len(last.json()) == 1
    assert "warning" not in last.headers
    count = await client.get(f"{url}?limit=0")
    assert count.json() == []
    assert "There are 5 additional results" in count.headers["warning"]


@pytest.mark.parametrize(
    "query",
    ["NoSuchKey=1", "limit=x", "offset=-1", "StudyDate=yesterday", "PatientName=a%00", "%FF=1"],
)
async def test_a_query_that_cannot_be_applied_is_a_bad_request(
    client: httpx.AsyncClient, query: str
) -> None:
    response = await client.get(f"/studies?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


async def test_an_answer_is_compressed_for_a_client_across_the_network(
    client: httpx.AsyncClient,
) -> None:
    (first, *_) = await stored_series(client, 20)
    url = f"/studies/{first.StudyInstanceUID}/metadata"
    plain = await client.get(url, headers={"accept-encoding": "identity"})
    zipped = await client.get(url, headers={"accept-encoding": "gzip, br"})
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(plain.content) / 2
    assert zipped.content == plain.content
    assert zipped.headers["etag"] != plain.headers["etag"]
    refused = await client.get(url, headers={"accept-encoding": "gzip;q=0"})
    assert "content-encoding" not in refused.headers

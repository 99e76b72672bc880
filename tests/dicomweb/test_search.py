"""QIDO-RS over HTTP (PS3.18 10.6; conformance Q1 to Q13). What matches is tested in the archive."""

import asyncio

import httpx
import pytest
from dicomweb_requests import store, stored_series, values
from factories import ct_slice, encode

from hounsfield.archive import index_attributes
from hounsfield.archive.archive import Archive
from hounsfield.archive.search import Level
from hounsfield.dicomweb.queries import parse_path

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
    """Q1 and Q9 to Q11: six resources, and what Tables 10.6.3-3 to -5 have for each."""
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
    """Q9 to Q11: Retrieve URL (0008,1190)."""
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
    """Q7: 204, and the Warning in the words of 8.3.4.4.1."""
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
    """Q7 and Q8: never a filter that is dropped in silence."""
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
    zipped = await client.get(url, headers={"accept-encoding": "gzip, deflate"})
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(plain.content) / 2
    assert zipped.content == plain.content
    assert zipped.headers["etag"] != plain.headers["etag"]
    refused = await client.get(url, headers={"accept-encoding": "gzip;q=0"})
    assert "content-encoding" not in refused.headers


async def test_q4_and_q5_the_ways_of_matching_work_without_a_warning(
    client: httpx.AsyncClient,
) -> None:
    """Q4 and Q5: fuzzy, empty-value and multiple-value matching are done, not warned of."""
    await stored_series(client, 1, PatientName="Meyer^Hans", PatientID="M", AccessionNumber="")
    for query, count in (
        ("fuzzymatching=true&PatientName=Meier", 1),
        ("PatientName=Meier", 0),
        ("emptyvaluematching=true&AccessionNumber=%22%22", 1),
        ("AccessionNumber=%22%22", 0),
        ("multiplevaluematching=true&PatientID=X%5CM", 1),
        ("PatientID=X%5CM", 0),
    ):
        response = await client.get(f"/studies?{query}")
        assert response.status_code == (200 if count else 204), query
        assert "warning" not in response.headers


async def test_q5_fuzzy_matching_of_an_added_attribute_is_literal_and_says_so(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    """Q5: the Warning is in the words of 8.3.4.2."""
    await stored_series(client, 1, OperatorsName="Meyer^Hans")
    path = parse_path("OperatorsName")
    await asyncio.to_thread(index_attributes.add, archive, path, Level.SERIES)
    while await asyncio.to_thread(index_attributes.index_some, archive):
        pass
    response = await client.get("/series?fuzzymatching=true&OperatorsName=MEYER*")
    assert response.headers["warning"] == (
        "299 http://pacs.example/dicom-web: The fuzzymatching parameter is not supported. "
        "Only literal matching has been performed."
    )
    assert len(response.json()) == 1


async def test_q4_uids_are_a_list_with_commas_or_backslashes(client: httpx.AsyncClient) -> None:
    """Q4, List of UID Matching, on every level."""
    uids = [(await stored_series(client, 1))[0].StudyInstanceUID for _ in range(3)]
    for separator in (",", "%5C"):
        for level in ("studies", "series", "instances"):
            found = await client.get(f"/{level}?StudyInstanceUID={separator.join(uids[:2])}")
            assert {values(item, "0020000D")[0] for item in found.json()} == set(uids[:2])


async def test_q6_a_private_attribute_comes_with_its_creator(client: httpx.AsyncClient) -> None:
    """Q6: includefield of a private tag brings (gggg,00bb); a study answer has none of a series."""
    dataset = ct_slice(SeriesDescription="Axial", KVP=120)
    block = dataset.private_block(0x0099, "MINE", create=True)
    block.add_new(1, "LO", "value")
    block.add_new(2, "LO", "other")
    assert (await store(client, encode(dataset))).status_code == 200
    (item,) = (await client.get("/instances?includefield=00991001,KVP")).json()
    assert values(item, "00990010") == ["MINE"]
    assert values(item, "00991001") == ["value"]
    assert "00991002" not in item
    assert values(item, "00180060") == [120]
    for include in ("all", "SeriesDescription,SOPClassUID,00991001"):
        (study,) = (await client.get(f"/studies?includefield={include}")).json()
        assert not study.keys() & {"0008103E", "00080016", "00991001", "00990010"}
        (series,) = (await client.get(f"/series?includefield={include}")).json()
        assert not series.keys() & {"00080016", "00991001"}


async def test_q7_the_same_query_has_the_same_order(client: httpx.AsyncClient) -> None:
    """Q7: pages of one search are parts of one list, on every level."""
    for n in range(4):
        await stored_series(client, 2, StudyDate="20240101" if n % 2 else "20230101")
    for level, count in (("studies", 4), ("series", 4), ("instances", 8)):
        whole = (await client.get(f"/{level}")).json()
        assert (await client.get(f"/{level}")).json() == whole
        pages = [
            item
            for offset in range(0, count, 3)
            for item in (await client.get(f"/{level}?limit=3&offset={offset}")).json()
        ]
        assert pages == whole


async def test_q12_computed_attributes_follow_what_is_stored(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    """Q12: counts and modalities after a series was added, and after rows were deleted."""
    (first, *_) = await stored_series(client, 2)
    study = first.StudyInstanceUID

    async def computed() -> list[object]:
        (item,) = (await client.get(f"/studies?StudyInstanceUID={study}")).json()
        return [values(item, tag) for tag in ("00080061", "00201206", "00201208")]

    assert await computed() == [["CT"], [1], [2]]
    (second,) = await stored_series(client, 1, StudyInstanceUID=study, Modality="SEG")
    assert await computed() == [["CT", "SEG"], [2], [3]]
    with archive.database.transaction() as connection:
        connection.exec_driver_sql(
            "DELETE FROM series WHERE series_instance_uid = %s", (second.SeriesInstanceUID,)
        )
    assert await computed() == [["CT"], [1], [2]]
    assert (await client.get("/studies?ModalitiesInStudy=SEG")).status_code == 204

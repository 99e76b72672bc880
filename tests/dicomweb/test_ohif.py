"""The requests of the OHIF viewer, as they were seen on the wire, answered as it wants."""

from pathlib import Path

import httpx
import pydicom
import pytest
from dicomweb_requests import parts_of, store, url_of, values
from factories import ct_slice, encode, new_uid

SEARCH = {"accept": "application/dicom+json, multipart/related; type=application/octet-stream"}
FRAME = "multipart/related; type=application/octet-stream; transfer-syntax=*"
QUOTED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
STUDY_FIELDS = "includefield=00081030%2C00080060%2C00080090%2C00100030"
SERIES_FIELDS = "includefield=00080021%2C00080031%2C0008103E%2C00200011"


@pytest.fixture
async def study(client: httpx.AsyncClient) -> str:
    """Two series, CT and MR, of one patient; and another patient's."""
    uid = new_uid()
    common = {"StudyInstanceUID": uid, "PatientName": "Ohif^Viewer", "PatientID": "OH-1"}
    datasets = [
        ct_slice(**common, SeriesDescription="Axial", SeriesDate="20240229", SeriesTime="1015"),
        ct_slice(**common, Modality="MR", SeriesNumber=2),
        ct_slice(PatientName="Other^One", PatientID="X"),
    ]
    assert (await store(client, *(encode(dataset) for dataset in datasets))).status_code == 200
    return uid


@pytest.mark.parametrize(
    "query",
    [
        "StudyInstanceUID={uid}",
        "StudyInstanceUID={uid}%5C1.2.3",
        "00100020=OH-1",
        "PatientName=*hif*",
        "00100020=*OH*",
        "AccessionNumber=*A-1*&PatientName=*ohif*",
        "StudyDescription=*hest*&00100020=OH-1",
        "ModalitiesInStudy=MR%2CPT",
        "StudyDate=20240101-20241231&PatientName=ohif*",
    ],
)
@pytest.mark.parametrize("fuzzy", ["true", "false"])
async def test_the_study_list_finds_the_study(
    client: httpx.AsyncClient, study: str, query: str, fuzzy: str
) -> None:
    url = f"/studies?limit=101&offset=0&fuzzymatching={fuzzy}&{STUDY_FIELDS}&"
    response = await client.get(url + query.format(uid=study), headers=SEARCH)
    assert response.status_code == 200
    (item,) = response.json()
    assert values(item, "0020000D") == [study]
    assert values(item, "00080061") == ["CT", "MR"]
    assert values(item, "00201208") == [2]
    assert values(item, "00081030") == ["Chest"]
    assert values(item, "00100030") == ["19700101"]


async def test_a_study_opens_by_its_series_and_their_metadata(
    client: httpx.AsyncClient, study: str
) -> None:
    response = await client.get(f"/studies/{study}/series?{SERIES_FIELDS}", headers=SEARCH)
    found = {values(item, "00080060")[0]: item for item in response.json()}
    assert set(found) == {"CT", "MR"}
    assert values(found["CT"], "0008103E") == ["Axial"]
    assert values(found["CT"], "00080021") == ["20240229"]
    (series,) = values(found["CT"], "0020000E")
    one = await client.get(
        f"/studies/{study}/series?{SERIES_FIELDS}&SeriesInstanceUID={series}", headers=SEARCH
    )
    assert len(one.json()) == 1
    metadata = await client.get(f"/studies/{study}/series/{series}/metadata", headers=SEARCH)
    assert metadata.status_code == 200
    (item,) = metadata.json()
    assert item["7FE00010"].keys() == {"vr", "BulkDataURI"}
    assert values(item, "00280010") == [16]


@pytest.mark.parametrize("accept", [FRAME, QUOTED])
async def test_a_frame_tells_its_transfer_syntax_in_the_part(
    client: httpx.AsyncClient, shared_data: Path, accept: str
) -> None:
    path = shared_data / "enhanced" / "emri_small_jpeg_2k_lossless.dcm"
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    await store(client, path.read_bytes())
    response = await client.get(f"{url_of(dataset)}/frames/1", headers={"accept": accept})
    assert response.status_code == 200
    head, _, _ = response.content.partition(b"\r\n\r\n")
    assert (
        b"Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.90"
        in head.split(b"\r\n")
    )


async def test_functional_groups_and_content_are_inline_and_the_object_comes_whole(
    client: httpx.AsyncClient, shared_data: Path
) -> None:
    folder = shared_data / "seg_sr_rt"
    for name, tag in (("liver.dcm", "52009230"), ("sr_example/sr.dcm", "0040A730")):
        data = (folder / name).read_bytes()
        dataset = pydicom.dcmread(folder / name, stop_before_pixels=True)
        assert (await store(client, data)).status_code == 200
        series = url_of(dataset).rpartition("/instances/")[0]
        (item,) = (await client.get(series + "/metadata", headers=SEARCH)).json()
        assert len(values(item, tag)) > 1
        response = await client.get(
            url_of(dataset), headers={"accept": 'multipart/related; type="application/dicom"'}
        )
        assert [part for _, part in parts_of(response)] == [data]
    absent = await client.get(f"{url_of(dataset)}9", headers={"accept": "*/*"})
    assert absent.status_code == 404


async def test_what_it_saves_is_stored(client: httpx.AsyncClient) -> None:
    """Its multipart has no CRLF before the first delimiter and ends without one."""
    dataset = ct_slice()
    body = b"--X1\r\nContent-Type: application/dicom\r\n\r\n" + encode(dataset) + b"\r\n--X1--"
    headers = {"content-type": "multipart/related; type=application/dicom; boundary=X1"}
    response = await client.post("/studies", content=body, headers=headers)
    assert response.status_code == 200

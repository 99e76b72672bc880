"""The JSON API: the study list, the study page, jobs, reports, the feed, and its description."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import ct_slice, encode, new_uid, series
from jsonschema import Draft202012Validator
from psycopg.types.json import Jsonb
from pydicom import dcmread
from pydicom.dataset import Dataset

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import CannotUnderstand, TooLarge
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.structured_report import read_report
from hounsfield.archive.types import Source

SOURCE = Source("IMPORT")


def store(archive: Archive, *datasets: Dataset, source: Source = SOURCE) -> None:
    for dataset in datasets:
        store_bytes(archive, source, encode(dataset))


def add_job(archive: Archive, study: str, series: str, label: str, **columns: Any) -> str:
    job_id = str(uuid.uuid4())
    state = {"queued": "SCHEDULED", "running": "IN PROGRESS", "complete": "COMPLETED"}
    values = {
        "id": job_id,
        "study_instance_uid": study,
        "series_instance_uid": series,
        "model_name": "brain_mask",
        "model_version": "1",
        "model_digest": "d",
        "state": state.get(label, "CANCELED"),
        "label": label,
        "trigger": "rule",
        "progress": 0,
        "stage": "",
        "attempt": 1,
        "fencing_token": 0,
        "cancel_requested": False,
        "results": Jsonb({}),
        "measurements": Jsonb([]),
        **columns,
    }
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    with archive.database.transaction() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO job ({names}) VALUES ({places})", tuple(values.values())
        )
    return job_id


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_study_list_shows_what_was_stored_last_first(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    older = series(3, StudyDate="20250101", PatientName="Müller^Anna", PatientID="M-1")
    newer = series(2, StudyDate="20200101", Modality="MR", AccessionNumber="X%7")
    extra = ct_slice(StudyInstanceUID=newer[0].StudyInstanceUID, Modality="PT")
    store(archive, *older, *newer, extra)
    page = await get(client, "/api/studies")
    assert page["total"] == 2
    first, second = page["items"]
    assert first["study_instance_uid"] == newer[0].StudyInstanceUID
    assert (first["series_count"], first["instance_count"]) == (2, 3)
    assert sorted(first["modalities"]) == ["MR", "PT"]
    assert second["patient_name"] == "Müller^Anna"
    assert second["analysis"] is None
    paged = await get(client, "/api/studies", limit=1, offset=1)
    assert [item["patient_id"] for item in paged["items"]] == ["M-1"]
    assert paged["total"] == 2
    assert (await get(client, "/api/studies", offset=5))["total"] == 2


async def test_the_words_of_a_search_stand_anywhere_and_mean_themselves(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    one = ct_slice(PatientName="Müller^Anna", PatientID="M-1", StudyDate="20250102")
    two = ct_slice(PatientName="Doe^Jane", AccessionNumber="X%7", StudyDescription="Head_MR")
    store(archive, one, two)
    expected = {
        "anna MÜLL": [one],
        "Müller^Anna": [one],
        "m-1": [one],
        "2025-01": [one],
        one.StudyInstanceUID: [one],
        "%": [two],
        "head_": [two],
        "headx": [],
        "HEAD": [two],
        "x%7": [two],
        "20250102": [one],
        "2025.01.02": [one],
        "202501023": [],
        "anna jane": [],
        "\\": [],
        "  ": [two, one],
        "a\0nna": [one],
    }
    for words, found in expected.items():
        page = await get(client, "/api/studies", q=words)
        uids = [item["study_instance_uid"] for item in page["items"]]
        assert uids == [dataset.StudyInstanceUID for dataset in found], words
        assert page["total"] == len(found)


async def test_the_list_shows_the_job_that_says_most(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    dataset = ct_slice()
    store(archive, dataset)
    study, own = dataset.StudyInstanceUID, dataset.SeriesInstanceUID
    add_job(archive, study, own, "skipped", reason="not a head")
    done = add_job(archive, study, own, "complete")
    (item,) = (await get(client, "/api/studies"))["items"]
    assert item["analysis"]["job_id"] == done
    running = add_job(archive, study, new_uid(), "running", progress=40, stage="model")
    (item,) = (await get(client, "/api/studies"))["items"]
    assert item["analysis"]["job_id"] == running
    assert item["analysis"]["progress"] == 40
    assert len((await get(client, f"/api/studies/{study}"))["jobs"]) == 3


async def test_a_study_shows_its_series_and_which_job_made_them(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    slices = series(3, SeriesDescription="T1", SeriesNumber=4)
    study = slices[0].StudyInstanceUID
    report = ct_slice(StudyInstanceUID=study, Modality="SR", Rows=None, PixelData=None)
    job = str(uuid.uuid4())
    store(archive, *slices)
    store(archive, report, source=Source("INFERENCE", job_id=job))
    detail = await get(client, f"/api/studies/{study}")
    images, made = detail["series"]
    assert (images["instance_count"], images["frame_count"]) == (3, 3)
    assert (images["series_number"], images["series_description"]) == ("4", "T1")
    assert images["job_id"] is None
    assert images["settled"] is False
    assert images["sop_instance_uids"] == [slices[0].SOPInstanceUID]
    assert images["thumbnail"] == (
        f"/dicom-web/studies/{study}/series/{slices[0].SeriesInstanceUID}/thumbnail"
    )
    assert made["job_id"] == job
    assert (await client.get("/api/studies/1.2.3")).status_code == 404
    assert (await client.get("/api/studies/..%2f..%2fetc")).status_code in {400, 404}


async def test_what_may_not_be_analysed_is_refused_with_the_reason(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    slices = series(2)
    store(archive, *slices)
    wish = {"study_instance_uid": slices[0].StudyInstanceUID}
    refused = await client.post("/api/jobs", json=wish)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"].startswith("No series of this study suits a model.")
    unknown = await client.post("/api/jobs", json={"study_instance_uid": "1.2.3"})
    assert unknown.status_code == 404
    nonsense = await client.post("/api/jobs", content=b"{")
    assert nonsense.status_code == 400
    assert (await client.get("/api/jobs/none")).status_code == 404
    assert (await client.post(f"/api/jobs/{uuid.uuid4()}/cancel")).status_code == 404


async def test_a_job_that_waits_is_canceled_once(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    dataset = ct_slice(SeriesDescription="T1")
    store(archive, dataset)
    job = add_job(archive, dataset.StudyInstanceUID, dataset.SeriesInstanceUID, "queued")
    page = await get(client, "/api/jobs", label="queued")
    assert (page["total"], page["items"][0]["series_description"]) == (1, "T1")
    canceled = await client.post(f"/api/jobs/{job}/cancel")
    assert canceled.json()["label"] == "canceled"
    assert (await client.post(f"/api/jobs/{job}/cancel")).status_code == 409
    assert (await get(client, f"/api/jobs/{job}"))["state"] == "CANCELED"
    elsewhere = await get(client, "/api/jobs", study_instance_uid="1.2.3")
    assert elsewhere == {"items": [], "total": 0}


async def test_status_counts_what_is_stored(archive: Archive, client: httpx.AsyncClient) -> None:
    slices = series(3)
    store(archive, *slices)
    status = await get(client, "/api/status")
    held = status["counts"]
    assert (held["studies"], held["series"], held["instances"]) == (1, 1, 3)
    assert held["bytes"] >= sum(len(dataset.PixelData) for dataset in slices)
    assert (status["ae_title"], status["dimse_port"]) == ("HOUNSFIELD", 11112)


async def test_readiness_tells_of_a_database_that_is_gone(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"database": "ok", "objects": "ok"})
    await archive.database.aclose()
    archive.database.__dict__.pop("async_engine", None)
    archive.database.url = "postgresql://nobody@127.0.0.1:9/none"
    gone = await client.get("/readyz")
    assert (gone.status_code, gone.json()["database"]) == (503, "does not answer")
    assert (await client.get("/healthz")).status_code == 200
    refused = await client.get("/api/studies")
    assert refused.status_code == 503
    assert refused.headers["retry-after"]


async def test_a_parameter_that_cannot_be_applied_is_named_and_not_quoted(
    client: httpx.AsyncClient,
) -> None:
    refused = await client.get("/api/studies", params={"limit": "Doe^Jane"})
    assert refused.status_code == 400
    assert "limit" in refused.json()["detail"]
    assert "Doe" not in refused.text
    assert (await client.get("/api/studies", params={"q": "x" * 201})).status_code == 400
    assert (await client.get("/api/events", params={"since": -1})).status_code == 400


async def test_unknown_resources_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    for method, path, status in (
        ("GET", "/api/none", 404),
        ("GET", "/api", 404),
        ("DELETE", "/api/studies", 405),
        ("GET", "/dicom-web/none", 404),
    ):
        answer = await client.request(method, path)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_answers_are_what_the_openapi_document_says(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    dataset = ct_slice()
    store(archive, dataset)
    study = dataset.StudyInstanceUID
    job = add_job(archive, study, dataset.SeriesInstanceUID, "complete")
    document = await get(client, "/api/openapi.json")
    asked = {
        "/api/studies": "/api/studies",
        "/api/studies/{study_instance_uid}": f"/api/studies/{study}",
        "/api/jobs": "/api/jobs",
        "/api/jobs/{job_id}": f"/api/jobs/{job}",
        "/api/events": "/api/events",
        "/api/status": "/api/status",
    }
    for template, path in asked.items():
        content = document["paths"][template]["get"]["responses"]["200"]["content"]
        schema = content["application/json"]["schema"]
        strict = {**schema, "components": _closed(document["components"])}
        Draft202012Validator(strict).validate(await get(client, path))


def _closed(components: Any) -> Any:
    """The components, with nothing allowed that they do not name."""
    closed = json.loads(json.dumps(components))
    for schema in closed["schemas"].values():
        if schema.get("type") == "object" and "properties" in schema:
            schema["additionalProperties"] = False
    return closed


async def test_a_report_is_read_as_numbers_and_lines(
    archive: Archive, client: httpx.AsyncClient, shared_data: Path
) -> None:
    stored = shared_data / "seg_sr_rt" / "sr_example" / "sr.dcm"
    uid = store_bytes(archive, SOURCE, stored.read_bytes()).sop_instance_uid
    report = await get(client, f"/api/instances/{uid}/report")
    dataset = dcmread(stored)
    groups = [item for item in _items(dataset) if _name(item) == "Measurement Group"]
    numbers = [item for group in groups for item in _items(group) if item.ValueType == "NUM"]
    assert len(report["lines"]) == len(list(_items(dataset)))
    assert [found["value"] for found in report["measurements"]] == [
        float(item.MeasuredValueSequence[0].NumericValue) for item in numbers
    ]
    for found, item in zip(report["measurements"], numbers, strict=True):
        derived = [_said(child) for child in _items(item) if _name(child) == "Derivation"]
        assert found["name"] == _name(item) + "".join(f" ({said})" for said in derived)
        assert found["unit"]
        assert found["group"] == "Neoplasm, Primary"
    assert len({found["name"] for found in report["measurements"]}) > 5
    assert report["title"] == _name(dataset)
    assert report["completion_flag"] == dataset.CompletionFlag
    assert report["lines"][0]["depth"] == 0


async def test_a_report_with_values_that_are_kept_apart_is_read(
    archive: Archive, client: httpx.AsyncClient, shared_data: Path
) -> None:
    dataset = dcmread(shared_data / "seg_sr_rt" / "sr_example" / "sr.dcm")
    dataset.private_block(0x0099, "HOUNSFIELD TEST", create=True).add_new(1, "OB", bytes(4096))
    store(archive, dataset)
    report = await get(client, f"/api/instances/{dataset.SOPInstanceUID}/report")
    assert report["measurements"]


def _name(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeMeaning) if names else ""


def _said(item: Dataset) -> str:
    return str(item.ConceptCodeSequence[0].CodeMeaning)


def _items(item: Dataset) -> Iterator[Dataset]:
    yield item
    for child in item.get("ContentSequence", ()):
        yield from _items(child)


async def test_an_image_is_no_report(archive: Archive, client: httpx.AsyncClient) -> None:
    dataset = ct_slice()
    store(archive, dataset)
    refused = await client.get(f"/api/instances/{dataset.SOPInstanceUID}/report")
    assert refused.status_code == 422
    assert (await client.get("/api/instances/1.2.3/report")).status_code == 404


def test_a_report_nested_without_end_is_refused() -> None:
    # The archive takes in none that is so deep; kept metadata may be older than its limit.
    container = b'{"0040A040":{"vr":"CS","Value":["CONTAINER"]},"0040A730":{"vr":"SQ","Value":['
    for depth, error in ((70, TooLarge), (5000, CannotUnderstand)):
        with pytest.raises(error):
            read_report(container * depth + b"]}}" * depth)

"""schemathesis asks whatever the descriptions allow, and what they do not: no answer is a 5xx.

The JSON API is asked by its own OpenAPI document. DICOMweb has none; one is written here from the
routes and what each says it takes (``dicomweb/resource_kinds.py``).
"""

import re
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
import requests
import schemathesis
from dicomweb_requests import MOUNT
from factories import ct_slice, encode
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation
from starlette.routing import Route

from hounsfield.archive.archive import Archive
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.types import Source
from hounsfield.dicomweb.capabilities import resources
from hounsfield.dicomweb.resource_kinds import KINDS, end_of
from hounsfield.dicomweb.router import create_router

EXAMPLES = 5
SECONDS = 20
STUDY, SERIES, INSTANCE = "1.2.3", "1.2.3.4", "1.2.3.4.5"
STORED = {"study": [STUDY], "series": [SERIES], "instance": [INSTANCE], "frames": ["1", "2,1"],
          "path": ["7FE00010"]}  # fmt: skip
ACCEPTED = [
    "*/*", "application/dicom+json", "application/json", "application/dicom+xml", "text/html",
    "image/png", "image/jpeg;q=0.5, image/*;q=0.1", "application/zip",
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80',
    'multipart/related; type="application/octet-stream"', 'multipart/related; type="image/jp2"',
]  # fmt: skip
TEXT = {"type": "string", "maxLength": 40}
KEYS = ("PatientName", "StudyDate", "StudyInstanceUID", "ModalitiesInStudy",
        "RequestAttributesSequence.ScheduledProcedureStepID", "00101010")  # fmt: skip


@pytest.fixture
def base_url(archive: Archive, port: int) -> str:
    """A server that holds one image."""
    names = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": INSTANCE}
    frames = ct_slice(**names, NumberOfFrames=2, PixelData=bytes(2 * 16 * 16 * 2))
    store_bytes(archive, Source("IMPORT"), encode(frames))
    return f"http://127.0.0.1:{port}"


def answers(
    base_url: str, description: dict[str, Any], modes: Iterable[GenerationMode]
) -> dict[str, list[int]]:
    """What every operation answers, by its name."""
    schema = schemathesis.openapi.from_dict(description)
    found: dict[str, list[int]] = {}
    with requests.Session() as session:
        for result in schema.get_all_operations():
            operation = result.ok()
            statuses = found.setdefault(operation.label, [])
            for mode in modes:
                with suppress(Unsatisfiable):  # nothing can be wrong where nothing is taken
                    _ask(operation, mode, base_url, session, statuses)
    return found


def _ask(
    operation: APIOperation,
    mode: GenerationMode,
    base_url: str,
    session: requests.Session,
    found: list[int],
) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def ask(case: Case) -> None:
        response = case.call(base_url=base_url, session=session, timeout=SECONDS)
        found.append(response.status_code)
        assert response.status_code < 500, (case.as_curl_command(), response.text[:500])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ask()


def dicomweb_description(archive: Archive) -> dict[str, Any]:
    """OpenAPI of the DICOMweb resources, from their routes. Without bodies: others test those."""
    routes = [route for route in create_router(archive).routes if isinstance(route, Route)]
    paths = {
        MOUNT + path.rstrip("/"): {
            "get": {"parameters": _parameters(path), "responses": {"200": {"description": "found"}}}
        }
        for path, methods in resources(routes)
        if "GET" in methods
    }
    info = {"title": "DICOMweb", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def _parameters(path: str) -> list[dict[str, Any]]:
    in_path = [
        _parameter(name, "path", {"anyOf": [{"enum": STORED[name]}, {**TEXT, "minLength": 1}]})
        for name in re.findall(r"{(\w+)}", path)
    ]
    kind = KINDS[end_of(path)]
    asked = (*kind.parameters, *(KEYS if "limit" in kind.parameters else ()))
    in_query = [_parameter(name, "query", TEXT) for name in asked]
    accept = {"anyOf": [{"enum": ACCEPTED}, TEXT]}
    return [*in_path, *in_query, _parameter("Accept", "header", accept)]


def _parameter(name: str, where: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def test_nothing_that_is_asked_of_the_json_api_is_our_failure(base_url: str) -> None:
    description = requests.get(f"{base_url}/api/openapi.json", timeout=SECONDS).json()
    found = answers(base_url, description, GenerationMode)
    assert len(found) > 10
    assert all(found.values())


def test_nothing_that_is_asked_of_dicomweb_is_our_failure(archive: Archive, base_url: str) -> None:
    found = answers(base_url, dicomweb_description(archive), [GenerationMode.POSITIVE])
    assert len(found) > 25
    every = [status for statuses in found.values() for status in statuses]
    assert {200, 400, 404, 406} <= set(every), "it has reached what it asks for"

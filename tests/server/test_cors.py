"""Pages of other origins (PS3.18 8.9; conformance W9; reliability P-04)."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from dicomweb_requests import STORE_HEADERS, multipart
from factories import ct_slice, encode
from pydantic import ValidationError

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import HttpSettings
from hounsfield.server.app import create_app

PAGE = "https://viewer.example"
FROM_PAGE = {
    "origin": PAGE, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors",
    "sec-fetch-dest": "empty",
}  # fmt: skip
PREFLIGHT = FROM_PAGE | {
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type",
}


@pytest.fixture
async def shared(archive: Archive, viewer: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A server that one other origin may use."""
    http = archive.settings.http.model_copy(update={"cors_origins": (PAGE,)})
    archive.settings = archive.settings.model_copy(update={"http": http})
    transport = httpx.ASGITransport(create_app(archive, viewer), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client
    await archive.database.aclose()
    archive.database.__dict__.pop("async_engine", None)


async def test_w9_a_preflight_is_answered_for_the_configured_origin_alone(
    shared: httpx.AsyncClient,
) -> None:
    for path in ("/dicom-web/studies", "/dicom-web/studies/1.2.3/metadata", "/dicom-web/wado"):
        allowed = await shared.options(path, headers=PREFLIGHT)
        assert allowed.status_code == 204
        assert allowed.headers["access-control-allow-origin"] == PAGE
        assert "POST" in allowed.headers["access-control-allow-methods"]
        assert "content-type" in allowed.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in allowed.headers
        other = await shared.options(path, headers=PREFLIGHT | {"origin": "https://evil.example"})
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers


async def test_w9_an_answer_to_the_page_exposes_what_dicomweb_says_in_headers(
    shared: httpx.AsyncClient,
) -> None:
    stored = await shared.post(
        "/dicom-web/studies",
        content=multipart([encode(ct_slice())]),
        headers=FROM_PAGE | STORE_HEADERS,
    )
    assert stored.status_code == 200
    for path, status in (("/dicom-web/studies", 200), ("/dicom-web/studies/1.2.3", 404)):
        answer = await shared.get(path, headers=FROM_PAGE)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == PAGE
        exposed = {
            name.strip() for name in answer.headers["access-control-expose-headers"].split(",")
        }
        assert {"Content-Location", "ETag", "Warning", "Content-Range"} <= exposed
        assert "origin" in answer.headers.get_list("vary", split_commas=True)
    own = await shared.get("/dicom-web/studies")
    assert "access-control-allow-origin" not in own.headers
    assert "origin" in own.headers.get_list("vary", split_commas=True)


async def test_the_page_may_use_nothing_but_dicomweb(shared: httpx.AsyncClient) -> None:
    for path in ("/api/studies", "/api/jobs", "/", "/healthz", "/dicom-webx"):
        assert (await shared.get(path, headers=FROM_PAGE)).status_code == 403
        assert (await shared.options(path, headers=PREFLIGHT)).status_code == 403
    rebound = await shared.get("/dicom-web/studies", headers=FROM_PAGE | {"host": "evil.example"})
    assert rebound.status_code == 421


async def test_without_a_configured_origin_there_are_no_cors_fields(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.options("/dicom-web/studies", headers=PREFLIGHT)).status_code == 403
    answer = await client.get("/dicom-web/studies")
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origin", ["*", "null", "https://*.example", "https://a.example/", "x"])
def test_an_origin_is_configured_by_its_whole_name(origin: str) -> None:
    with pytest.raises(ValidationError):
        HttpSettings(cors_origins=(origin,))

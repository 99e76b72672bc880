"""Behind a reverse proxy: URLs name the host that the client asked for (conformance W4)."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from dicomweb_requests import STORE_HEADERS, multipart
from factories import ct_slice, encode

from hounsfield.archive.archive import Archive
from hounsfield.server.app import create_app

PROXY, SECOND, CLIENT = "10.0.0.5", "10.0.0.6", "203.0.113.9"


@pytest.fixture
async def behind(archive: Archive, viewer: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A server that trusts the proxies of one network, reached through one of them."""
    http = archive.settings.http.model_validate(
        {"trusted_proxies": ["10.0.0.0/24"], "allowed_hosts": ["127.0.0.1", "pacs.example"]}
    )
    archive.settings = archive.settings.model_copy(update={"http": http})
    app = create_app(archive, viewer)
    transport = httpx.ASGITransport(app, client=(PROXY, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        stored = await client.post(
            "/dicom-web/studies", content=multipart([encode(ct_slice())]), headers=STORE_HEADERS
        )
        assert stored.status_code == 200
        yield client
    await archive.database.aclose()
    archive.database.__dict__.pop("async_engine", None)


async def retrieve_url(client: httpx.AsyncClient, **fields: str) -> str:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    response = await client.get("/dicom-web/studies", headers=headers)
    assert response.status_code == 200, response.text
    url: str = response.json()[0]["00081190"]["Value"][0]
    return url.partition("/dicom-web")[0]


async def test_w4_urls_name_the_host_and_scheme_that_a_trusted_proxy_tells(
    behind: httpx.AsyncClient,
) -> None:
    cases = (
        ({}, "http://127.0.0.1:8080"),
        ({"forwarded": f'for={CLIENT};proto=https;host="pacs.example"'}, "https://pacs.example"),
        ({"forwarded": f'for="{CLIENT}:5000";host="pacs.example:8443";proto=HTTPS'},
         "https://pacs.example:8443"),
        ({"x_forwarded_for": CLIENT, "x_forwarded_proto": "https",
          "x_forwarded_host": "pacs.example"}, "https://pacs.example"),
        ({"x_forwarded_proto": "https", "host": "pacs.example"}, "https://pacs.example"),
        ({"x_forwarded_for": f"{CLIENT}, {SECOND}", "x_forwarded_proto": "https, http",
          "x_forwarded_host": "pacs.example, 127.0.0.1"}, "https://pacs.example"),
        ({"forwarded": f"for={CLIENT};proto=gopher"}, "http://127.0.0.1:8080"),
    )  # fmt: skip
    for fields, expected in cases:
        assert await retrieve_url(behind, **fields) == expected, fields


async def test_w4_what_a_client_wrote_before_the_proxy_is_not_believed(
    behind: httpx.AsyncClient,
) -> None:
    told = await retrieve_url(
        behind,
        x_forwarded_for=f"{PROXY}, {CLIENT}",
        x_forwarded_host="127.0.0.1, pacs.example",
        x_forwarded_proto="http, https",
    )
    assert told == "https://pacs.example"
    for host in ("evil.example", "pacs.example/x", "a b"):
        refused = await behind.get("/dicom-web/studies", headers={"x-forwarded-host": host})
        assert refused.status_code == 421


async def test_w4_fields_of_anybody_else_are_passed_over(
    behind: httpx.AsyncClient, archive: Archive, viewer: Path
) -> None:
    transport = httpx.ASGITransport(create_app(archive, viewer), client=(CLIENT, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        url = await retrieve_url(
            client,
            forwarded="host=pacs.example;proto=https",
            x_forwarded_host="pacs.example",
            x_forwarded_proto="https",
        )
    assert url == "http://127.0.0.1:8080"

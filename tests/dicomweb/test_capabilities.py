"""What the service says of itself (PS3.18 8.9, Annex H; conformance W9, W13)."""

import asyncio
from xml.etree import ElementTree

import httpx
import pytest
from dicomweb_requests import application, stored_series, url_of
from starlette.types import Message

from hounsfield.archive.archive import Archive

WADL = "{http://wadl.dev.java.net/2009/02}"


async def test_w13_options_of_the_root_describes_every_resource(client: httpx.AsyncClient) -> None:
    response = await client.options("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/vnd.sun.wadl+xml"
    root = ElementTree.fromstring(response.content)
    (resources,) = root
    assert resources.get("base") == "http://pacs.example/dicom-web/"
    methods = {
        found.get("path"): [m.get("name") for m in found if m.tag == f"{WADL}method"]
        for found in resources
    }
    assert methods["studies"][:2] == ["GET", "POST"]
    instance = "studies/{study}/series/{series}/instances/{instance}"
    for path in (f"{instance}/frames/{{frames}}", f"{instance}/metadata", "wado"):
        assert "GET" in methods[path]
    (frames,) = (e for e in resources if e.get("path") == f"{instance}/frames/{{frames}}")
    kinds = [e.get("mediaType") for e in frames.iter(f"{WADL}representation")]
    assert 'multipart/related; type="application/octet-stream"' in kinds
    names = {e.get("name") for e in frames if e.get("style") == "template"}
    assert names == {"study", "series", "instance", "frames"}
    refused = await client.options("/", headers={"accept": "text/html"})
    assert refused.status_code == 406
    assert (await client.get("/")).status_code == 405


async def test_w9_every_resource_answers_head_and_options(client: httpx.AsyncClient) -> None:
    (dataset,) = await stored_series(client, 1)
    instance = url_of(dataset)
    study, series = "/".join(instance.split("/")[:3]), "/".join(instance.split("/")[:5])
    urls = [
        "/studies", "/series", "/instances", f"{study}/series", f"{study}/instances",
        f"{series}/instances", study, series, instance, f"{instance}/frames/1",
        f"{instance}/bulkdata/7FE00010", f"{instance}/rendered", f"{instance}/frames/1/rendered",
        *(f"{level}/{name}" for level in (study, series, instance)
          for name in ("metadata", "bulkdata", "pixeldata", "thumbnail")),
    ]  # fmt: skip
    for url in urls:
        got, headed = await client.get(url), await client.head(url)
        assert (got.status_code, headed.status_code, headed.content) == (200, 200, b""), url
        assert headed.headers["content-type"] == got.headers["content-type"]
        assert headed.headers.get("etag") == got.headers.get("etag")
        options = await client.options(url)
        assert options.status_code == 204
        assert {"GET", "HEAD", "OPTIONS"} <= set(options.headers["allow"].split(", "))


async def test_w11_a_client_that_leaves_ends_the_worker_that_paints_for_it(
    client: httpx.AsyncClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dataset,) = await stored_series(client, 1)
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def for_ever(*_: object) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    monkeypatch.setattr("hounsfield.dicomweb.render_pool.RenderPool.run", for_ever)
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await started.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError("nobody is there")

    path = f"/dicom-web{url_of(dataset)}/rendered"
    scope = {"type": "http", "method": "GET", "path": path, "scheme": "http"}
    await application(archive)(scope | {"headers": [], "query_string": b""}, receive, send)
    assert cancelled.is_set()

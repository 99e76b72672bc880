"""The front ends as files: right types, right caching, nothing outside, nothing pretended."""

import base64
import gzip
import hashlib
from pathlib import Path

import httpx
import pytest

UID = "1.2.840.113619.2.5.1762583153.215519.978957063.78"
SCRIPT = 'self.__next_f.push(["<é & \\u003c>"])'
ROUTES = (
    "",
    "viewer",
    f"viewer?StudyInstanceUIDs={UID}",
    f"viewer/{UID}",
    "microscopy/1.2.3.4",
    "localbasic",
)
ASSETS = (
    "app.bundle.js",
    "assets/none.svg",
    f"assets/{UID}",
    "none.wasm",
    "none.css",
    "sw.js.map",
    "app.bundle.js.br",
)


@pytest.fixture(autouse=True)
def built(viewer: Path) -> Path:
    """Front ends as their builds lay them out."""
    web, ohif = viewer / "web", viewer / "ohif"
    for folder in (web / "study", web / "_next" / "static" / "chunks", ohif / "assets"):
        folder.mkdir(parents=True)
    page = f"<!doctype html><script src='/a.js'></script><script>{SCRIPT}</script><p>list</p>"
    (web / "index.html").write_text(page)
    (web / "study" / "index.html").write_text("<p>study</p>")
    (web / "404.html").write_text("<p>not here</p>")
    (web / "favicon.ico").write_bytes(b"icon")
    (web / ".secret").write_text("secret")
    (web / "_next" / "static" / "chunks" / "main.js").write_text("1;" * 1000)
    (web / "_next" / "static" / "chunks" / "main.js.gz").write_bytes(gzip.compress(b"1;" * 1000))
    (web / "_next" / "static" / "chunks" / "main.js.br").write_bytes(b"brotli")
    (ohif / "index.html").write_text("<script>window.x = 1</script><p>ohif</p>")
    (ohif / "234.bundle.6d2f24e2a4bd2c17a2d5.js").write_text("2;")
    (ohif / "app-config.js").write_text("3;")
    (ohif / "assets" / "logo.svg").write_text("<svg/>")
    (ohif / "codec.wasm").write_bytes(b"\0asm")
    (viewer / "outside.txt").write_text("outside")
    return viewer


async def test_the_pages_of_the_web_app_are_folders(client: httpx.AsyncClient) -> None:
    assert "list" in (await client.get("/")).text
    study = await client.get("/study/?uid=1.2.3")
    assert "study" in study.text
    assert study.headers["content-type"] == "text/html; charset=utf-8"
    assert study.headers["cache-control"] == "no-cache"
    moved = await client.get("/study?uid=1.2.3")
    assert (moved.status_code, moved.headers["location"]) == (308, "/study/?uid=1.2.3")


async def test_an_unknown_path_of_the_web_app_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/none", "/none/", f"/study/{UID}", "/_next/static/none.js", "/main.js.gz"):
        missing = await client.get(path)
        assert missing.status_code == 404, path
        assert "not here" in missing.text


async def test_nothing_outside_the_folders_is_served(client: httpx.AsyncClient) -> None:
    tries = (
        "/..%2foutside.txt",
        "/%2e%2e/outside.txt",
        "/ohif/..%2foutside.txt",
        "/ohif/%2e%2e/%2e%2e/outside.txt",
        "/..%5coutside.txt",
        "/.secret",
        "/%00",
        "/study/..%2f..%2foutside.txt",
        "//evil.example/..%2f",
        "/" + "a" * 5000,
    )
    for path in tries:
        answer = await client.get(path)
        assert "outside" not in answer.text, path
        assert "secret" not in answer.text, path
        assert answer.status_code in {200, 404}, path


async def test_a_redirect_never_leads_to_another_host(
    client: httpx.AsyncClient, built: Path
) -> None:
    moved = await client.get("http://127.0.0.1:8080//study")
    assert moved.status_code == 404 or moved.headers["location"].startswith("/study")


async def test_an_inline_script_of_the_page_may_run_and_no_other(
    client: httpx.AsyncClient,
) -> None:
    policy = (await client.get("/")).headers["content-security-policy"]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}'" in policy
    assert "connect-src 'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080;" in policy
    scripts = policy.split("script-src", 1)[1]
    assert "unsafe" not in scripts
    ohif = (await client.get("/ohif/")).headers["content-security-policy"]
    assert "'wasm-unsafe-eval'" in ohif
    assert "worker-src 'self' blob:" in ohif
    assert "'unsafe-inline'" not in ohif.split("script-src", 1)[1]


async def test_the_routes_of_ohif_are_its_application(client: httpx.AsyncClient) -> None:
    for path in ROUTES:
        page = await client.get(f"/ohif/{path}")
        assert page.status_code == 200, path
        assert "<p>ohif</p>" in page.text
    moved = await client.get("/ohif?x=1")
    assert (moved.status_code, moved.headers["location"]) == (308, "/ohif/?x=1")


async def test_a_missing_asset_of_ohif_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ASSETS:
        assert (await client.get(f"/ohif/{path}")).status_code == 404, path


async def test_types_are_what_browsers_insist_on(client: httpx.AsyncClient) -> None:
    for path, expected in (
        ("/ohif/codec.wasm", "application/wasm"),
        ("/ohif/app-config.js", "text/javascript; charset=utf-8"),
        ("/ohif/assets/logo.svg", "image/svg+xml"),
        ("/favicon.ico", "image/x-icon"),
    ):
        assert (await client.get(path)).headers["content-type"] == expected


async def test_only_what_never_changes_under_its_name_is_kept(client: httpx.AsyncClient) -> None:
    for path, kept in (
        ("/_next/static/chunks/main.js", True),
        ("/ohif/234.bundle.6d2f24e2a4bd2c17a2d5.js", True),
        ("/ohif/app-config.js", False),
        ("/ohif/codec.wasm", False),
        ("/", False),
    ):
        answer = await client.get(path)
        assert ("immutable" in answer.headers["cache-control"]) is kept, path
        again = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""


async def test_compressed_files_are_sent_to_those_who_take_them(
    client: httpx.AsyncClient, built: Path
) -> None:
    path = "/_next/static/chunks/main.js"
    tags = set()
    for accepted, encoding in (
        ("gzip, deflate", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("gzip;q=0", None),
    ):
        answer = await client.get(path, headers={"accept-encoding": accepted})
        assert answer.headers.get("content-encoding") == encoding, accepted
        assert answer.text == "1;" * 1000
        assert answer.headers["vary"] == "accept-encoding"
        tags.add(answer.headers["etag"])
    assert len(tags) == 2
    best = {"accept-encoding": "gzip, br"}
    assert (await client.head(path, headers=best)).headers["content-encoding"] == "br"


async def test_files_are_read_and_not_written(client: httpx.AsyncClient) -> None:
    for path in ("/", "/ohif/", "/_next/static/chunks/main.js"):
        refused = await client.post(path, content=b"x")
        assert refused.status_code == 405
        assert refused.headers["allow"] == "GET, HEAD"


async def test_without_a_build_the_page_says_how_to_build(
    client: httpx.AsyncClient, built: Path
) -> None:
    (built / "web" / "index.html").unlink()
    (built / "ohif" / "index.html").unlink()
    for path in ("/", "/ohif/"):
        page = await client.get(path)
        assert page.status_code == 503
        assert "./dev start" in page.text

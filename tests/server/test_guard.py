"""The guard: strangers get nothing, bodies are bounded, every answer says what it may do."""

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from web_server import serving

from hounsfield.archive.archive import Archive
from hounsfield.server import protocols

BROWSER = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}


STRANGE_NAMES = (
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.",
    "127.0.0.1:",
    "",
    "[",
)
OUR_NAMES = ("127.0.0.1", "LOCALHOST:8080", "[::1]:8080", "localhost")
STRANGE_ORIGINS = (
    "http://evil.example",
    "http://127.0.0.1:9999",
    "http://localhost:8080",
    "null",
    "",
    "file://",
)
STRANGE_REQUESTS = (
    ("no-cors", "image"),
    ("no-cors", "script"),
    ("cors", "empty"),
    ("navigate", "iframe"),
)
AREAS = ("/", "/api/status", "/dicom-web/studies", "/ohif/", "/healthz", "/no/such")


async def test_a_rebound_name_is_refused_everywhere(client: httpx.AsyncClient) -> None:
    for host in STRANGE_NAMES:
        for path in AREAS:
            refused = await client.get(path, headers={"host": host})
            assert refused.status_code == 421, (host, path)
            assert refused.headers["content-type"] == "application/problem+json"


async def test_each_of_our_names_is_served(client: httpx.AsyncClient) -> None:
    for host in OUR_NAMES:
        assert (await client.get("/healthz", headers={"host": host})).status_code == 200


async def test_a_page_of_another_origin_changes_nothing(client: httpx.AsyncClient) -> None:
    places = (
        ("POST", "/api/jobs"),
        ("POST", "/dicom-web/studies"),
        ("OPTIONS", "/dicom-web/studies"),
    )
    for origin in STRANGE_ORIGINS:
        for method, path in places:
            refused = await client.request(method, path, headers={"origin": origin}, content=b"{}")
            assert refused.status_code == 403, (origin, method)
            assert "access-control-allow-origin" not in refused.headers


async def test_requests_that_other_pages_make_are_refused(client: httpx.AsyncClient) -> None:
    for site in ("cross-site", "same-site"):
        for mode, destination in STRANGE_REQUESTS:
            head = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": destination}
            for path in AREAS:
                assert (await client.get(path, headers=head)).status_code == 403


async def test_the_origin_of_a_front_end_that_is_trusted_is_served(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    trusted = {"trusted_origins": ("http://localhost:3000",)}
    http = archive.settings.http.model_copy(update=trusted)
    archive.settings = archive.settings.model_copy(update={"http": http})
    for origin, status in (("http://localhost:3000", 404), ("http://localhost:3001", 403)):
        wish = {"study_instance_uid": "1.2.3"}
        answer = await client.post("/api/jobs", json=wish, headers={"origin": origin})
        assert answer.status_code == status


async def test_a_link_elsewhere_opens_our_page_in_a_tab(client: httpx.AsyncClient) -> None:
    head = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    assert (await client.get("/api/openapi.json", headers=head)).status_code == 200
    posted = await client.post("/api/jobs", headers=head, content=b"{}")
    assert posted.status_code == 403


async def test_our_own_page_and_programs_are_served(client: httpx.AsyncClient) -> None:
    wish = {"study_instance_uid": "1.2.3"}
    ours = {**BROWSER, "origin": "http://127.0.0.1:8080"}
    assert (await client.post("/api/jobs", json=wish, headers=ours)).status_code == 404
    assert (await client.post("/api/jobs", json=wish)).status_code == 404
    assert (await client.get("/api/studies", headers=BROWSER)).status_code == 200


async def test_a_head_that_names_two_hosts_is_refused(client: httpx.AsyncClient) -> None:
    twice = [("host", "127.0.0.1"), ("host", "evil.example")]
    assert (await client.get("/healthz", headers=twice)).status_code == 400


async def test_every_answer_carries_the_security_fields(client: httpx.AsyncClient) -> None:
    for path, head in itertools.product(AREAS, ({}, {"host": "evil.example"})):
        headers = (await client.get(path, headers=head)).headers
        assert headers.get_list("x-content-type-options") == ["nosniff"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'self'" in headers["content-security-policy"]
        scripts = headers["content-security-policy"].partition("script-src")[2]
        assert "'unsafe-inline'" not in scripts
        assert "'unsafe-eval'" not in scripts or path == "/ohif/"
        assert "no-store" in headers["cache-control"] or "no-cache" in headers["cache-control"]


async def test_a_body_over_the_limit_is_refused(
    client: httpx.AsyncClient, archive: Archive
) -> None:
    limit = archive.settings.http.max_body_bytes

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(limit // 65536 + 2):
            yield bytes(65536)

    declared = await client.post("/api/jobs", headers={"content-length": str(2**32)}, content=b"")
    assert declared.status_code == 413
    absurd = await client.post("/api/jobs", headers={"content-length": "9" * 5000}, content=b"")
    assert absurd.status_code == 413
    assert (await client.post("/api/jobs", content=chunks())).status_code == 413
    assert (await client.post("/healthz", content=bytes(limit + 1))).status_code == 413


def test_a_body_that_is_only_announced_is_refused_at_its_head(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(
            b"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4294967296\r\n\r\n"
        )
        assert peer.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_negative_length_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(b"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n")
        assert peer.recv(4096).startswith(b"HTTP/1.1 400")


async def test_a_body_that_trickles_is_given_up_while_others_are_served(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    http = archive.settings.http.model_copy(update={"body_timeout_seconds": 0.5})
    archive.settings = archive.settings.model_copy(update={"http": http})

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" "
            await asyncio.sleep(0.1)

    slow = asyncio.ensure_future(client.post("/api/jobs", content=trickle()))
    began = time.monotonic()
    assert (await client.get("/healthz")).status_code == 200
    assert time.monotonic() - began < 0.5
    assert (await slow).status_code == 408
    assert time.monotonic() - began < 5


def test_a_connection_that_says_nothing_is_closed(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "HEAD_SECONDS", 1.0)
    with serving(archive) as port:
        for said in (b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
                peer.sendall(said)
                assert _is_closed(peer)
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def test_a_client_that_does_not_take_its_answer_is_cut_off(
    archive: Archive, viewer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "STALL_SECONDS", 1.0)
    (viewer / "web").mkdir(parents=True)
    (viewer / "web" / "index.html").write_bytes(bytes(64 * 1024 * 1024))
    with serving(archive, viewer=viewer) as port, socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", port))
        peer.sendall(b"GET /index.html HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert peer.recv(1) == b"H"
        time.sleep(3)
        assert _is_closed(peer)
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def _is_closed(peer: socket.socket) -> bool:
    """Whether the peer ends before five seconds of silence, and before it has sent 60 MB."""
    peer.settimeout(5)
    received = 0
    try:
        while part := peer.recv(65536):
            received += len(part)
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return received < 60_000_000

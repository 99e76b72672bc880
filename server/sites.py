"""The two front ends: the web app at ``/`` and OHIF at ``/ohif/``, served as files.

They differ in what an unknown path is. The web app's pages are all there as files, so it is
404. OHIF makes its routes in the browser, so it is the application, unless it looks like one of
its assets: to answer those with a page would hide that they are missing. UIDs hold dots, so
that a dot alone does not tell an asset.
"""

from http import HTTPStatus
from pathlib import Path, PurePosixPath

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from hounsfield.dicomweb.problems import MethodNotAllowed
from hounsfield.server.failures import answer
from hounsfield.server.files import ENCODINGS, MEDIA_TYPES, file_response, find
from hounsfield.server.inline_scripts import script_hashes
from hounsfield.server.security_headers import (
    DOCUMENT,
    OHIF,
    OHIF_SCRIPTS,
    with_scripts,
    with_socket,
)

ALLOW = [(b"allow", b"GET, HEAD")]
NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Hounsfield: viewer not built</title>
<body style="font: 16px/1.5 system-ui; margin: 4rem auto; max-width: 40rem; padding: 0 1rem">
<h1>The viewer is not built</h1>
<p>The server runs, but its pages are not here. In the checkout, <code>./dev start</code> builds
them and starts the server; by hand:</p>
<pre>cd viewer
npm install
npm run build
npm run build:ohif</pre>
<p>A wheel brings them along. DICOMweb is at <code>/dicom-web</code>, and the JSON API at
<a href="/api/openapi.json">/api</a>.</p>
</body></html>
"""


class Site:
    """Files below one folder, under one prefix of the server's paths."""

    policy = DOCUMENT
    scripts: tuple[str, ...] = ()

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder = folder
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._respond(scope)(scope, receive, send)

    def _respond(self, scope: Scope) -> Response:
        if scope["method"] not in {"GET", "HEAD"}:
            return answer(MethodNotAllowed("these are files, to be read alone", ALLOW))
        if not (self.folder / "index.html").is_file():
            return HTMLResponse(NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE)
        return self.respond(scope["path"].removeprefix(self._prefix).removeprefix("/"), scope)

    def respond(self, path: str, scope: Scope) -> Response:
        """The answer for a path below the prefix."""
        raise NotImplementedError

    def file(self, path: str) -> Path | None:
        """The file of a path. Compressed siblings are no files of their own."""
        if any(path.endswith(suffix) for _, suffix in ENCODINGS):
            return None
        return find(self.folder, path)

    def send_file(self, path: Path, scope: Scope, status: int = HTTPStatus.OK) -> Response:
        """A file; a page with the policy that lets its own scripts run."""
        headers = {}
        if path.suffix == ".html":
            sources = (*self.scripts, *script_hashes(path))
            policy = with_scripts(self.policy, sources)
            host = Headers(scope=scope).get("host", "")
            headers["content-security-policy"] = with_socket(policy, host)
        return file_response(path, scope, status, headers)


class WebApp(Site):
    """The static export: every page is a folder with its index.html."""

    def respond(self, path: str, scope: Scope) -> Response:
        """The file, the page of a folder, or the page that says that there is none."""
        name = f"{path}index.html" if not path or path.endswith("/") else path
        found = self.file(name)
        if found is not None:
            return self.send_file(found, scope)
        if not path.endswith("/") and self.file(f"{path}/index.html"):
            return _redirect(f"/{path}/", scope)
        missing = self.folder / "404.html"
        if missing.is_file():
            return self.send_file(missing, scope, HTTPStatus.NOT_FOUND)
        return HTMLResponse("<!doctype html><title>Not found</title>", HTTPStatus.NOT_FOUND)


class Ohif(Site):
    """OHIF's own files, and its application for each of its routes."""

    policy = OHIF
    scripts = OHIF_SCRIPTS

    def respond(self, path: str, scope: Scope) -> Response:
        """The file, the application, or nothing."""
        if not scope["path"].startswith(f"{self._prefix}/"):
            return _redirect(f"{self._prefix}/", scope)
        found = self.file(path) if path else None
        if found is not None:
            return self.send_file(found, scope)
        if self._is_asset(path):
            return Response("not found\n", HTTPStatus.NOT_FOUND, media_type="text/plain")
        return self.send_file(self.folder / "index.html", scope)

    def _is_asset(self, path: str) -> bool:
        """Below a folder that OHIF has, or called as its files are."""
        first, slash, _ = path.partition("/")
        in_folder = bool(slash) and first not in {"", ".", ".."} and (self.folder / first).is_dir()
        suffix = PurePosixPath(path).suffix.lower()
        return in_folder or suffix in MEDIA_TYPES or suffix in {end for _, end in ENCODINGS}


def _redirect(path: str, scope: Scope) -> Response:
    """To a path of this server: never ``//other``, which a browser takes for a host."""
    query = scope["query_string"].decode("latin-1")
    target = "/" + path.lstrip("/") + (f"?{query}" if query else "")
    return RedirectResponse(target, HTTPStatus.PERMANENT_REDIRECT)

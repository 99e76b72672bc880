"""The ASGI application: DICOMweb, the JSON API, the live WebSocket, the web app and OHIF."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from hounsfield.archive.archive import Archive
from hounsfield.archive.events import Sequencer
from hounsfield.archive.index_attributes import Indexer
from hounsfield.archive.sweep import Sweeper
from hounsfield.dicomweb.router import create_router
from hounsfield.server.api import (
    events,
    index_attributes,
    jobs,
    peer_retrieval,
    peers,
    pushes,
    reports,
    status,
    studies,
)
from hounsfield.server.failures import handle_failures
from hounsfield.server.feed import LiveFeed
from hounsfield.server.guard import Guard
from hounsfield.server.live import create_live
from hounsfield.server.sites import Ohif, WebApp
from hounsfield.server.viewer import viewer_folder

DICOM_WEB = "/dicom-web"
SERVICES = ("/api", DICOM_WEB)


class Application(FastAPI):
    """FastAPI inside the guard: also what the framework answers itself goes out guarded."""

    archive: Archive
    dicomweb: APIRouter

    def build_middleware_stack(self) -> ASGIApp:
        """The framework's layers, the short way past them, and the guard round both."""
        layers = super().build_middleware_stack()
        inner = ShortWay(DICOM_WEB, self.dicomweb.routes, layers)
        return Guard(inner, self.archive.settings.http)


class ShortWay:
    """To the resources of one router without the framework's layers.

    None of those does anything for DICOMweb, whose resources answer their own errors, and all of
    them together take as long as reading a frame.
    """

    def __init__(self, prefix: str, routes: Sequence[BaseRoute], others: ASGIApp) -> None:
        self._prefix = prefix
        self._routes = [route for route in routes if isinstance(route, Route)]
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, of whatever kind."""
        if scope["type"] == "http" and scope["path"].startswith(f"{self._prefix}/"):
            below = {**scope, "root_path": scope.get("root_path", "") + self._prefix}
            for route in self._routes:
                match, found = route.matches(below)
                if match is Match.FULL:
                    await route.handle({**below, **found}, receive, send)
                    return
        await self._others(scope, receive, send)


def create_app(archive: Archive, viewer: Path | None = None) -> Application:
    """The application on an archive, which its caller closes."""
    feed = LiveFeed(archive)
    app = Application(
        title="Hounsfield",
        version=version("hounsfield"),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(archive, feed),
        redirect_slashes=False,
        generate_unique_id_function=_name_of,
    )
    app.archive = archive
    app.state.archive = archive
    app.state.totals = status.Totals(archive)
    handle_failures(app)
    app.dicomweb = create_router(archive)
    app.include_router(app.dicomweb, prefix=DICOM_WEB)
    api = APIRouter(prefix="/api")
    parts = (
        studies,
        jobs,
        reports,
        events,
        index_attributes,
        peers,
        peer_retrieval,
        pushes,
        status,
    )
    for part in parts:
        api.include_router(part.router)
    app.include_router(api)
    app.include_router(create_live(feed))
    app.include_router(status.probes)
    app.router.default = _Pages(viewer or viewer_folder())
    return app


def _name_of(route: BaseRoute) -> str:
    return str(getattr(route, "name", ""))


class _Pages:
    """Whatever is no service: the web app and OHIF."""

    def __init__(self, folder: Path) -> None:
        self._web = WebApp(folder / "web", "")
        self._ohif = Ohif(folder / "ohif", "/ohif")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request that no route took."""
        path: str = scope["path"]
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        elif _is_below(path, *SERVICES):
            raise HTTPException(404, "no such resource")
        elif _is_below(path, "/ohif"):
            await self._ohif(scope, receive, send)
        else:
            await self._web(scope, receive, send)


def _is_below(path: str, *prefixes: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def _lifespan(
    archive: Archive, feed: LiveFeed
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        """Number events, sweep and index where nobody else does, and follow the feed."""
        background = (Sequencer(archive), Sweeper(archive), Indexer(archive))
        for thread in background:
            thread.start()
        following = asyncio.create_task(feed.follow())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            for thread in background:
                await asyncio.to_thread(thread.stop)
            await archive.database.aclose()

    return lifespan

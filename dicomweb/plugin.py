"""DICOMweb inside somebody else's FastAPI application: docs/plugin.md.

::

    app.include_router(create_plugin(archive), prefix="/pacs")

The router of :mod:`hounsfield.dicomweb.router` is made of plain ASGI endpoints, which the
framework's dependencies do not reach. Here each of them is a route of FastAPI, so that
``dependencies`` of the application or of ``include_router`` guard them as they guard its own.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hounsfield.db.schema import upgrade
from hounsfield.dicomweb.router import create_router

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "PUT", "PATCH"]
"""All of them reach the resource, which answers 405 in its own words."""


def create_plugin(archive: "Archive") -> APIRouter:
    """All DICOMweb resources of an archive, which is closed when the application ends.

    Before the first request the schema of the database is brought up to date.
    """
    service = create_router(archive)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        await asyncio.to_thread(upgrade, archive.database.url)
        try:
            async with service.lifespan_context(app):
                yield
        finally:
            await archive.database.aclose()
            await asyncio.to_thread(archive.close)

    router = APIRouter(lifespan=lifespan)
    for route in service.routes:
        if isinstance(route, Route):
            endpoint = _endpoint(route.endpoint)
            router.add_api_route(
                route.path, endpoint, methods=METHODS, include_in_schema=False, response_model=None
            )
    return router


class _Handover(Response):
    """What a resource answers, once the dependencies have let the request through."""

    def __init__(self, resource: ASGIApp) -> None:
        super().__init__()
        self._resource = resource

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._resource(scope, receive, send)


def _endpoint(resource: ASGIApp) -> Callable[[], Awaitable[Response]]:
    async def serve() -> Response:
        return _Handover(resource)

    return serve

"""What this server is and holds, and whether it can serve."""

import asyncio
import time
from importlib.metadata import version
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response, status
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import CannotAnalyse, HounsfieldError
from hounsfield.db.repositories import studies as statements
from hounsfield.inference.models import model, registry
from hounsfield.server.api.common import OfArchive, last_sequence, problems, rows_of
from hounsfield.server.api.models import Counts, InstalledModel, Status
from hounsfield.server.plan import why_no_inference

READY_SECONDS = 3.0
COUNT_SECONDS = 5.0
SHARE_OF_TIME = 50

router = APIRouter(tags=["status"])
probes = APIRouter(include_in_schema=False)


class Totals:
    """Counts of this process: exact, and made anew only as often as they are cheap."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = asyncio.Lock()
        self._counts: Counts | None = None
        self._until = 0.0

    async def read(self) -> Counts:
        """The counts, a few seconds old at the most where counting is quick."""
        async with self._lock:
            if self._counts is None or time.monotonic() > self._until:
                began = time.monotonic()
                row = (await rows_of(self._archive, statements.totals()))[0]
                self._counts = Counts.model_validate(dict(row._mapping))
                took = time.monotonic() - began
                self._until = time.monotonic() + max(COUNT_SECONDS, took * SHARE_OF_TIME)
        return self._counts


def _totals(request: Request) -> Totals:
    totals = request.app.state.totals
    assert isinstance(totals, Totals)  # noqa: S101 - for the type checker
    return totals


@router.get("/status", responses=problems(503))
async def read_status(archive: OfArchive, totals: Annotated[Totals, Depends(_totals)]) -> Status:
    """This server: what it is, how to reach it, what it holds."""
    settings = archive.settings
    return Status(
        version=version("hounsfield"),
        ae_title=settings.dimse.ae_title,
        dimse_port=settings.dimse.port,
        sequence=await last_sequence(archive),
        counts=await totals.read(),
        models=await asyncio.to_thread(_installed),
        inference_enabled=why_no_inference(settings) is None,
    )


def _installed() -> list[InstalledModel]:
    """The models that can run here; each bundle is checked at the first call."""
    found = []
    for name in registry().names:
        try:
            found.append(InstalledModel.model_validate(model(name), from_attributes=True))
        except CannotAnalyse:
            continue
    return found


class Readiness(BaseModel):
    """What a load balancer asks for."""

    database: Literal["ok", "does not answer"]
    objects: Literal["ok", "cannot store"]


@probes.get("/healthz")
async def is_alive() -> dict[str, str]:
    """This process runs."""
    return {"status": "ok"}


@probes.get("/readyz")
async def is_ready(archive: OfArchive, response: Response) -> Readiness:
    """The database answers, and something can be stored."""
    database, objects = await asyncio.gather(_database(archive), _objects(archive))
    if not (database and objects):
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Readiness(
        database="ok" if database else "does not answer",
        objects="ok" if objects else "cannot store",
    )


async def _database(archive: Archive) -> bool:
    try:
        async with asyncio.timeout(READY_SECONDS):
            await last_sequence(archive)
    except (SQLAlchemyError, TimeoutError):
        return False
    return True


async def _objects(archive: Archive) -> bool:
    try:
        await asyncio.to_thread(archive.objects.check)
    except (HounsfieldError, OSError):
        return False
    return True

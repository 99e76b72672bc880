"""The change feed for those who ask for it; the WebSocket (``server.live``) brings it."""

from typing import Annotated

from fastapi import APIRouter, Query

from hounsfield.archive.events import read_events
from hounsfield.server.api.common import OfArchive, problems
from hounsfield.server.api.models import Event, Events

router = APIRouter(tags=["events"])


@router.get("/events", responses=problems(400, 503))
async def list_events(
    archive: OfArchive,
    since: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Events:
    """What happened after ``since``, oldest first."""
    page = await read_events(archive, since, limit)
    return Events(
        events=[Event.model_validate(event.as_json()) for event in page.events],
        last_sequence=page.last_sequence,
        reset=page.reset,
    )

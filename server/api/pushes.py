"""Pushes of studies and series to peers."""

import uuid
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, status

from hounsfield.archive import pushes
from hounsfield.archive.pushes import Progress
from hounsfield.server.api.common import UID, OfArchive, problems
from hounsfield.server.api.push_models import Push, Pushes, PushRequest

router = APIRouter(tags=["pushes"], prefix="/pushes")


@router.get("", responses=problems(400, 503))
def list_pushes(
    archive: OfArchive,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    study_instance_uid: Annotated[str | None, Query(pattern=UID)] = None,
) -> Pushes:
    """The pushes, the newest first."""
    found = pushes.page(archive, limit, offset, study_instance_uid)
    return Pushes(items=[_view(each) for each in found])


@router.post("", status_code=status.HTTP_202_ACCEPTED, responses=problems(400, 403, 404, 503))
def create_push(archive: OfArchive, wish: PushRequest) -> Push:
    """Queue a study or series for a peer."""
    created = pushes.create(
        archive,
        wish.ae_title,
        wish.study_instance_uid,
        wish.series_instance_uid,
        commit=wish.commit,
    )
    return _view(created)


@router.get("/{push_id}", responses=problems(400, 404, 503))
def read_push(archive: OfArchive, push_id: uuid.UUID) -> Push:
    """One push, with the instances that failed."""
    return _view(pushes.find(archive, push_id))


@router.post("/{push_id}/cancel", responses=problems(400, 403, 404, 503))
def cancel_push(archive: OfArchive, push_id: uuid.UUID) -> Push:
    """End it after what is being sent."""
    return _view(pushes.cancel(archive, push_id))


@router.post("/{push_id}/retry", responses=problems(400, 403, 404, 503))
def retry_push(archive: OfArchive, push_id: uuid.UUID) -> Push:
    """Try again what has failed or been canceled."""
    return _view(pushes.ask_again(archive, push_id))


def _view(progress: Progress) -> Push:
    counts = {state: progress.counts.get(state, 0) for state in ("queued", "sent", "committed")}
    return Push.model_validate(
        {
            **asdict(progress.push),
            **counts,
            "failed": progress.counts.get("failed", 0),
            "failures": [asdict(entry) for entry in progress.failed],
        }
    )

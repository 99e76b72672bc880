"""Analyses: what runs, what ran, and the wish for another."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, status

from hounsfield.inference import requests
from hounsfield.inference.job_view import read_job, read_jobs
from hounsfield.server.api.common import UID, OfArchive, problems
from hounsfield.server.api.models import Job, JobPage, JobRequest, Label

router = APIRouter(tags=["jobs"], prefix="/jobs")


@router.get("", responses=problems(400, 503))
async def list_jobs(
    archive: OfArchive,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    study_instance_uid: Annotated[str | None, Query(pattern=UID)] = None,
    label: Annotated[Label | None, Query()] = None,
) -> JobPage:
    """Jobs, newest first."""
    items, total = await read_jobs(
        archive, study_instance_uid=study_instance_uid, label=label, limit=limit, offset=offset
    )
    return JobPage(items=[Job.model_validate(item) for item in items], total=total)


@router.get("/{job_id}", responses=problems(404, 503))
async def read_one_job(archive: OfArchive, job_id: str) -> Job:
    """One job."""
    return Job.model_validate(await read_job(archive, job_id))


@router.post(
    "", status_code=status.HTTP_202_ACCEPTED, responses=problems(400, 403, 404, 409, 422, 503)
)
def request_job(archive: OfArchive, wish: JobRequest, request: Request, response: Response) -> Job:
    """Queue an analysis; the answer says why where there can be none."""
    job = requests.request_analysis(
        archive, wish.study_instance_uid, wish.series_instance_uid, wish.model
    )
    response.headers["location"] = request.url_for("read_one_job", job_id=job["job_id"]).path
    return Job.model_validate(job)


@router.post("/{job_id}/cancel", responses=problems(403, 404, 409, 503))
def cancel_job(archive: OfArchive, job_id: str) -> Job:
    """End a job, whether it waits or runs."""
    return Job.model_validate(requests.cancel(archive, job_id))

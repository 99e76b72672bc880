"""Structured reports to be read."""

from typing import Annotated

from fastapi import APIRouter, Path

from hounsfield.archive.retrieve import find_instances, read_metadata
from hounsfield.archive.structured_report import read_report
from hounsfield.server.api.common import UID, OfArchive, problems
from hounsfield.server.api.models import Report

router = APIRouter(tags=["reports"])


@router.get("/instances/{sop_instance_uid}/report", responses=problems(400, 404, 413, 422, 503))
async def read_structured_report(
    archive: OfArchive, sop_instance_uid: Annotated[str, Path(pattern=UID)]
) -> Report:
    """The content of a structured report (PS3.3 C.17.3): its numbers, and every line of it."""
    (instance,) = await find_instances(archive, None, None, sop_instance_uid)
    (metadata,) = await read_metadata(
        archive, instance.study_instance_uid, instance.series_instance_uid, sop_instance_uid
    )
    return Report.model_validate(read_report(metadata), from_attributes=True)

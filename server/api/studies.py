"""The study list and the study page."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy import Row

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import NotFound
from hounsfield.db.repositories import studies as statements
from hounsfield.inference.job_view import read_analyses, read_jobs
from hounsfield.server.api.common import UID, OfArchive, last_sequence, problems, rows_of
from hounsfield.server.api.models import (
    Job,
    SeriesItem,
    StudyDetail,
    StudyItem,
    StudyPage,
)

MOST_JOBS = 500

router = APIRouter(tags=["studies"])


@router.get("/studies", responses=problems(400, 503))
async def list_studies(
    archive: OfArchive,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    q: Annotated[str, Query(max_length=200)] = "",
) -> StudyPage:
    """The studies, newest stored first; ``q`` takes words of names, IDs, descriptions, dates."""
    q = q.replace("\0", "")
    sequence = await last_sequence(archive)
    rows = await rows_of(archive, statements.page(q, limit, offset))
    total = len(rows) + offset
    if len(rows) == limit or (offset and not rows):
        total = (await rows_of(archive, statements.count(q)))[0][0]
    return StudyPage(items=await _items(archive, rows), total=total, sequence=sequence)


@router.get("/studies/{study_instance_uid}", responses=problems(400, 404, 503))
async def read_study(
    archive: OfArchive, study_instance_uid: Annotated[str, Path(pattern=UID)]
) -> StudyDetail:
    """One study with its series and its jobs."""
    sequence = await last_sequence(archive)
    rows = await rows_of(archive, statements.one(study_instance_uid))
    if not rows:
        raise NotFound("no such study")
    (item,) = await _items(archive, rows)
    series = await rows_of(archive, statements.series_of(study_instance_uid))
    jobs, _ = await read_jobs(archive, study_instance_uid=study_instance_uid, limit=MOST_JOBS)
    return StudyDetail(
        **dict(item),
        series=[_series(study_instance_uid, row) for row in series],
        jobs=[Job.model_validate(job) for job in jobs],
        sequence=sequence,
    )


async def _items(archive: Archive, rows: Sequence[Row[Any]]) -> list[StudyItem]:
    analyses = await read_analyses(archive, [row.study_instance_uid for row in rows])
    return [
        StudyItem.model_validate({**row._mapping, "analysis": analyses.get(row.study_instance_uid)})
        for row in rows
    ]


def _series(study_instance_uid: str, row: Row[Any]) -> SeriesItem:
    uid = row.series_instance_uid
    thumbnail = f"/dicom-web/studies/{study_instance_uid}/series/{uid}/thumbnail"
    return SeriesItem.model_validate(
        {**row._mapping, "thumbnail": thumbnail, "sop_instance_uids": [row.sop_instance_uid]}
    )

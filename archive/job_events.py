"""How a job's change is told in the feed, whoever changed it: a model's worker, or a deletion."""

from typing import Any

from sqlalchemy import Connection

from hounsfield.archive.events import add_event
from hounsfield.db.repositories.job_rows import JobRow


def announce(connection: Connection, job: JobRow) -> None:
    """Write what a job has come to into the feed, in the transaction that brought it there."""
    add_event(
        connection,
        job.label,
        study_instance_uid=job.study_instance_uid,
        series_instance_uid=job.series_instance_uid,
        job_id=job.id,
        data={
            "progress": job.progress,
            "stage": job.stage,
            "reason": job.reason,
            "label": job.label,
            "model_name": job.model_name,
            "results": results_of(job),
            "measurements": job.measurements,
            "series_description": job.series_description,
        },
    )


def results_of(job: JobRow) -> dict[str, Any]:
    """Results are named once they are stored, not while they are only allocated."""
    stored = job.results if job.label == "complete" else {}
    return {"seg": stored.get("seg"), "sr": stored.get("sr")}

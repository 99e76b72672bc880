"""The job queue (procrastinate's tables), where we write to it in transactions of our own.

The queue only says what has to be run; what a job is and how it ended stands in our ``job``.
"""

import datetime as dt
import uuid

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, text

QUEUE = "inference"
TASK = "hounsfield.analyse"

# One row is one place in the queue. The lock keeps a job from running twice at once, the
# queueing lock from waiting twice.
_DEFER = """
SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
    %s, %s, %s, %s, %s, %s, NULL::timestamptz)]::procrastinate_job_to_defer_v1[])
"""
_WITHDRAW = """
SELECT procrastinate_cancel_job_v1(id, false, true) FROM procrastinate_jobs
WHERE queueing_lock = :job_id AND status = 'todo'
"""
_LEFT_BY_THE_DEAD = """
SELECT queued.id, queued.queueing_lock FROM procrastinate_jobs queued
LEFT JOIN procrastinate_workers worker ON worker.id = queued.worker_id
WHERE queued.status = 'doing' AND queued.task_name = :task
  AND (worker.id IS NULL OR worker.last_heartbeat < clock_timestamp() - :silence)
FOR UPDATE OF queued SKIP LOCKED
"""
_FORGOTTEN = """
SELECT id FROM job
WHERE state IN ('SCHEDULED', 'IN PROGRESS') AND NOT EXISTS (
    SELECT 1 FROM procrastinate_jobs queued
    WHERE queued.task_name = :task AND queued.status IN ('todo', 'doing')
      AND queued.queueing_lock = job.id::text)
FOR UPDATE SKIP LOCKED
"""


def defer(connection: Connection, job_id: uuid.UUID, priority: int) -> None:
    """Put a job into the queue; workers hear of it when the transaction commits."""
    name = str(job_id)
    values = (QUEUE, TASK, priority, name, name, Jsonb({"job_id": name}))
    connection.exec_driver_sql(_DEFER, values)


def withdraw(connection: Connection, job_id: uuid.UUID) -> None:
    """Take a job that waits out of the queue."""
    connection.execute(text(_WITHDRAW), {"job_id": str(job_id)})


def revive(connection: Connection, silent_seconds: float) -> list[str]:
    """Queue again what workers had started that have not been heard of since; the job ids."""
    silence = dt.timedelta(seconds=silent_seconds)
    rows = connection.execute(text(_LEFT_BY_THE_DEAD), {"task": TASK, "silence": silence}).all()
    for queued_id, _ in rows:
        connection.execute(
            text("SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL)"),
            {"id": queued_id},
        )
    return [job_id for _, job_id in rows]


def defer_forgotten(connection: Connection) -> list[str]:
    """Queue what has not ended and yet stands in no queue; the job ids.

    It takes a worker that was paused for long, came back and closed the queue's entry of a job
    that another one had taken over; and that one's death.
    """
    rows = connection.execute(text(_FORGOTTEN), {"task": TASK}).all()
    for (job_id,) in rows:
        defer(connection, job_id, 0)
    return [str(job_id) for (job_id,) in rows]

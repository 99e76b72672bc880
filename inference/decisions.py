"""What becomes of a series that has settled: a job, a reason why not, or more waiting.

All in the caller's transaction: the job's row, its place in the queue and the events stand or
fall together, so that no series is forgotten and none is analysed twice.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.db.repositories import analysis, jobs, queue
from hounsfield.db.repositories.analysis import SeriesState
from hounsfield.db.repositories.job_rows import JobRow
from hounsfield.inference.bundle import Bundle
from hounsfield.inference.default_rules import DEFAULT_RULES
from hounsfield.inference.errors import MissingSlices
from hounsfield.inference.job_view import announce
from hounsfield.inference.models import can_run, model
from hounsfield.inference.rules import decide
from hounsfield.inference.series import attributes_of, check_geometry, parse
from hounsfield.inference.uids import allocate_results

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

RULE_PRIORITY, PERSON_PRIORITY = 0, 10
HELD = "Held: {conflict}. Correct the study, then ask for the analysis."
RENEWED = "More images arrived while it ran; the series is analysed anew."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a series can expect: a model, a reason why not, or (``waits``) time for the rest."""

    bundle: Bundle | None
    reason: str = ""
    failed: bool = False
    """The model was meant for it, and cannot run: failed, not passed over."""
    waits: bool = False


def judge(archive: "Archive", connection: Connection, series: SeriesState) -> Verdict:
    """Apply the rules, then look at the geometry of what they picked."""
    if not archive.settings.inference.enabled:
        return Verdict(None, "Analysis is switched off in the settings (inference.enabled).")
    uids = (series.study_instance_uid, series.series_instance_uid)
    first = analysis.metadata_of_series(connection, *uids, limit=1)
    attributes = attributes_of(parse(first[0]))
    decision = decide(attributes, DEFAULT_RULES, is_own_result=series.has_own_results)
    if decision.rule is None:
        return Verdict(None, decision.reason)
    if series.conflict:
        return Verdict(None, HELD.format(conflict=series.conflict))
    try:
        bundle = model(decision.rule.model)
        check_amount(series, bundle)
    except CannotAnalyse as error:
        return Verdict(None, error.message)
    kept = analysis.metadata_of_series(connection, *uids)
    try:
        check_geometry([parse(document) for document in kept], bundle.needs.minimum_slices)
    except CannotAnalyse as error:
        return Verdict(bundle, error.message, failed=True, waits=isinstance(error, MissingSlices))
    return Verdict(bundle)


def is_expected(kept: bytes) -> bool:
    """True where a rule would pick the series of this instance, and its model can run here."""
    decision = decide(attributes_of(parse(kept)), DEFAULT_RULES, is_own_result=False)
    return decision.rule is not None and can_run(decision.rule.model)


def check_amount(series: SeriesState, bundle: Bundle) -> None:
    """Raise CannotAnalyse where there are too few images for the model."""
    if series.frame_count < bundle.needs.minimum_slices:
        images = "1 image" if series.frame_count == 1 else f"{series.frame_count} images"
        raise CannotAnalyse(
            f"The series has {images}; the model needs at least {bundle.needs.minimum_slices}."
        )


def queue_job(
    connection: Connection,
    series: SeriesState,
    bundle: Bundle,
    *,
    person: bool,
    predecessor: JobRow | None,
) -> JobRow:
    """Make a job that waits: row with its results' UIDs, place in the queue, event."""
    new = jobs.NewJob(
        series.study_instance_uid,
        series.series_instance_uid,
        label="queued",
        trigger="person" if person else "rule",
        model=(bundle.name, bundle.version, bundle.digest),
        results=allocate_results(),
        predecessor_id=predecessor.id if predecessor else None,
    )
    job = jobs.add(connection, new)
    queue.defer(connection, job.id, PERSON_PRIORITY if person else RULE_PRIORITY)
    announce(connection, job)
    return job


def record(
    connection: Connection, series: SeriesState, verdict: Verdict, newest: JobRow | None
) -> None:
    """Write down the end of a series that will not be run, with the reason."""
    if newest and newest.label == "skipped" and not verdict.failed:
        job = jobs.restate(connection, newest.id, verdict.reason)
    else:
        bundle = verdict.bundle
        new = jobs.NewJob(
            series.study_instance_uid,
            series.series_instance_uid,
            label="failed" if verdict.failed else "skipped",
            trigger="rule",
            model=(bundle.name, bundle.version, bundle.digest) if bundle else ("", "", ""),
            reason=verdict.reason,
            predecessor_id=newest.id if newest else None,
        )
        job = jobs.add(connection, new)
    announce(connection, job)


def covers(job: JobRow | None, series: SeriesState) -> bool:
    """True where a job has seen, or will see, every image that the series has now."""
    if job is None or job.label in ("skipped", "failed", "canceled"):
        return False
    if job.label == "queued":
        return True
    return job.results.get("instance_count") == series.instance_count


def replace(connection: Connection, job: JobRow | None) -> None:
    """End a run that is overtaken by images that it has not seen."""
    if job is not None and job.label == "running":
        jobs.change(connection, job.id, None, cancel_requested=True, reason=RENEWED)

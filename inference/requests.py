"""What people ask of the models: run one now, or end one."""

import uuid
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from hounsfield.archive.errors import CannotAnalyse, NotFound, Permanent
from hounsfield.db.repositories import analysis, jobs, queue
from hounsfield.db.repositories.analysis import SeriesState
from hounsfield.db.repositories.job_rows import JobRow
from hounsfield.inference.attempt import BY_A_PERSON
from hounsfield.inference.bundle import Bundle
from hounsfield.inference.decisions import HELD, check_amount, judge, queue_job
from hounsfield.inference.default_rules import DEFAULT_RULES
from hounsfield.inference.job_view import View, announce, job_view
from hounsfield.inference.models import model as find_model

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive


class NotNow(Permanent):
    """The job or series is in a state in which this cannot be done (HTTP: 409)."""


def request_analysis(
    archive: "Archive",
    study_instance_uid: str,
    series_instance_uid: str | None = None,
    model: str | None = None,
) -> View:
    """Queue an analysis ahead of what arrives by itself; the new job.

    A person may choose a series that no rule would; what the model cannot read at all is
    refused here, with CannotAnalyse, and what only the run can tell ends the job with a reason.
    Without a series, the first that the rules pick. Raises NotFound and NotNow.
    """

    def work(connection: Connection) -> View:
        series = _choose(archive, connection, study_instance_uid, series_instance_uid)
        bundle = find_model(model or DEFAULT_RULES[0].model)
        _check(archive, series, bundle)
        uids = (series.study_instance_uid, series.series_instance_uid)
        analysis.hold_series(connection, *uids)
        newest = jobs.newest_of_series(connection, *uids)
        if newest is not None and not newest.ended:
            raise NotNow(f"This series is being analysed already (the job is {newest.label}).")
        return job_view(queue_job(connection, series, bundle, person=True, predecessor=newest))

    return archive.database.run(work)


def cancel(archive: "Archive", job_id: str) -> View:
    """End a job: at once where it waits, within a second where it runs.

    Raises NotFound, and NotNow where it has ended already.
    """

    def work(connection: Connection) -> View:
        job = _locked(connection, job_id)
        if job.ended:
            raise NotNow(f"The job has ended already: {job.label}.")
        if job.label == "queued":
            queue.withdraw(connection, job.id)
            changed = jobs.end(connection, job.id, None, "canceled", BY_A_PERSON)
        else:
            values = {"cancel_requested": True, "reason": BY_A_PERSON}
            changed = jobs.change(connection, job.id, None, **values)
        announce(connection, changed or job)
        return job_view(changed or job)

    return archive.database.run(work)


def _choose(
    archive: "Archive", connection: Connection, study_uid: str, series_uid: str | None
) -> SeriesState:
    if series_uid is not None:
        found = analysis.state_of_series(connection, study_uid, series_uid)
        if found is None:
            raise NotFound("no such series")
        return found
    candidates = analysis.states_of_study(connection, study_uid)
    if not candidates:
        raise NotFound("no such study")
    reasons = []
    for series in candidates:
        verdict = judge(archive, connection, series)
        if verdict.bundle is not None:
            return series
        reasons.append(f"{series.series_description or series.modality}: {verdict.reason}")
    raise CannotAnalyse("No series of this study suits a model. " + " ".join(reasons))


def _check(archive: "Archive", series: SeriesState, bundle: Bundle) -> None:
    if not archive.settings.inference.enabled:
        raise CannotAnalyse("Analysis is switched off in the settings (inference.enabled).")
    if series.conflict:
        raise CannotAnalyse(HELD.format(conflict=series.conflict))
    if series.has_own_results:
        raise CannotAnalyse("The series was made by an analysis; results are not analysed again.")
    if series.modality not in bundle.needs.modalities:
        wanted = " or ".join(bundle.needs.modalities)
        raise CannotAnalyse(f"{bundle.title} reads {wanted}; this series is {series.modality}.")
    check_amount(series, bundle)


def _locked(connection: Connection, job_id: str) -> JobRow:
    try:
        job = jobs.find(connection, uuid.UUID(job_id))
    except ValueError:
        job = None
    if job is None:
        raise NotFound("no such job")
    return job

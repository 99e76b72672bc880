"""``hounsfield demo``: the whole way of an instance, seen from outside.

Makes a head whose brain is known, sends it as a modality would, follows the job over the live
WebSocket, and compares what comes back with the truth.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from hounsfield.conf.settings import Settings
from hounsfield.db.errors import CannotStart
from hounsfield.server.demo.client import Client
from hounsfield.server.demo.outcome import Outcome, examine, outcome_of
from hounsfield.server.demo.running import Started, a_server
from hounsfield.server.demo.sender import send
from hounsfield.server.demo.study import DemoStudy, make_demo_study
from hounsfield.server.signals import StopSignal

ENDED = {"complete", "failed", "skipped", "canceled"}


def demo(settings: Settings, once: bool, limit_seconds: float) -> bool:
    """Run it; True where all of it is right. Without ``once`` stay up until a signal."""
    console = Console(stderr=once, highlight=False)

    def say(line: str) -> None:
        console.print(f"[dim]{line}[/dim]" if line else "", markup=True)

    with (
        tempfile.TemporaryDirectory(prefix="hounsfield-demo-") as folder,
        a_server(settings, say) as (client, started),
    ):
        console.print("Making a head with a known brain …")
        study = make_demo_study(Path(folder))
        if started is not None:
            started.await_ready(client)
        outcome = _send_and_follow(client, study, console, limit_seconds)
        if once:
            sys.stdout.write(orjson.dumps(outcome.as_json()).decode() + "\n")
        else:
            _print(outcome, console)
            _stay(started, console)
    return outcome.right


def _send_and_follow(
    client: Client, study: DemoStudy, console: Console, limit_seconds: float
) -> Outcome:
    outcome = outcome_of(client, study)
    status = client.get_json("/api/status")
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        sending = progress.add_task("C-STORE", total=len(study.files))
        model = progress.add_task("Model: waiting for the series", total=100)
        last_store = send(
            study.files,
            client.host,
            status["dimse_port"],
            status["ae_title"],
            lambda: progress.advance(sending),
        )
        shown = _Shown(progress, model, console)
        job = _follow(client, study, status["sequence"], last_store, limit_seconds, outcome, shown)
    if job is None:
        outcome.problems.append(f"No result within {limit_seconds:.0f} s")
    elif job["label"] != "complete":
        outcome.problems.append(f"The job ended as {job['label']}: {job['reason']}")
    else:
        examine(outcome, client, study, job)
    return outcome


class _Shown:
    """The job's progress: a bar in a terminal, a line a stage elsewhere."""

    def __init__(self, progress: Progress, task: TaskID, console: Console) -> None:
        self._progress, self._task, self._console = progress, task, console
        self._stage = ""

    def show(self, percent: float, stage: str) -> None:
        """One event of the job."""
        self._progress.update(self._task, completed=percent, description=f"Model: {stage}")
        if stage != self._stage and not self._console.is_terminal:
            self._console.print(f"Model: {stage} ({percent:.0f} %)")
        self._stage = stage


def _follow(
    client: Client,
    study: DemoStudy,
    since: int,
    last_store: float,
    limit_seconds: float,
    outcome: Outcome,
    shown: _Shown,
) -> dict[str, Any] | None:
    """Events of this study until its job has ended and, if it went well, its SEG is stored."""
    job: dict[str, Any] | None = None
    for event in client.events(since, last_store + limit_seconds):
        if event["study_instance_uid"] != study.study_instance_uid:
            continue
        data = event["data"]
        if event["type"] == "stored" and data.get("modality") == "SEG":
            seconds = time.monotonic() - last_store
            outcome.seconds_from_last_store_to_seg = round(seconds, 2)
        elif event["job_id"] is not None and event["type"] != "stored":
            shown.show(data.get("progress") or 0, data.get("stage") or event["type"])
            if event["type"] in ENDED:
                job = client.get_json(f"/api/jobs/{event['job_id']}")
        # The two are made visible together; which event comes first is nobody's business.
        if job and (outcome.seconds_from_last_store_to_seg or job["label"] != "complete"):
            break
    return job


def _print(outcome: Outcome, console: Console) -> None:
    if outcome.right:
        console.print(
            f"\nBrain: [bold]{outcome.brain_volume_ml:.0f} ml[/bold] measured, "
            f"{outcome.true_volume_ml:.0f} ml in truth; Dice {outcome.dice:.3f}; "
            f"{outcome.seconds_from_last_store_to_seg:.1f} s from the last image to the SEG."
        )
    for problem in outcome.problems:
        console.print(f"[red]{problem}[/red]")
    console.print(f"Study:   {outcome.web_url}\nIn OHIF: {outcome.ohif_url}", soft_wrap=True)


def _stay(started: Started | None, console: Console) -> None:
    if started is None:
        return
    console.print("\nThe server stays up. Ctrl-C ends it.")
    with StopSignal() as stop:
        while not stop.wait(0.5):
            if started.process.poll() is not None:
                raise CannotStart(f"The server has ended; {started.log} says why.")
    console.print("Ending …")

"""What the demo found, and whether all of it is right."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pydicom.dataset import Dataset

from hounsfield.server.demo.client import Client, ServerError
from hounsfield.server.demo.dice import dice_with_truth
from hounsfield.server.demo.study import DemoStudy

LEAST_DICE = 0.95


@dataclass
class Outcome:
    """Measured from outside, from what the server answers; printed as one JSON object."""

    study_instance_uid: str
    web_url: str
    ohif_url: str
    true_volume_ml: float
    seconds_from_last_store_to_seg: float | None = None
    brain_volume_ml: float | None = None
    dice: float | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """True where nothing is missing or wrong."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Every field, and ``ok``."""
        return {**asdict(self), "ok": self.right}


def outcome_of(client: Client, study: DemoStudy) -> Outcome:
    """An outcome with what is known before anything was sent."""
    uid = study.study_instance_uid
    return Outcome(
        study_instance_uid=uid,
        web_url=f"{client.base}/study/?uid={uid}",
        ohif_url=f"{client.base}/ohif/viewer?StudyInstanceUIDs={uid}",
        true_volume_ml=round(study.truth_ml, 1),
    )


def examine(outcome: Outcome, client: Client, study: DemoStudy, job: dict[str, Any]) -> None:
    """Retrieve SEG and SR, compare them with the truth, and look behind the links."""
    if outcome.seconds_from_last_store_to_seg is None:
        outcome.problems.append("The feed told of no SEG")
    try:
        seg = _retrieve(client, study, job, "seg")
        outcome.dice = round(dice_with_truth(seg, study), 4)
        if outcome.dice < LEAST_DICE:
            outcome.problems.append(f"Dice {outcome.dice} is below {LEAST_DICE}")
        report = _retrieve(client, study, job, "sr")
        outcome.brain_volume_ml = brain_volume_ml(report)
        if outcome.brain_volume_ml is None:
            outcome.problems.append("The SR holds no volume")
        for url in (outcome.web_url, outcome.ohif_url):
            client.get(url.removeprefix(client.base), "text/html")
    except (ServerError, OSError, ValueError) as error:
        outcome.problems.append(str(error))


def brain_volume_ml(report: Dataset) -> float | None:
    """The first volume in millilitres of a TID 1500 report (UCUM: ml, or mL)."""
    for item in report.get("ContentSequence", ()):
        for measured in item.get("MeasuredValueSequence", ()):
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
            if unit.lower() == "ml":
                return float(measured.NumericValue)
        inner = brain_volume_ml(item)
        if inner is not None:
            return inner
    return None


def _retrieve(client: Client, study: DemoStudy, job: dict[str, Any], kind: str) -> Dataset:
    result = (job.get("results") or {}).get(kind)
    if not result:
        raise ServerError(f"The job names no {kind.upper()}")
    found = client.get_instance(
        study.study_instance_uid, result["series_instance_uid"], result["sop_instance_uid"]
    )
    if found.Modality != kind.upper():
        raise ServerError(f"The {kind.upper()} is a {found.Modality}")
    return found

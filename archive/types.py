"""What the doors hand to the archive and what it hands back: plain frozen values."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

Protocol = Literal["C-STORE", "STOW-RS", "INFERENCE", "IMPORT"]


@dataclass(frozen=True, slots=True)
class Source:
    """Who brought an instance, for the audit and for rules that must not feed on themselves."""

    protocol: Protocol
    address: str = ""
    calling_ae_title: str = ""
    called_ae_title: str = ""
    association_id: str = ""
    job_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """The fields that are set, as they are kept with the instance."""
        names = (
            "protocol",
            "address",
            "calling_ae_title",
            "called_ae_title",
            "association_id",
            "job_id",
        )
        return {name: value for name in names if (value := getattr(self, name))}


class Outcome(Enum):
    """What became of an instance that was taken in (each of these is a success)."""

    STORED = "stored"
    ALREADY_STORED = "already stored"
    """Equal data set: the stored one was verified, or written anew where it was damaged."""
    FIRST_KEPT = "first kept"
    """Same values in another lossless transfer syntax: the first is kept."""
    QUARANTINED = "quarantined"
    """Other content under a taken UID: the first is kept, this one lies in quarantine."""


@dataclass(frozen=True, slots=True)
class StoreResult:
    """The answer of the one door, for one instance."""

    outcome: Outcome
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    warning: str | None = None
    """A sentence for the sender; set where ``outcome`` is QUARANTINED."""

"""UIDs and the content date-time of a job's results, allocated once and used by every try.

A job may run twice after a crash. Both runs must make the same two objects, so nothing in them
may come from a clock or a random number of the run itself.
"""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any


def new_uid() -> str:
    """A UID from a random UUID (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def derived_uid(*sources: str) -> str:
    """A UID that follows from its sources, and from where one ends and the next begins."""
    name = "\x00".join(sources)
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"


def allocate_results() -> dict[str, Any]:
    """Names and time for one SEG and one SR, as JSON for the job's row."""

    def instance() -> dict[str, str]:
        return {"series_instance_uid": new_uid(), "sop_instance_uid": new_uid()}

    return {
        "seg": instance(),
        "sr": instance(),
        "tracking_uid": new_uid(),
        "dimension_organization_uid": new_uid(),
        "content_datetime": dt.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


@dataclass(frozen=True, slots=True)
class InstanceNames:
    """Where one result object will lie."""

    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class ResultNames:
    """The allocation of one job, read back from its row."""

    seg: InstanceNames
    sr: InstanceNames
    tracking_uid: str
    dimension_organization_uid: str
    content_datetime: dt.datetime

    @classmethod
    def from_json(cls, results: dict[str, Any]) -> "ResultNames":
        """What :func:`allocate_results` made."""
        return cls(
            seg=InstanceNames(**results["seg"]),
            sr=InstanceNames(**results["sr"]),
            tracking_uid=results["tracking_uid"],
            dimension_organization_uid=results["dimension_organization_uid"],
            content_datetime=dt.datetime.fromisoformat(results["content_datetime"]),
        )

    def tracking_uid_of(self, segment_number: int) -> str:
        """Each segment is tracked under a UID of its own."""
        if segment_number == 1:
            return self.tracking_uid
        return derived_uid(self.tracking_uid, str(segment_number))

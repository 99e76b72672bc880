"""What SEG and SR share: who made them, how they are labelled, and that every try makes the same.

highdicom stamps its objects with the time of the run and with random UIDs. A retried job must
make the same bytes, so :func:`settle` puts the job's own time and UIDs in their place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as SRCode
from pydicom.valuerep import DA, DT, TM

from hounsfield.inference.bundle import Bundle, Code
from hounsfield.inference.uids import ResultNames, derived_uid

MANUFACTURER = "Hounsfield"
LARGEST_SOURCE_NUMBER = 20_000_000


@dataclass(frozen=True)
class Making:
    """One result in the making: of which model, under which names."""

    bundle: Bundle
    names: ResultNames

    @property
    def device_uid(self) -> str:
        """One observer for each version of a model."""
        return derived_uid("observer", self.bundle.name, self.bundle.digest)

    def common(self, what: str, series_number: int) -> dict[str, Any]:
        """Arguments that both constructors of highdicom take."""
        return {
            "series_number": series_number,
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": self.bundle.title,
            "software_versions": [version("hounsfield"), f"model {self.bundle.version}"],
            "device_serial_number": self.bundle.digest[:16],
            "series_description": f"{self.bundle.title} {what}"[:64],
            "content_date": self.names.content_datetime.date(),
            "content_time": self.names.content_datetime.time(),
            "content_qualification": "PRODUCT" if self.bundle.cleared else "RESEARCH",
        }


def as_sr_code(code: Code) -> SRCode:
    """A code of the register as pydicom has it."""
    return SRCode(code.value, code.scheme, code.meaning)


def series_number(source: Dataset, offset: int) -> int:
    """Sorts behind the source in a viewer's list: series 4 gives 401, 402."""
    number = source.get("SeriesNumber") or 0
    if not 0 <= number <= LARGEST_SOURCE_NUMBER:
        number = 0
    return int(number) * 100 + offset


def settle(dataset: Dataset, names: ResultNames) -> None:
    """Replace every moment and random UID of this run by those of the job."""
    moment = names.content_datetime
    dataset.InstanceCreationDate = DA(moment.date())
    dataset.InstanceCreationTime = TM(moment.time())
    for item in dataset.get("ContributingEquipmentSequence", ()):
        if item.get("ManufacturerModelName") == "highdicom":
            item.ContributionDateTime = DT(moment)
    for item in _dimension_items(dataset):
        item.DimensionOrganizationUID = names.dimension_organization_uid


def _dimension_items(dataset: Dataset) -> Iterator[Dataset]:
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        yield from dataset.get(keyword, ())

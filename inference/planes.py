"""Where the planes of an image lie in the patient, as its attributes say.

Of a single-frame image from the Image Plane module (PS3.3 C.7.6.2), of a multi-frame one from
its functional groups, each frame's own or the shared ones (PS3.3 C.7.6.16.2).
"""

from typing import Any

from pydicom.dataset import Dataset

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.inference.geometry import Plane


def plane_of(dataset: Dataset) -> Plane:
    """Of a single-frame image."""
    return _plane_from(dataset, dataset, dataset, dataset)


def _plane_from(
    image: Dataset, position: Dataset, orientation: Dataset, measures: Dataset
) -> Plane:
    try:
        return Plane(
            position=_numbers(position.ImagePositionPatient, 3),
            orientation=_numbers(orientation.ImageOrientationPatient, 6),
            pixel_spacing=_numbers(measures.PixelSpacing, 2),
            rows=int(image.Rows),
            columns=int(image.Columns),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise CannotAnalyse(
            "The images do not say where in the patient they lie (no position, orientation or "
            "pixel spacing): scans of paper, screenshots and some reconstructions are like that."
        ) from error


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != count:
        raise ValueError(f"{count} numbers expected, not {len(numbers)}")
    return numbers


def planes_of_frames(dataset: Dataset) -> list[Plane]:
    """Each frame's plane, from its own or the shared functional groups."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]

    def group(frame: Dataset, name: str) -> Dataset:
        items = frame.get(name) or shared[0].get(name) or [Dataset()]
        return Dataset(items[0])

    return [
        _plane_from(
            dataset,
            group(frame, "PlanePositionSequence"),
            group(frame, "PlaneOrientationSequence"),
            group(frame, "PixelMeasuresSequence"),
        )
        for frame in dataset.PerFrameFunctionalGroupsSequence
    ]

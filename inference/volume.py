"""From the files of a series to one volume of grey values in the patient.

Reads single-frame images, and one multi-frame image with functional groups (Enhanced MR,
PS3.3 C.7.6.16). Everything that would give the model a wrong picture of the patient ends as
:class:`CannotAnalyse` with a sentence for a radiologist.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.inference.geometry import Plane, Stack, as_stack

if TYPE_CHECKING:
    from highdicom import Volume

Grey = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
"""Segment numbers on the grid of the series (3-D), or one 0/1 channel a segment (4-D, last)."""
Report = Callable[[float], None]
"""Takes the share that is done, 0 to 1."""

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class Needs:
    """What a model asks of a series."""

    modalities: tuple[str, ...]
    minimum_slices: int


@dataclass(frozen=True)
class SourceVolume:
    """Grey values on the grid of the series, and the data sets that they came from."""

    volume: "Volume"
    """Axes: slices along the normal, rows, columns."""
    datasets: tuple[Dataset, ...]
    """Without pixel data; in the order of the slices, or the one multi-frame image."""

    @property
    def is_multi_frame(self) -> bool:
        """One data set holds all the planes."""
        return "PerFrameFunctionalGroupsSequence" in self.datasets[0]


def read_series(
    paths: Sequence[str], needs: Needs, report: Report = lambda _: None
) -> SourceVolume:
    """Read, check and stack the images of one series."""
    datasets = _read_all(paths)
    _check_one_series(datasets, needs)
    if any("PerFrameFunctionalGroupsSequence" in dataset for dataset in datasets):
        return _from_multi_frame(datasets, needs)
    stack = as_stack([_plane(dataset) for dataset in datasets], needs.minimum_slices)
    _check_shared(datasets, "FrameOfReferenceUID", "frame of reference")
    ordered = [datasets[index] for index in stack.order]
    grey = _decode(ordered, report)
    return SourceVolume(_as_volume(grey, ordered, stack), tuple(ordered))


def _read_all(paths: Sequence[str]) -> list[Dataset]:
    datasets: list[Dataset] = []
    broken = 0
    for path in paths:
        try:
            datasets.append(dcmread(path))
        except Exception:  # whatever a damaged file makes the parser do
            broken += 1
    if broken:
        raise CannotAnalyse(
            f"{broken} of {len(paths)} images cannot be read: the files are damaged."
        )
    if not datasets:
        raise CannotAnalyse("The series has no image.")
    return datasets


def _check_one_series(datasets: Sequence[Dataset], needs: Needs) -> None:
    modalities = {str(dataset.get("Modality", "")) for dataset in datasets}
    if not modalities <= set(needs.modalities):
        found, wanted = " and ".join(sorted(modalities)), " or ".join(needs.modalities)
        raise CannotAnalyse(f"The model reads {wanted} images; this series is {found or 'none'}.")
    _check_shared(datasets, "StudyInstanceUID", "study")
    _check_shared(datasets, "SeriesInstanceUID", "series")
    if any(dataset.get("SamplesPerPixel", 1) != 1 for dataset in datasets):
        raise CannotAnalyse("The images are in colour; the model reads grey values.")


def _check_shared(datasets: Sequence[Dataset], keyword: str, what: str) -> None:
    values = {str(dataset.get(keyword, "")) for dataset in datasets}
    if len(values) > 1:
        raise CannotAnalyse(f"The images do not belong to one {what}.")
    if values == {""}:
        raise CannotAnalyse(f"The images do not say to which {what} they belong.")


def _plane(dataset: Dataset) -> Plane:
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


def _decode(datasets: Sequence[Dataset], report: Report) -> Grey:
    """Grey values of every image; its own pixels are let go as soon as they are read."""
    grey = np.empty((len(datasets), datasets[0].Rows, datasets[0].Columns), np.float32)
    broken = 0
    for index, dataset in enumerate(datasets):
        try:
            grey[index] = _grey_values(dataset)
        except MemoryError:
            raise
        except Exception:  # whatever damaged pixel data makes a decoder do
            broken += 1
        _let_go_of_pixels(dataset)
        report((index + 1) / len(datasets))
    if broken:
        raise CannotAnalyse(
            f"The pixel data of {broken} of {len(datasets)} images cannot be decoded: they are "
            "damaged or cut off."
        )
    return grey


def _grey_values(dataset: Dataset) -> npt.NDArray[Any]:
    """Modality values (PS3.3 C.11.1), bright for more: MONOCHROME1 is turned round."""
    values: npt.NDArray[Any] = apply_modality_lut(dataset.pixel_array, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = values.max() - values
    return values


def _as_volume(grey: Grey, datasets: Sequence[Dataset], stack: Stack) -> "Volume":
    """highdicom.get_volume_from_series makes the same, and takes 5 ms an image more."""
    from highdicom import Volume  # noqa: PLC0415 (0.6 s, in the child alone)

    first = datasets[0]
    return Volume.from_attributes(
        array=grey,
        coordinate_system="PATIENT",
        frame_of_reference_uid=first.FrameOfReferenceUID,
        image_position=first.ImagePositionPatient,
        image_orientation=first.ImageOrientationPatient,
        pixel_spacing=first.PixelSpacing,
        spacing_between_slices=stack.slice_spacing,
    )


def _from_multi_frame(datasets: Sequence[Dataset], needs: Needs) -> SourceVolume:
    from highdicom import Image  # noqa: PLC0415

    if len(datasets) > 1:
        raise CannotAnalyse("The series holds several multi-frame images, not one volume.")
    dataset = datasets[0]
    stack = as_stack(_frame_planes(dataset), needs.minimum_slices)
    _check_shared(datasets, "FrameOfReferenceUID", "frame of reference")
    try:
        volume = Image.from_dataset(dataset).get_volume(
            dtype="float32",
            apply_real_world_transform=False,
            apply_voi_transform=False,
            atol=stack.tolerance,
        )
    except (ValueError, RuntimeError, AttributeError, NotImplementedError) as error:
        raise CannotAnalyse(
            f"The frames of the image cannot be put together to a volume: {error}"
        ) from error
    _let_go_of_pixels(dataset)
    return SourceVolume(volume, (dataset,))


def _frame_planes(dataset: Dataset) -> list[Plane]:
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


def _let_go_of_pixels(dataset: Dataset) -> None:
    for keyword in PIXEL_KEYWORDS:
        if keyword in dataset:
            del dataset[keyword]
    dataset._pixel_array = None  # pydicom keeps the decoded pixels there

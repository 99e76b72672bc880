"""Grey values of the images of a series, decoded one after the other.

Damaged pixel data is counted and named; the encoded pixels are let go as soon as they are read,
so that a series is in memory once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut

from hounsfield.archive.errors import CannotAnalyse

Grey = npt.NDArray[np.float32]
Report = Callable[[float], None]
"""Takes the share that is done, 0 to 1."""

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def decoded(datasets: Sequence[Dataset], report: Report) -> Grey:
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
        let_go_of_pixels(dataset)
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


def let_go_of_pixels(dataset: Dataset) -> None:
    """Keep the attributes alone; pydicom's decoded copy goes too."""
    for keyword in PIXEL_KEYWORDS:
        if keyword in dataset:
            del dataset[keyword]
    dataset._pixel_array = None  # pydicom keeps the decoded pixels there

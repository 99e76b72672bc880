"""From stored values to grey levels (PS3.3 C.7.6.3, C.11.1, C.11.2; PS3.4 N.2)."""

from typing import Any, NamedTuple

import numpy as np
from highdicom.pixels import apply_voi_window
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from hounsfield.dicomweb.rendering.decode import Pixels

Levels = NDArray[np.uint8]

USUAL_RANGE = (0.5, 99.5)
"""Percentiles that become black and white where an image has no window of its own."""


class Window(NamedTuple):
    """A VOI window (C.11.2.1.2)."""

    center: float
    width: float
    function: str = "LINEAR"


def to_grey(dataset: Dataset, frame: int, pixels: Pixels, window: Window | None) -> Levels:
    """Eight-bit grey levels of a monochrome frame."""
    groups = functional_groups(dataset, frame)
    padding = _padding(dataset, pixels)
    values = _modality(dataset, groups, pixels)
    invert = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
    window = window or _own_window(dataset, groups)
    if window is None and "VOILUTSequence" in dataset:
        levels = _own_lut(dataset, values)
        levels = 255 - levels if invert else levels
    else:
        levels = _windowed(values, window or _usual_window(values, padding), invert)
    if padding is not None:
        levels[padding] = 0
    return levels


def functional_groups(dataset: Dataset, frame: int) -> list[Dataset]:
    """The functional groups of a frame, its own before the shared ones (C.7.6.16)."""
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    return [*own[frame - 1 : frame], *shared[:1]]


def from_groups(groups: list[Dataset], sequence: str) -> Dataset:
    """The item of a functional group macro; empty where there is none."""
    for group in groups:
        if items := group.get(sequence):
            item: Dataset = items[0]
            return item
    return Dataset()


def number(value: Any, default: float) -> float:
    """The first value of an element as a number."""
    if isinstance(value, MultiValue):
        value = value[0] if len(value) else None
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


def _modality(dataset: Dataset, groups: list[Dataset], pixels: Pixels) -> NDArray[np.float32]:
    if dataset.get("ModalityLUTSequence"):
        return apply_modality_lut(pixels, dataset).astype(np.float32)
    source = from_groups(groups, "PixelValueTransformationSequence") or dataset
    slope = number(source.get("RescaleSlope"), 1.0)
    intercept = number(source.get("RescaleIntercept"), 0.0)
    values = pixels.astype(np.float32)
    return values if (slope, intercept) == (1.0, 0.0) else values * slope + np.float32(intercept)


def _own_window(dataset: Dataset, groups: list[Dataset]) -> Window | None:
    source = from_groups(groups, "FrameVOILUTSequence") or dataset
    center, width = source.get("WindowCenter"), source.get("WindowWidth")
    function = str(source.get("VOILUTFunction") or "LINEAR").strip().upper()
    if center in (None, "") or number(width, 0.0) <= 0:
        return None
    return Window(number(center, 0.0), number(width, 1.0), function)


def _own_lut(dataset: Dataset, values: NDArray[np.float32]) -> Levels:
    lut = dataset.VOILUTSequence[0]
    looked_up = apply_voi(np.rint(values).astype(np.int32), dataset)
    bits = int(lut.LUTDescriptor[2])
    levels: Levels = np.clip(looked_up * (255 / (2**bits - 1)), 0, 255).astype(np.uint8)
    return levels


def _usual_window(values: NDArray[np.float32], padding: NDArray[np.bool_] | None) -> Window:
    shown = values if padding is None or padding.all() else values[~padding]
    low, high = np.percentile(shown, USUAL_RANGE)
    if high <= low:
        low, high = float(shown.min()), float(shown.max())
    return Window((low + high) / 2, max(high - low, 1.0), "LINEAR_EXACT")


def _windowed(values: NDArray[np.float32], window: Window, invert: bool) -> Levels:
    function = window.function if window.function in {"LINEAR_EXACT", "SIGMOID"} else "LINEAR"
    center, width = window.center, window.width
    if function == "LINEAR" and width <= 1:
        # A threshold (C.11.2.1.2.1), for which the slope of the usual formula is endless.
        function, center, width = "LINEAR_EXACT", center - 0.5, 1e-3
    shown = apply_voi_window(values, center, width, function, (0.0, 255.0), np.float32, invert)
    levels: Levels = np.rint(shown).astype(np.uint8)
    return levels


def _padding(dataset: Dataset, pixels: Pixels) -> NDArray[np.bool_] | None:
    """Where there is no image (C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((value, limit if isinstance(limit, int) else value))
    padding: NDArray[np.bool_] = (pixels >= low) & (pixels <= high)
    return padding

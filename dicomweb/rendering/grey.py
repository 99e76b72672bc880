"""From stored values to grey levels (PS3.3 C.7.6.3, C.11.1, C.11.2; PS3.4 N.2)."""

from typing import Any, NamedTuple

import numpy as np
from highdicom.pixels import apply_voi_window
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.multival import MultiValue

from hounsfield.archive.transcoding.decode import Pixels
from hounsfield.dicomweb.rendering.lookup import Table, Values, read_table

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
    values = modality_values(dataset, groups, pixels)
    window = window or _own_window(dataset, groups)
    if window is None and (tables := _voi_source(dataset, groups).get("VOILUTSequence")):
        levels = _looked_up(dataset, tables[0], values)
    else:
        levels = windowed(values, window or _usual_window(values, padding))
    if is_inverse(dataset):
        levels = 255 - levels
    if padding is not None:
        levels[padding] = 0
    return levels


def is_inverse(dataset: Dataset) -> bool:
    """True where the lowest value is white (C.7.6.3.1.2; C.8.11.3.1 where there is a shape)."""
    shape = dataset.get("PresentationLUTShape")
    if shape:
        return bool(shape == "INVERSE")
    return bool(dataset.get("PhotometricInterpretation") == "MONOCHROME1")


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


def modality_values(dataset: Dataset, groups: list[Dataset], pixels: Pixels) -> Values:
    """What the modality means by the stored values (C.11.1)."""
    exact = np.float32 if pixels.dtype.itemsize <= 2 else np.float64
    values: Values = pixels.astype(exact)
    if tables := dataset.get("ModalityLUTSequence"):
        return table_of(dataset, tables[0], values).look_up(values)
    source = from_groups(groups, "PixelValueTransformationSequence") or dataset
    slope = number(source.get("RescaleSlope"), 1.0)
    intercept = number(source.get("RescaleIntercept"), 0.0)
    if (slope, intercept) != (1.0, 0.0):
        values = values * exact(slope) + exact(intercept)
    return values


def table_of(dataset: Dataset, item: Dataset, values: Values) -> Table:
    """A table for these values, which are signed where one of them is below zero."""
    _, little_endian = dataset.original_encoding
    signed = bool(dataset.get("PixelRepresentation")) or bool(values.min() < 0)
    return read_table(item, signed=signed, little_endian=little_endian is not False)


def _voi_source(dataset: Dataset, groups: list[Dataset]) -> Dataset:
    return from_groups(groups, "FrameVOILUTSequence") or dataset


def _own_window(dataset: Dataset, groups: list[Dataset]) -> Window | None:
    source = _voi_source(dataset, groups)
    center, width = source.get("WindowCenter"), source.get("WindowWidth")
    function = str(source.get("VOILUTFunction") or "LINEAR").strip().upper()
    if center in (None, "") or number(width, 0.0) <= 0:
        return None
    return Window(number(center, 0.0), number(width, 1.0), function)


def _looked_up(dataset: Dataset, item: Dataset, values: Values) -> Levels:
    table = table_of(dataset, item, values)
    shown = table.look_up(values) * (255 / (2**table.bits - 1))
    levels: Levels = np.rint(np.clip(shown, 0, 255)).astype(np.uint8)
    return levels


def _usual_window(values: Values, padding: NDArray[np.bool_] | None) -> Window:
    shown = values if padding is None or padding.all() else values[~padding]
    low, high = np.percentile(shown, USUAL_RANGE)
    if high <= low:
        low, high = float(shown.min()), float(shown.max())
    return Window((low + high) / 2, max(high - low, 1.0), "LINEAR_EXACT")


def windowed(values: Values, window: Window) -> Levels:
    """Grey levels by the function of a window."""
    levels: Levels = np.rint(window_shades(values, window)).astype(np.uint8)
    return levels


def window_shades(values: Values, window: Window) -> Values:
    """Shades from 0 to 255, not yet rounded (C.11.2.1.2, C.11.2.1.3)."""
    function = window.function if window.function in {"LINEAR_EXACT", "SIGMOID"} else "LINEAR"
    if function == "LINEAR" and window.width <= 1:
        # A threshold (C.11.2.1.2.1), for which the slope of the usual formula is endless.
        return np.where(values > window.center - 0.5, 255, 0).astype(values.dtype)
    kind = values.dtype.type
    shades: Values = apply_voi_window(
        values, window.center, window.width, function, (0.0, 255.0), kind
    )
    return shades


def _padding(dataset: Dataset, pixels: Pixels) -> NDArray[np.bool_] | None:
    """Where there is no image (C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((value, limit if isinstance(limit, int) else value))
    padding: NDArray[np.bool_] = (pixels >= low) & (pixels <= high)
    return padding

"""Do the planes of a series make one volume? If not, why not, in a radiologist's words.

Sorted by Image Position and Image Orientation (Patient) (PS3.3 C.7.6.2), never by Instance
Number. The judgement is stricter than highdicom's: that one takes a shear of 2.5 degrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.inference.errors import MissingSlices

Vector = npt.NDArray[np.float64]

SAME_DIRECTION = 1e-4
"""Direction cosines that differ less than this are one direction."""
SPACING_SHARE, SPACING_MM = 0.01, 0.02
"""Spacings may differ by a hundredth, or by what two rounded decimals make of them."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One image plane in the patient (LPS, mm)."""

    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Stack:
    """Planes that make one volume."""

    order: tuple[int, ...]
    """Indices of the planes along their normal: (slice, row, column) is right-handed."""
    slice_spacing: float
    tolerance: float
    """By how much a distance between neighbours may differ from ``slice_spacing`` (mm)."""


def as_stack(planes: Sequence[Plane], minimum_slices: int = 2) -> Stack:
    """The planes in order, or :class:`CannotAnalyse` with the reason.

    A stack with holes raises :class:`MissingSlices`, since the missing ones may still come.
    """
    _check_alike(planes)
    positions = np.array([plane.position for plane in planes], dtype=np.float64)
    normal = _normal(planes[0].orientation)
    heights = positions @ normal
    _check_occupied_once(heights, positions)
    if len(planes) < minimum_slices:
        raise CannotAnalyse(
            f"The series has {_slices(len(planes))}; the model needs at least {minimum_slices}."
        )
    order = np.argsort(heights)
    _check_upright(positions[order], normal, min(planes[0].pixel_spacing))
    spacing, tolerance = _check_even(heights[order])
    return Stack(tuple(order.tolist()), spacing, tolerance)


def _slices(count: int) -> str:
    return "1 slice" if count == 1 else f"{count} slices"


def _check_alike(planes: Sequence[Plane]) -> None:
    if not planes:
        raise CannotAnalyse("The series has no image.")
    first = planes[0]
    reference = np.array(first.orientation, dtype=np.float64)
    if not np.isfinite(reference).all() or abs(np.linalg.norm(_normal(first.orientation)) - 1) > (
        0.01
    ):
        raise CannotAnalyse("The images carry an orientation that is not one.")
    for plane in planes:
        if np.abs(np.array(plane.orientation) - reference).max() > SAME_DIRECTION:
            raise CannotAnalyse(
                "The images do not all lie in the same orientation (a localizer, or several "
                "planes in one series): they are not one volume."
            )
        if (plane.rows, plane.columns) != (first.rows, first.columns) or not np.allclose(
            plane.pixel_spacing, first.pixel_spacing, rtol=1e-4
        ):
            raise CannotAnalyse(
                "The images differ in matrix size or pixel spacing: they are not one volume."
            )


def _normal(orientation: Sequence[float]) -> Vector:
    """Makes (slice, row, column) a right-handed system, as highdicom's volumes have it."""
    rightwards, downwards = np.array(orientation[:3]), np.array(orientation[3:])
    return np.asarray(np.cross(downwards, rightwards), dtype=np.float64)


def _check_occupied_once(heights: Vector, positions: Vector) -> None:
    if not np.isfinite(positions).all():
        raise CannotAnalyse("The images carry positions that are not numbers.")
    ordered = np.sort(heights)
    doubled = int((np.diff(ordered) < 1e-3).sum())
    if doubled:
        raise CannotAnalyse(
            f"{doubled} of {len(heights)} images share their position with another one (several "
            "echoes, phases or time points in one series): the model needs one image at each "
            "position."
        )


def _check_upright(positions: Vector, normal: Vector, pixel_mm: float) -> None:
    """The last slice must lie above the first, within one pixel."""
    span = positions[-1] - positions[0]
    along = float(span @ normal)
    offsets = positions - positions[0]
    aside = offsets - np.outer(offsets @ normal, normal)
    worst = float(np.linalg.norm(aside, axis=1).max())
    if worst > pixel_mm:
        angle = np.degrees(np.arctan2(np.linalg.norm(span - along * normal), along))
        raise CannotAnalyse(
            f"The slices are not stacked at right angles to their planes: they drift "
            f"{worst:.1f} mm sideways ({angle:.1f} degrees of gantry tilt or shear), and the "
            "model would see a skewed head. Resample the series first."
        )


def _check_even(heights: Vector) -> tuple[float, float]:
    if len(heights) == 1:
        return 1.0, SPACING_MM
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    mean = float(gaps.mean())
    tolerance = max(SPACING_SHARE * usual, SPACING_MM)
    if np.abs(gaps - mean).max() <= tolerance:
        return mean, tolerance
    raise _why_uneven(gaps, usual)


def _why_uneven(gaps: Vector, usual: float) -> CannotAnalyse:
    multiples = gaps / usual
    whole = np.rint(multiples)
    if (whole >= 1).all() and np.abs(multiples - whole).max() < 0.1 and (whole > 1).any():
        missing = int((whole - 1).sum())
        where = int(np.argmax(whole)) + 1
        return MissingSlices(
            f"{_slices(missing)} missing: the spacing is {usual:.2f} mm, but {gaps.max():.2f} mm "
            f"lie between slices {where} and {where + 1}."
        )
    return CannotAnalyse(
        f"The distance between neighbouring slices is uneven ({gaps.min():.2f} to "
        f"{gaps.max():.2f} mm): the model needs evenly spaced slices."
    )

"""Planes in the patient (PS3.3 C.7.6.2): the same place in two images of different grids."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from hounsfield.dicomweb.rendering.grey import from_groups

Vector = NDArray[np.float64]
Labels = NDArray[np.integer]


@dataclass(frozen=True)
class Plane:
    """Centre of the first pixel, and the steps to the next column and to the next row, in mm."""

    origin: Vector
    column_step: Vector
    row_step: Vector


def plane_of(dataset: Dataset, groups: list[Dataset], shape: tuple[int, ...]) -> Plane | None:
    """The plane of a frame; None where it is not told."""
    place = from_groups(groups, "PlanePositionSequence") or dataset
    turn = from_groups(groups, "PlaneOrientationSequence") or dataset
    measures = from_groups(groups, "PixelMeasuresSequence") or dataset
    position, cosines = place.get("ImagePositionPatient"), turn.get("ImageOrientationPatient")
    spacing = measures.get("PixelSpacing")
    if not (position and cosines and spacing):
        return None
    if (len(position), len(cosines), len(spacing)) != (3, 6, 2) or min(shape) < 1:
        return None
    directions = np.array([float(value) for value in cosines])
    rows, columns = float(spacing[0]), float(spacing[1])
    if rows <= 0 or columns <= 0:
        return None
    origin = np.array([float(value) for value in position])
    return Plane(origin, directions[:3] * columns, directions[3:] * rows)


def sample(
    labels: Labels, plane: Plane | None, target: Plane | None, shape: tuple[int, ...]
) -> Labels:
    """``labels`` on the grid of the target, each pixel from its nearest neighbour."""
    if plane is None or target is None:
        return labels if labels.shape == tuple(shape) else _stretched(labels, shape)
    columns, rows = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    offset = target.origin - plane.origin
    found = []
    for step in (plane.row_step, plane.column_step):
        scale = float(step @ step)
        position = (
            float(offset @ step)
            + columns * float(target.column_step @ step)
            + rows * float(target.row_step @ step)
        )
        found.append(np.rint(position / scale).astype(np.int64))
    row, column = found
    inside = (row >= 0) & (row < labels.shape[0]) & (column >= 0) & (column < labels.shape[1])
    result = np.zeros(shape, labels.dtype)
    result[inside] = labels[row[inside], column[inside]]
    return result


def _stretched(labels: Labels, shape: tuple[int, ...]) -> Labels:
    rows = np.arange(shape[0]) * labels.shape[0] // shape[0]
    columns = np.arange(shape[1]) * labels.shape[1] // shape[1]
    stretched: Labels = labels[rows[:, np.newaxis], columns[np.newaxis, :]]
    return stretched

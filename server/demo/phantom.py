"""A head round a real average brain: voxels whose brain is known exactly.

The brain is the MNI152 2009a T1 average at 1 mm, as the ``nilearn`` wheel carries it, without
a skull. Round it lie layers of one grey each: CSF, skull with marrow, scalp, and a neck below.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

TEMPLATE = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
SHAPE = (192, 232, 200)
"""Voxels from left to right, from behind to the front, from the feet to the head (1 mm each)."""

CSF_MM, SKULL_MM, SCALP_MM = 3.0, 6.0, 7.0
CSF, BONE, MARROW, SCALP, MUSCLE = 45.0, 12.0, 80.0, 190.0, 110.0
NECK_RADII_MM = (52.0, 60.0)


class DemoUnavailable(RuntimeError):
    """What the demonstration needs is not installed; the message says what to install."""


@dataclass(frozen=True)
class Phantom:
    """Grey values and the brain in them, on axes that run right, anterior and superior (RAS)."""

    grey: Grey
    brain: Mask


def make_phantom(seed: int) -> Phantom:
    """A head whose noise follows from ``seed``; the same seed gives the same voxels."""
    ndimage = _need("scipy.ndimage")
    brain_grey = _place_in_head(_read_template())
    brain = brain_grey > 0
    grey = _surround(brain_grey, brain, _distance_to(brain, ndimage))
    grey = ndimage.gaussian_filter(grey, 0.6, truncate=3)
    noise = np.random.default_rng(seed).normal(0, 3, grey.shape)
    return Phantom(np.abs(grey + noise).astype(np.float32), brain)


def _need(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"The demo study needs the package of {module}: pip install hounsfield[demo]"
        raise DemoUnavailable(message) from error


def _read_template() -> Grey:
    """Found without importing nilearn: it is installed without its dependencies."""
    spec = importlib.util.find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise DemoUnavailable("The demo study needs nilearn: pip install --no-deps nilearn")
    image = _need("nibabel").load(Path(spec.origin).parent / TEMPLATE)
    return np.asarray(image.dataobj, dtype=np.float32)


def _place_in_head(template: Grey) -> Grey:
    """The brain centred across, and high enough for a neck below it."""
    inside = [np.flatnonzero((template > 0).any(axis=others)) for others in _OTHER_AXES]
    box = tuple(slice(where[0], where[-1] + 1) for where in inside)
    brain = template[box]
    room = [whole - part for whole, part in zip(SHAPE, brain.shape, strict=True)]
    above = int(CSF_MM + SKULL_MM + SCALP_MM) + 4
    start = (room[0] // 2, room[1] // 2, room[2] - above)
    placed = np.zeros(SHAPE, np.float32)
    placed[tuple(slice(s, s + n) for s, n in zip(start, brain.shape, strict=True))] = brain
    return placed


_OTHER_AXES = ((1, 2), (0, 2), (0, 1))


def _distance_to(brain: Mask, ndimage: Any) -> Grey:
    """Millimetres to the brain, measured at 2 mm and interpolated: an eighth of the work."""
    fine: Grey = ndimage.distance_transform_edt(~brain[::2, ::2, ::2], sampling=2)
    fine = fine.astype(np.float32)
    for axis, length in enumerate(brain.shape):
        fine = _double(fine, axis, length)
    return fine


def _double(values: Grey, axis: int, length: int) -> Grey:
    """Linear interpolation to every second voxel along one axis."""
    values = np.moveaxis(values, axis, 0)
    doubled = np.empty((length, *values.shape[1:]), np.float32)
    doubled[::2] = values
    between = (values[:-1] + values[1:]) / 2
    doubled[1::2] = np.concatenate([between, values[-1:]])[: length // 2]
    result: Grey = np.moveaxis(doubled, 0, axis)
    return result


def _surround(brain_grey: Grey, brain: Mask, distance: Grey) -> Grey:
    """Layers from the inside out, and the neck where no layer of the head is."""
    skull = CSF_MM + SKULL_MM
    neck = _neck_distance()
    below = np.arange(SHAPE[2]) < np.flatnonzero(brain.any(axis=(0, 1)))[0] + 30
    neck = np.where(below[None, None, :], neck, 2.0)
    layers: list[tuple[Mask, Grey | float]] = [
        (brain, brain_grey),
        (distance <= CSF_MM, CSF),
        (np.abs(distance - (CSF_MM + skull) / 2) < 1.2, MARROW),
        (distance <= skull, BONE),
        (distance <= skull + SCALP_MM, SCALP),
        (neck < 0.25, MARROW),
        (neck < 0.3, BONE),
        (neck < 0.85, MUSCLE),
        (neck < 1.0, SCALP),
    ]
    grey = np.zeros(SHAPE, np.float32)
    for where, value in reversed(layers):
        np.copyto(grey, value, where=where)
    return grey


def _neck_distance() -> Grey:
    """0 in the middle of the neck, 1 on its skin."""
    x = (np.arange(SHAPE[0]) - SHAPE[0] / 2) / NECK_RADII_MM[0]
    y = (np.arange(SHAPE[1]) - SHAPE[1] / 2 + 14) / NECK_RADII_MM[1]
    plane = np.sqrt(x[:, None] ** 2 + y[None, :] ** 2).astype(np.float32)
    return np.broadcast_to(plane[:, :, None], SHAPE)

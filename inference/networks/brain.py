"""deepbet's two networks as one: find the head on a coarse grid, then the brain in its box.

Follows L. Fisch et al., "deepbet: Fast brain extraction of T1-weighted MRI using Convolutional
Neural Networks", Computers in Biology and Medicine 179 (2024) 108845, and its published weights.
"""

from collections.abc import Mapping
from typing import Any

import cc3d
import fill_voids
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import interpolate

from hounsfield.archive.errors import CannotAnalyse

COARSE, FINE = (128, 128, 128), (256, 256, 256)
MARGIN = 0.1
"""Of the found box, added on each side."""
QUANTILES = (0.005, 0.995)
MEAN, DEVIATION = 0.449, 0.226
FOREGROUND = 0.02
"""A row, column or slice belongs to the box when more of it than this is brain."""
NOTHING_FOUND = (
    "The model found no brain in this series. It is made for T1-weighted MR of the whole head."
)

Box = tuple[slice, slice, slice]


class BrainMask(torch.nn.Module):
    """Grey values on a grid along the patient's axes (RAS) to the probability of brain."""

    def __init__(self, locator: torch.jit.ScriptModule, segmenter: torch.jit.ScriptModule) -> None:
        super().__init__()
        self._locator = _frozen(locator)
        self._segmenter = _frozen(segmenter)

    def forward(self, grey: Tensor) -> Tensor:
        """One image, as (1, 1, x, y, z); the answer has the same shape."""
        grey = torch.nan_to_num(grey)
        coarse = _resample(grey, COARSE)
        low, high = coarse.quantile(torch.tensor(QUANTILES))
        if not bool(high > low):
            raise CannotAnalyse("The images are empty: all grey values are the same.")
        head = self._locator(_normalised(coarse, low, high))[0, 1] > 0.5
        box = _box_round(head, grey.shape[2:])
        part = grey[(..., *box)]
        found = self._segmenter(_normalised(_resample(part, FINE), low, high))[:, 1:2]
        probability = torch.zeros_like(grey)
        probability[(..., *box)] = _resample(found, part.shape[2:])
        return probability


class LargestFilledComponentd:
    """MONAI dictionary transform: keep the largest connected part of a mask, and fill its holes."""

    def __init__(self, keys: str) -> None:
        self._key = keys

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Change the mask (1, x, y, z) under the key, in place."""
        mask = data[self._key]
        values = mask[0].numpy() > 0
        kept = _largest_component(values)
        inside = tuple(slice(w[0], w[-1] + 1) for w in _extent(torch.from_numpy(kept), 0))
        kept[inside] = fill_voids.fill(np.ascontiguousarray(kept[inside]))
        mask[0] = torch.from_numpy(kept).to(mask.dtype)
        return {**data, self._key: mask}


def _frozen(network: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """Constants folded into the graph: a fifth faster on CPU, with equal results."""
    frozen: torch.jit.ScriptModule = torch.jit.freeze(network.eval())
    return frozen


def _resample(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    return interpolate(values, tuple(shape), mode="nearest-exact")


def _normalised(grey: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """In place after the first step: the fine grid is 64 MB, and std() alone takes a second."""
    grey = ((grey - low) / (high - low)).clamp_(0, 1)
    grey -= grey.mean()
    deviation = vector_norm(grey) / (grey.numel() - 1) ** 0.5
    return grey.mul_(DEVIATION / deviation).add_(MEAN)


def _box_round(head: Tensor, shape: torch.Size) -> Box:
    """The box of the largest part, with its margin, on the full grid."""
    largest = torch.from_numpy(_largest_component(head.numpy()))
    slices = []
    for extent, full, coarse in zip(_extent(largest, FOREGROUND), shape, COARSE, strict=True):
        first, last = int(extent[0]), int(extent[-1]) + 1
        scale = full / coarse
        centre = round(scale * (first + last) / 2)
        size = round(scale * (last - first) * (1 + 2 * MARGIN))
        slices.append(slice(max(0, int(centre - size / 2)), min(full, int(centre + size / 2))))
    return slices[0], slices[1], slices[2]


def _extent(mask: Tensor, threshold: float) -> list[Tensor]:
    """Per axis, the indices of the planes that hold more foreground than the threshold."""
    shares = [mask.float().mean(others) for others in ((1, 2), (0, 2), (0, 1))]
    extents = [torch.where(share > threshold)[0] for share in shares]
    if any(extent.numel() == 0 for extent in extents):
        raise CannotAnalyse(NOTHING_FOUND)
    return extents


def _largest_component(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    labels = cc3d.connected_components(mask)
    sizes = np.bincount(labels.ravel())
    if len(sizes) < 2:
        raise CannotAnalyse(NOTHING_FOUND)
    largest: npt.NDArray[np.bool_] = labels == sizes[1:].argmax() + 1
    return largest

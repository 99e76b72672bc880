"""How well a SEG fits the known truth of the demo study.

Reads the SEG by its own geometry, plane by plane (PS3.3 C.7.6.16.2.3), and not by the software
that wrote it: a mask that is shifted or mirrored scores low.
"""

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset

from hounsfield.server.demo.study import DemoStudy


def dice_with_truth(seg_dataset: Dataset, demo_study: DemoStudy) -> float:
    """Overlap of segment 1 with the brain, 0 to 1 (twice the common part over the sum)."""
    truth: npt.NDArray[np.bool_] = np.load(demo_study.truth_path)
    found = _on_grid(seg_dataset, demo_study, truth.shape)
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def _on_grid(seg: Dataset, demo_study: DemoStudy, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """The frames of segment 1, each put where its position says that it lies."""
    first = dcmread(demo_study.files[0], stop_before_pixels=True)
    origin = np.array(first.ImagePositionPatient, dtype=float)
    spacing = float(first.SliceThickness)
    orientation = seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    if list(orientation.ImageOrientationPatient) != list(first.ImageOrientationPatient):
        raise ValueError("The SEG lies in another orientation than its source")
    grid = np.zeros(shape, dtype=bool)
    frames = np.atleast_3d(seg.pixel_array).reshape(-1, *shape[1:])
    for frame, groups in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        if _segment_number(seg, groups) != 1:
            continue
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        offset = (np.array(position, dtype=float) - origin) / spacing
        if np.abs(offset[:2]).max() > 0.01:
            raise ValueError("A plane of the SEG is shifted against its source")
        grid[round(offset[2])] |= frame.astype(bool)
    return grid


def _segment_number(seg: Dataset, groups: Dataset) -> int:
    """From the frame's own functional groups, or those that all frames share."""
    own = "SegmentIdentificationSequence" in groups
    holder = groups if own else seg.SharedFunctionalGroupsSequence[0]
    return int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber)

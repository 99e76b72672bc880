"""Bundles give their answer on the grid of the series, wherever they worked in between."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("monai")

from threshold_bundle import THRESHOLD, make_threshold_bundle

from hounsfield.inference.bundle import Bundle
from hounsfield.inference.bundle_run import run_bundle
from hounsfield.inference.registry import Registry
from hounsfield.inference.volume import Needs, SourceVolume, read_series

ORIENT = {"_target_": "Orientationd", "keys": "image", "axcodes": "PLS", "labels": None}
RESAMPLE = {
    "_target_": "Spacingd",
    "keys": "image",
    "pixdim": [1.5, 1.5, 1.5],
    "mode": "bilinear",
}
TYPED = {"_target_": "EnsureTyped", "keys": "image"}
CROP = {"_target_": "CropForegroundd", "keys": "image", "source_key": "image"}


@pytest.fixture(scope="module")
def source(demo_paths: tuple[str, ...]) -> SourceVolume:
    return read_series(demo_paths, Needs(("MR",), 20))


def _run(folder: Path, steps: list[dict[str, Any]], source: SourceVolume) -> Any:
    bundle = Registry([make_threshold_bundle(folder, steps)]).bundle("threshold")
    return run_bundle(bundle, source)


@pytest.mark.parametrize(
    "steps", [[TYPED], [ORIENT], [ORIENT, CROP]], ids=["plain", "turned", "cut"]
)
def test_a_bundle_that_turns_or_cuts_the_image_answers_voxel_for_voxel(
    tmp_path: Path, source: SourceVolume, steps: list[dict[str, Any]]
) -> None:
    labels = _run(tmp_path, steps, source)
    assert np.array_equal(labels > 0, source.volume.array > THRESHOLD)


def test_a_bundle_that_resamples_answers_on_the_grid_of_the_series(
    tmp_path: Path, source: SourceVolume
) -> None:
    labels = _run(tmp_path, [ORIENT, RESAMPLE], source)
    expected = source.volume.array > THRESHOLD
    assert labels.shape == expected.shape
    overlap = 2 * (expected & (labels > 0)).sum() / (expected.sum() + labels.sum())
    assert overlap > 0.9


def test_an_answer_on_another_grid_is_never_taken(tmp_path: Path, source: SourceVolume) -> None:
    folder = make_threshold_bundle(tmp_path, [RESAMPLE])
    bundle = Registry([folder]).bundle("threshold")
    steps = bundle.config["postprocessing"]["transforms"]
    bundle.config["postprocessing"]["transforms"] = [
        step for step in steps if step["_target_"] != "Invertd"
    ]
    with pytest.raises(RuntimeError, match="answered on a grid"):
        run_bundle(bundle, source)


def test_an_empty_image_gives_a_reason_and_no_brain(
    brain_mask: Bundle, source: SourceVolume
) -> None:
    from hounsfield.archive.errors import CannotAnalyse

    black = source.volume.with_array(np.zeros_like(source.volume.array))
    with pytest.raises(CannotAnalyse, match="all grey values are the same"):
        run_bundle(brain_mask, SourceVolume(black, source.datasets))

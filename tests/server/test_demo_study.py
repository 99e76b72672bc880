"""The demo study: what a scanner would send, and a truth that a mask can be measured against."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from hounsfield.server.demo.dice import dice_with_truth
from hounsfield.server.demo.phantom import DemoUnavailable
from hounsfield.server.demo.study import DemoStudy, make_demo_study


def _make(folder: Path, *, seed: int = 0, fixed_uids: bool = False) -> DemoStudy:
    try:
        return make_demo_study(folder, seed=seed, voxel_mm=2, fixed_uids=fixed_uids)
    except DemoUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> DemoStudy:
    return _make(tmp_path_factory.mktemp("demo"))


def test_the_series_is_one_evenly_spaced_t1_head_under_our_own_root(study: DemoStudy) -> None:
    images = [dcmread(path, stop_before_pixels=True) for path in study.files]
    heights = [float(image.ImagePositionPatient[2]) for image in images]
    assert np.allclose(np.diff(heights), 2)
    assert {str(image.SeriesInstanceUID) for image in images} == {study.series_instance_uid}
    assert len({str(image.SOPInstanceUID) for image in images}) == len(images)
    assert all(UID(image.SOPInstanceUID).is_valid for image in images)
    assert images[0].SOPInstanceUID.startswith("2.25.")
    assert (images[0].PatientName, images[0].Modality) == ("Demo^Head", "MR")
    assert images[0].BodyPartExamined == "HEAD"
    assert "T1" in images[0].SeriesDescription


def test_an_image_has_no_error_by_dciodvfy(study: DemoStudy) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("needs dciodvfy (dicom3tools)")
    command = ["dciodvfy", "-new", str(study.files[50])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Error" not in done.stderr


def test_a_seed_gives_the_same_voxels_and_each_study_new_uids(
    study: DemoStudy, tmp_path: Path
) -> None:
    again, other = _make(tmp_path / "again"), _make(tmp_path / "other", seed=1)
    first, second, third = (dcmread(made.files[50]) for made in (study, again, other))
    assert first.PixelData == second.PixelData
    assert first.PixelData != third.PixelData
    assert again.study_instance_uid != study.study_instance_uid


def test_fixed_uids_follow_from_the_seed(tmp_path: Path) -> None:
    made = [_make(tmp_path / name, fixed_uids=True) for name in ("a", "b")]
    assert made[0].study_instance_uid == made[1].study_instance_uid


def test_the_truth_is_the_brain_that_is_in_the_images(study: DemoStudy) -> None:
    truth = np.load(study.truth_path)
    pixels = np.stack([dcmread(path).pixel_array for path in study.files])
    assert truth.shape == pixels.shape
    assert study.truth_ml == pytest.approx(truth.sum() * 8 / 1000)
    assert 1_500 < study.truth_ml < 2_200
    assert pixels[truth].mean() > 2 * pixels[~truth].mean()


@pytest.fixture
def perfect(study: DemoStudy) -> Segmentation:
    """The truth itself as a SEG."""
    brain = SegmentDescription(
        segment_number=1,
        segment_label="Brain",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Brain,
        algorithm_type="MANUAL",
    )
    return Segmentation(
        source_images=[dcmread(path) for path in study.files],
        pixel_array=np.load(study.truth_path).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[brain],
        series_instance_uid="2.25.1",
        series_number=3,
        sop_instance_uid="2.25.2",
        instance_number=1,
        manufacturer="tests",
        manufacturer_model_name="tests",
        software_versions="1",
        device_serial_number="1",
    )


def _move(seg: Segmentation, shift: tuple[float, float, float]) -> None:
    for groups in seg.PerFrameFunctionalGroupsSequence:
        plane = groups.PlanePositionSequence[0]
        position = zip(plane.ImagePositionPatient, shift, strict=True)
        plane.ImagePositionPatient = [float(p) + s for p, s in position]


def test_a_perfect_seg_scores_one(study: DemoStudy, perfect: Segmentation) -> None:
    assert dice_with_truth(perfect, study) == 1.0


def test_a_seg_one_slice_off_scores_less(study: DemoStudy, perfect: Segmentation) -> None:
    _move(perfect, (0, 0, 2))
    assert dice_with_truth(perfect, study) < 0.99


def test_a_seg_beside_its_source_is_refused(study: DemoStudy, perfect: Segmentation) -> None:
    _move(perfect, (2, 0, 0))
    with pytest.raises(ValueError, match="shifted"):
        dice_with_truth(perfect, study)

"""Series files to volumes: equal to highdicom's, and refused in a radiologist's words."""

from pathlib import Path

import numpy as np
import pytest
from highdicom import get_volume_from_series
from highdicom.legacy import LegacyConvertedEnhancedMRImage
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.inference.errors import MissingSlices
from hounsfield.inference.uids import new_uid
from hounsfield.inference.volume import Needs, read_series
from hounsfield.server.demo.study import DemoStudy

MR = Needs(("MR",), 20)
ANY = Needs(("MR", "CT"), 3)


def test_the_volume_is_the_one_that_highdicom_makes(demo_paths: tuple[str, ...]) -> None:
    ours = read_series(demo_paths, MR)
    theirs = get_volume_from_series([dcmread(path) for path in demo_paths], dtype="float32")
    assert np.array_equal(ours.volume.array, theirs.array)
    assert np.allclose(ours.volume.affine, theirs.affine)
    assert [d.ImagePositionPatient for d in ours.datasets] == sorted(
        (d.ImagePositionPatient for d in ours.datasets), key=lambda position: -position[2]
    )


def test_instance_numbers_that_lie_change_nothing(
    demo_paths: tuple[str, ...], tmp_path: Path
) -> None:
    paths = []
    for index, path in enumerate(demo_paths):
        image = dcmread(path)
        image.InstanceNumber = (index * 37) % 100
        image.save_as(tmp_path / f"{index}.dcm")
        paths.append(str(tmp_path / f"{index}.dcm"))
    lying, honest = read_series(paths, MR), read_series(demo_paths, MR)
    assert np.array_equal(lying.volume.array, honest.volume.array)


def test_an_enhanced_multi_frame_image_gives_the_same_volume(
    demo: DemoStudy, demo_paths: tuple[str, ...], tmp_path: Path
) -> None:
    enhanced = LegacyConvertedEnhancedMRImage(
        [dcmread(path) for path in demo.files],
        series_instance_uid=new_uid(),
        series_number=3,
        sop_instance_uid=new_uid(),
        instance_number=1,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    enhanced.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    many = read_series([str(tmp_path / "enhanced.dcm")], MR)
    single = read_series(demo_paths, MR)
    assert many.is_multi_frame
    assert np.array_equal(many.volume.array, single.volume.array)
    assert np.allclose(many.volume.affine, single.volume.affine)


def test_compressed_slices_are_decoded(demo_paths: tuple[str, ...], tmp_path: Path) -> None:
    paths = []
    for path in demo_paths[:30:2]:
        image = dcmread(path)
        image.compress(JPEGLSLossless)
        image.save_as(tmp_path / Path(path).name)
        paths.append(str(tmp_path / Path(path).name))
    compressed = read_series(paths, ANY)
    assert np.array_equal(compressed.volume.array, read_series(demo_paths[:30:2], ANY).volume.array)


def test_gantry_tilt_in_real_images_is_named(shared_data: Path) -> None:
    paths = [str(path) for path in (shared_data / "broken" / "gantry_tilt").iterdir()]
    with pytest.raises(CannotAnalyse, match=r"14\.0 degrees of gantry tilt"):
        read_series(paths, ANY)


def test_a_missing_slice_in_real_images_is_named(shared_data: Path) -> None:
    paths = [str(path) for path in (shared_data / "broken" / "missing_slice").iterdir()]
    with pytest.raises(MissingSlices, match=r"1 slice missing: the spacing is 5\.00 mm"):
        read_series(paths, ANY)


def test_a_damaged_file_is_counted_and_named_as_that(
    demo_paths: tuple[str, ...], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"no DICOM at all")
    with pytest.raises(CannotAnalyse, match="1 of 100 images cannot be read"):
        read_series([*demo_paths[1:], str(broken)], MR)


def test_a_file_that_was_cut_off_is_named_as_that(
    demo_paths: tuple[str, ...], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(Path(demo_paths[0]).read_bytes()[:-500])
    with pytest.raises(CannotAnalyse, match="pixel data of 1 of 100 images cannot be decoded"):
        read_series([*demo_paths[1:], str(cut)], MR)


def test_another_modality_is_refused_by_its_name(shared_data: Path) -> None:
    paths = [str(path) for path in (shared_data / "ct_chest_philips_64").glob("*.dcm")]
    with pytest.raises(CannotAnalyse, match="reads MR images; this series is CT"):
        read_series(paths, MR)


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("SeriesInstanceUID", "2.25.1", "do not belong to one series"),
        ("FrameOfReferenceUID", "2.25.1", "do not belong to one frame of reference"),
        ("ImagePositionPatient", None, "do not say where in the patient"),
        ("SamplesPerPixel", 3, "in colour"),
    ],
)
def test_one_image_that_does_not_fit_ends_the_analysis_with_a_reason(
    demo_paths: tuple[str, ...], tmp_path: Path, keyword: str, value: object, reason: str
) -> None:
    image = dcmread(demo_paths[0])
    if value is None:
        del image[keyword]
    else:
        setattr(image, keyword, value)
    image.save_as(tmp_path / "odd.dcm")
    with pytest.raises(CannotAnalyse, match=reason):
        read_series([str(tmp_path / "odd.dcm"), *demo_paths[1:]], MR)

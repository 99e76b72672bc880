"""SEG and SR: clean by dciodvfy, the same for every try, and true to their source."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from hounsfield.inference.bundle import Bundle
from hounsfield.inference.results import write_results
from hounsfield.inference.uids import ResultNames, allocate_results
from hounsfield.inference.volume import Labels, Needs, SourceVolume, read_series
from hounsfield.server.demo.dice import dice_with_truth
from hounsfield.server.demo.study import DemoStudy

ACCEPTED_WARNINGS = (
    # A name in one component, as many de-identified series have it; the results copy it.
    "Retired Person Name form",
    # Study ID is empty in the source (type 2).
    "Missing attribute or value that would be needed to build DICOMDIR",
)


@pytest.fixture
def source(demo_paths: tuple[str, ...]) -> SourceVolume:
    return read_series(demo_paths, Needs(("MR",), 20))


@pytest.fixture
def truth(demo: DemoStudy) -> Labels:
    """The known brain, in the order of the volume: from the top down."""
    return np.ascontiguousarray(np.load(demo.truth_path)[::-1]).astype(np.uint8)


def _write(
    bundle: Bundle, source: SourceVolume, labels: Labels, folder: Path, allocated: dict[str, Any]
) -> tuple[Dataset, Dataset, dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    files = (folder / "seg.dcm", folder / "sr.dcm")
    said = write_results(bundle, ResultNames.from_json(allocated), source, labels, files)
    return dcmread(files[0]), dcmread(files[1]), said


def _complaints(path: Path) -> list[str]:
    if shutil.which("dciodvfy") is None:
        pytest.skip("needs dciodvfy (dicom3tools)")
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith(("Error", "Warning"))]
    return [line for line in lines if not any(known in line for known in ACCEPTED_WARNINGS)]


def test_every_try_makes_the_same_bytes(
    brain_mask: Bundle, source: SourceVolume, truth: Labels, tmp_path: Path
) -> None:
    allocated = allocate_results()
    for attempt in ("first", "second"):
        _write(brain_mask, source, truth, tmp_path / attempt, allocated)
    for name in ("seg.dcm", "sr.dcm"):
        first, second = (tmp_path / attempt / name for attempt in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_dciodvfy_finds_nothing_in_seg_and_sr(
    brain_mask: Bundle, source: SourceVolume, truth: Labels, tmp_path: Path
) -> None:
    _write(brain_mask, source, truth, tmp_path, allocate_results())
    assert _complaints(tmp_path / "seg.dcm") == []
    assert _complaints(tmp_path / "sr.dcm") == []


def test_dciodvfy_finds_nothing_in_the_results_of_a_real_series(
    brain_mask: Bundle, shared_data: Path, tmp_path: Path
) -> None:
    paths = sorted((shared_data / "mr_t1_philips_384").glob("*.dcm"))[100:140]
    source = read_series([str(path) for path in paths], Needs(("MR",), 20))
    labels = np.zeros(source.volume.spatial_shape, np.uint8)
    labels[5:30, 100:200, 100:200] = 1
    _, _, said = _write(brain_mask, source, labels, tmp_path, allocate_results())
    assert _complaints(tmp_path / "seg.dcm") == []
    assert _complaints(tmp_path / "sr.dcm") == []
    assert said["notes"] == [
        "PatientAge of the images is not valid DICOM and was left out of the results."
    ]


def test_the_seg_lies_where_the_mask_lies_and_refers_to_its_slices(
    brain_mask: Bundle, demo: DemoStudy, source: SourceVolume, truth: Labels, tmp_path: Path
) -> None:
    seg, _, _ = _write(brain_mask, source, truth, tmp_path, allocate_results())
    assert dice_with_truth(seg, demo) == 1.0
    images = {str(d.SOPInstanceUID): d for d in source.datasets}
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == demo.series_instance_uid
    for groups in seg.PerFrameFunctionalGroupsSequence:
        image = groups.DerivationImageSequence[0].SourceImageSequence[0]
        referenced = images[image.ReferencedSOPInstanceUID]
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        assert position == referenced.ImagePositionPatient


def test_the_seg_says_what_it_is_and_who_made_it(
    brain_mask: Bundle, source: SourceVolume, truth: Labels, tmp_path: Path
) -> None:
    allocated = allocate_results()
    seg, _, _ = _write(brain_mask, source, truth, tmp_path, allocated)
    (segment,) = seg.SegmentSequence
    algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
    assert seg.SegmentationType == "BINARY"
    assert seg.ContentQualification == "RESEARCH"
    assert seg.SOPInstanceUID == allocated["seg"]["sop_instance_uid"]
    assert seg.FrameOfReferenceUID == source.datasets[0].FrameOfReferenceUID
    assert (seg.SeriesNumber, seg.SeriesDescription) == (201, "Brain mask SEG")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "12738006"
    assert segment.TrackingUID == allocated["tracking_uid"]
    assert algorithm.AlgorithmVersion == brain_mask.version
    assert brain_mask.digest in algorithm.AlgorithmParameters


def test_the_report_gives_the_volume_and_points_at_the_segment(
    brain_mask: Bundle, demo: DemoStudy, source: SourceVolume, truth: Labels, tmp_path: Path
) -> None:
    allocated = allocate_results()
    seg, sr, said = _write(brain_mask, source, truth, tmp_path, allocated)
    report = highdicom.sr.Comprehensive3DSR.from_dataset(sr).content
    assert isinstance(report, highdicom.sr.MeasurementReport)
    (group,) = report.get_volumetric_roi_measurement_groups()
    (volume,) = group.get_measurements()
    assert volume.value == pytest.approx(demo.truth_ml, abs=0.001)
    assert volume.unit.value == "ml"
    assert said["measurements"] == [{"name": "Brain volume", "value": volume.value, "unit": "ml"}]
    assert group.tracking_uid == allocated["tracking_uid"]
    assert group.referenced_segment is not None
    assert group.referenced_segment[0].referenced_sop_instance_uid == seg.SOPInstanceUID
    assert (sr.CompletionFlag, sr.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert sr.ContentQualification == "RESEARCH"
    texts = [item.value for item in sr.iterall() if item.keyword == "TextValue"]
    assert f"SHA-256={brain_mask.digest}" in texts


def test_overlapping_segments_keep_their_overlap(
    brain_mask: Bundle, source: SourceVolume, truth: Labels, tmp_path: Path
) -> None:
    inner = np.zeros_like(truth)
    inner[40:60, 50:60, 40:50] = 1
    segments = tuple(replace(brain_mask.segments[0], number=number) for number in (1, 2))
    bundle = replace(brain_mask, segments=segments)
    labels = np.stack([truth, inner], axis=-1)
    seg, _, said = _write(bundle, source, labels, tmp_path, allocate_results())
    assert said["measurements"][1]["value"] == pytest.approx(20 * 10 * 10 * 8 / 1000)
    assert seg.SegmentsOverlap == "YES"
    assert seg.SegmentSequence[0].TrackingUID != seg.SegmentSequence[1].TrackingUID


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientSex", "0000"),
        ("PatientBirthDate", "1970-01-01"),
        ("StudyDate", "yesterday"),
        ("StudyTime", "99:99"),
        ("PatientWeight", "heavy"),
        ("PatientAge", "42"),
        ("StudyID", "x" * 40),
        ("SpecificCharacterSet", "KOI8"),
    ],
)
def test_an_invalid_attribute_of_the_source_is_left_out_with_a_note_and_without_its_value(
    brain_mask: Bundle,
    source: SourceVolume,
    truth: Labels,
    tmp_path: Path,
    keyword: str,
    value: str,
) -> None:
    _set_unchecked(source.datasets[0], keyword, value)
    seg, sr, said = _write(brain_mask, source, truth, tmp_path, allocate_results())
    assert said["notes"] == [
        f"{keyword} of the images is not valid DICOM and was left out of the results."
    ]
    assert not seg.get(keyword)
    assert not sr.get(keyword)
    assert _complaints(tmp_path / "seg.dcm") == []


@pytest.mark.parametrize("keyword", ["PatientID", "StudyID", "AccessionNumber", "PatientSex"])
def test_a_source_without_an_attribute_gives_results_with_an_empty_one(
    brain_mask: Bundle, source: SourceVolume, truth: Labels, tmp_path: Path, keyword: str
) -> None:
    del source.datasets[0][keyword]
    seg, _, said = _write(brain_mask, source, truth, tmp_path, allocate_results())
    assert keyword in seg
    assert said["notes"] == []


def test_a_name_in_another_script_arrives_in_the_results(
    brain_mask: Bundle, source: SourceVolume, truth: Labels, tmp_path: Path
) -> None:
    first = source.datasets[0]
    first.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    first.PatientName = "Yamada^Tarou=山田^太郎"
    first.save_as(tmp_path / "as_sent.dcm")
    sent = replace(source, datasets=(dcmread(tmp_path / "as_sent.dcm"), *source.datasets[1:]))
    seg, sr, _ = _write(brain_mask, sent, truth, tmp_path, allocate_results())
    assert str(seg.PatientName) == str(sr.PatientName) == "Yamada^Tarou=山田^太郎"


def _set_unchecked(dataset: Dataset, keyword: str, value: str) -> None:
    """As a damaged or careless sender has it: pydicom would not write such a value itself."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    tag = Tag(tag_for_keyword(keyword) or 0)
    raw = value.encode()
    dataset[tag] = RawDataElement(tag, dictionary_VR(tag), len(raw), raw, 0, False, True)

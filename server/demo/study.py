"""The demonstration study: one T1-weighted MR series of a made head, with the truth beside it.

MR Image Storage (PS3.3 A.4) as a scanner would send it: axial, 1 mm, 12 bits in 16, geometry in
every image. The patient is ``Demo^Head``; UIDs lie under 2.25 (PS3.5 B.2).
"""

import datetime as dt
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from hounsfield.server.demo.phantom import Phantom, make_phantom

GREY_TO_STORED = 4
BACK_TO_FRONT_MM = 20.0
"""How far the middle of the head lies from the isocentre."""


@dataclass(frozen=True)
class DemoStudy:
    """Where the files lie, and what is true of the head in them."""

    files: tuple[Path, ...]
    study_instance_uid: str
    series_instance_uid: str
    truth_path: Path
    truth_ml: float


class _Names:
    """UIDs of one demo study: random, or the same for the same seed."""

    def __init__(self, seed: int | None) -> None:
        self._root = uuid.uuid4() if seed is None else uuid.uuid5(uuid.NAMESPACE_OID, f"demo{seed}")

    def uid(self, what: str) -> str:
        """A UID for one thing of the study, under 2.25 (PS3.5 B.2)."""
        return f"2.25.{uuid.uuid5(self._root, what).int}"


def make_demo_study(
    folder: Path, *, seed: int = 0, voxel_mm: int = 1, fixed_uids: bool = False
) -> DemoStudy:
    """Write the series and ``truth.npy`` into ``folder`` and say what they are.

    The voxels follow from ``seed``. UIDs are new each time, unless ``fixed_uids``: then they
    follow from the seed too. ``voxel_mm=2`` makes a study of half the size in each direction.
    """
    folder.mkdir(parents=True, exist_ok=True)
    phantom = make_phantom(seed)
    stored, truth = _as_axial(phantom, voxel_mm)
    names = _Names(seed if fixed_uids else None)
    common = _common_attributes(names, stored.shape[1:], voxel_mm)
    origin = _first_position(phantom.brain.shape, voxel_mm)
    files = tuple(
        _write_slice(folder, common, names, index, plane, origin, voxel_mm)
        for index, plane in enumerate(stored)
    )
    truth_path = folder / "truth.npy"
    np.save(truth_path, truth)
    return DemoStudy(
        files=files,
        study_instance_uid=names.uid("study"),
        series_instance_uid=names.uid("series"),
        truth_path=truth_path,
        truth_ml=float(truth.sum()) * voxel_mm**3 / 1000,
    )


def _as_axial(phantom: Phantom, step: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.bool_]]:
    """From RAS axes to slices upwards, rows backwards, columns to the patient's left."""

    def turn(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values[::-step, ::-step, ::step].transpose(2, 1, 0)

    stored = np.clip(np.rint(turn(phantom.grey) * GREY_TO_STORED), 0, 4095).astype("<u2")
    return stored, np.ascontiguousarray(turn(phantom.brain))


def _first_position(shape: tuple[int, ...], step: int) -> tuple[float, float, float]:
    """Image Position (Patient) of the lowest slice, the head in the middle (LPS, mm)."""
    across, deep, high = shape
    return (-(across - step) / 2, -(deep - step) / 2 - BACK_TO_FRONT_MM, -high / 2)


def _common_attributes(names: _Names, matrix: tuple[int, ...], voxel_mm: int) -> Dataset:
    """What all slices share, by module (PS3.3 A.4.3)."""
    data = Dataset()
    for module in (_patient_and_study, _series_and_equipment, _acquisition):
        module(data, names)
    data.Rows, data.Columns = matrix
    data.PixelSpacing = [voxel_mm, voxel_mm]
    data.SliceThickness = data.SpacingBetweenSlices = voxel_mm
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelRepresentation = 0
    data.WindowCenter, data.WindowWidth = 480, 960
    return data


def _patient_and_study(data: Dataset, names: _Names) -> None:
    now = dt.datetime.now().astimezone()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.PatientName = "Demo^Head"
    data.PatientID = "DEMO"
    data.PatientBirthDate = "19700101"
    data.PatientSex = "O"
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = "A population average with a synthetic skull: nobody's images"
    data.StudyInstanceUID = names.uid("study")
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = f"{now:%Y%m%d}"
    data.StudyTime = data.SeriesTime = data.AcquisitionTime = data.ContentTime = f"{now:%H%M%S}"
    data.StudyID = "1"
    data.StudyDescription = "Demo head MR"
    data.AccessionNumber = ""
    data.ReferringPhysicianName = ""


def _series_and_equipment(data: Dataset, names: _Names) -> None:
    data.SOPClassUID = MRImageStorage
    data.Modality = "MR"
    data.SeriesInstanceUID = names.uid("series")
    data.SeriesNumber = 2
    data.SeriesDescription = "T1 MPRAGE axial"
    data.ProtocolName = "T1_MPRAGE_1mm"
    data.BodyPartExamined = "HEAD"
    data.PatientPosition = "HFS"
    data.FrameOfReferenceUID = names.uid("frame of reference")
    data.PositionReferenceIndicator = ""
    data.Manufacturer = "Hounsfield"
    data.ManufacturerModelName = "Demo phantom"
    data.SoftwareVersions = "1"


def _acquisition(data: Dataset, _names: _Names) -> None:
    data.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM"]
    data.ScanningSequence = ["GR", "IR"]
    data.SequenceVariant = ["SP", "MP"]
    data.ScanOptions = ""
    data.MRAcquisitionType = "3D"
    data.SequenceName = "*tfl3d1"
    data.RepetitionTime, data.EchoTime, data.InversionTime = 2300, 2.98, 900
    data.FlipAngle, data.EchoTrainLength, data.MagneticFieldStrength = 9, 1, 3
    data.AcquisitionNumber = 1


def _write_slice(
    folder: Path,
    common: Dataset,
    names: _Names,
    index: int,
    plane: npt.NDArray[np.uint16],
    origin: tuple[float, float, float],
    voxel_mm: int,
) -> Path:
    data = Dataset()
    data.update(common)
    data.SOPInstanceUID = names.uid(f"slice {index}")
    data.InstanceNumber = index + 1
    height = origin[2] + index * voxel_mm
    data.ImagePositionPatient = [*origin[:2], height]
    data.SliceLocation = height
    data.PixelData = plane.tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / f"slice_{index:03d}.dcm"
    data.save_as(path, enforce_file_format=True)
    return path

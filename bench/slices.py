"""CT slices made for measuring: 526 KB each as an ordinary scanner sends them, or small ones."""

import io
import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from bench.names import NOBODY, patient

FULL = 512
SMALL = 16
UID_ROOT = "1.2.826.0.1.3680043.8.498."
UID_DIGITS = 30
_numbers = itertools.count(10 ** (UID_DIGITS - 1) + secrets.randbelow(10 ** (UID_DIGITS - 2)))


def new_uid() -> str:
    """A UID that no round has used; all are of one length, so that they can be put in place."""
    return f"{UID_ROOT}{next(_numbers)}"


@dataclass(frozen=True, slots=True)
class Slice:
    """One made slice: what a client asks for it by, and its PS3.10 file."""

    study: str
    series: str
    instance: str
    data: bytes


def make_series(
    count: int,
    size: int = FULL,
    *,
    study: str | None = None,
    patient_number: int = NOBODY,
) -> Iterator[Slice]:
    """Slices of one series, each a copy of one file with its own UIDs and numbers in place."""
    study, series = study or new_uid(), new_uid()
    model, held = _model(size, patient_number)
    model = model.replace(held.study.encode(), study.encode())
    model = model.replace(held.series.encode(), series.encode())
    for number in range(1, count + 1):
        instance = new_uid()
        data = model.replace(held.instance.encode(), instance.encode())
        yield Slice(study, series, instance, data.replace(NUMBER, f"{number:08d}".encode()))


NUMBER = b"76543210"
"""Stands for the number of a slice; both of its elements take eight digits."""


@lru_cache(maxsize=4)
def _model(size: int, patient_number: int) -> tuple[bytes, Slice]:
    dataset = _slice(new_uid(), new_uid(), size)
    who = patient(patient_number)
    dataset.PatientName, dataset.PatientID = who.name, who.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = who.birth_date, who.sex
    dataset.StudyDate, dataset.StudyTime = who.study_date, who.study_time
    dataset.AccessionNumber = who.accession_number
    pixels = np.random.default_rng(patient_number).integers(0, 4096, (size, size), dtype="<u2")
    dataset.PixelData = pixels.tobytes()
    data = encode(dataset)
    held = Slice(dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID, b"")
    return data, held


def _slice(study: str, series: str, size: int) -> Dataset:
    number = NUMBER.decode()
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = new_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Modality, dataset.Manufacturer, dataset.StudyDescription = "CT", "Bench", "Chest"
    dataset.SeriesDescription, dataset.ReferringPhysicianName = "Axial 5 mm", "Referrer^R"
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, number
    dataset.ImagePositionPatient = ["0", "0", number]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.FrameOfReferenceUID = series
    dataset.PixelSpacing, dataset.SliceThickness, dataset.KVP = [0.7, 0.7], 5, 120
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = size
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
    return dataset


def encode(dataset: Dataset) -> bytes:
    """A PS3.10 file."""
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def write_series(folder: Path, count: int) -> None:
    """A folder of full slices for storescu."""
    folder.mkdir(parents=True)
    for number, made in enumerate(make_series(count)):
        (folder / f"{number:04d}.dcm").write_bytes(made.data)

"""CT slices made for measuring: 526 KB each as an ordinary scanner sends them, or small ones."""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

FULL = 512
SMALL = 16
LAST_NAMES = ("Meyer", "Rossi", "Garcia", "Novak", "Silva", "Tanaka", "Okafor", "Larsen")
FIRST_NAMES = ("Anna", "Ben", "Chen", "Dana", "Eva", "Finn", "Gita", "Hugo")


def new_uid() -> str:
    """A UID that no round has used."""
    return str(generate_uid(prefix=None))


def make_series(
    count: int,
    size: int = FULL,
    *,
    study: str | None = None,
    patient: int = 0,
) -> Iterator[tuple[Dataset, bytes]]:
    """Slices of one series, as data sets and as PS3.10 files."""
    study, series = study or new_uid(), new_uid()
    pixels = np.random.default_rng(patient).integers(0, 4096, (size, size), dtype="<u2").tobytes()
    chance = random.Random(patient)
    name = f"{chance.choice(LAST_NAMES)}{patient:04d}^{chance.choice(FIRST_NAMES)}"
    date = f"2024{chance.randint(1, 12):02d}{chance.randint(1, 28):02d}"
    for number in range(1, count + 1):
        dataset = _slice(study, series, number, size)
        dataset.PatientName, dataset.PatientID, dataset.StudyDate = name, f"B{patient:05d}", date
        dataset.PixelData = pixels
        yield dataset, encode(dataset)


def _slice(study: str, series: str, number: int, size: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = new_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.StudyTime, dataset.AccessionNumber, dataset.Modality = "101500", "A1", "CT"
    dataset.Manufacturer, dataset.StudyDescription = "Bench", "Chest"
    dataset.SeriesDescription, dataset.ReferringPhysicianName = "Axial 5 mm", "Referrer^R"
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "F"
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, number
    dataset.ImagePositionPatient = [0, 0, number * 5]
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
    for number, (_, data) in enumerate(make_series(count)):
        (folder / f"{number:04d}.dcm").write_bytes(data)

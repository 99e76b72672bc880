"""DICOM that the tests make: small, valid, and different where a test says so."""

import io
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def new_uid() -> str:
    """A UID that nobody has."""
    return str(generate_uid(prefix=None))


def ct_slice(rows: int = 16, columns: int = 16, **attributes: Any) -> Dataset:
    """One CT slice; ``attributes`` by keyword replace or add to its own."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    defaults = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": new_uid(),
        "StudyInstanceUID": new_uid(),
        "SeriesInstanceUID": new_uid(),
        "PatientName": "Doe^Jane",
        "PatientID": "P-1",
        "PatientBirthDate": "19700101",
        "PatientSex": "F",
        "StudyDate": "20240229",
        "StudyTime": "101500",
        "StudyID": "S1",
        "AccessionNumber": "A-1",
        "StudyDescription": "Chest",
        "Modality": "CT",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1, 1],
        "SliceThickness": 1,
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
    }
    for keyword, value in (defaults | attributes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" not in dataset:
        ramp = np.arange(rows * columns, dtype="<u2").reshape(rows, columns)
        dataset.PixelData = ramp.tobytes()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
    return dataset


def encode(dataset: Dataset) -> bytes:
    """The dataset as a PS3.10 file."""
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def series(count: int, **attributes: Any) -> list[Dataset]:
    """Slices of one series, one millimetre apart."""
    common = {"StudyInstanceUID": new_uid(), "SeriesInstanceUID": new_uid()} | attributes
    return [
        ct_slice(**common, InstanceNumber=n + 1, ImagePositionPatient=[0, 0, n])
        for n in range(count)
    ]

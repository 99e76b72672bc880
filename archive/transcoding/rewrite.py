"""Instances in Explicit or Implicit VR Little Endian: rewritten around their pixels, or decoded.

A native object keeps its pixels where they are: only what stands before and behind them is
written anew (PS3.5 A.1, A.3), and the server sends the pixels from the stored object itself.
"""

import struct
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom import Dataset, config, dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from hounsfield.archive.transcoding.decode import (
    Pixels,
    decode_all,
    little_endian,
    read_attributes,
)
from hounsfield.archive.transcoding.protocol import Arguments, Refused, Reply

config.settings.reading_validation_mode = config.IGNORE
config.settings.writing_validation_mode = config.IGNORE

WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
LARGEST_VALUE = 0xFFFFFFFE
OFFSET_TABLES = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")


def rewrite(arguments: Arguments) -> Reply:
    """Task: what goes before the pixels and behind them; ``pixels`` says where they lie.

    Without ``pixels`` the whole object is what goes before. ``target`` is the transfer syntax,
    Explicit VR Little Endian where it is not named.
    """
    path, pixels = Path(arguments["path"]), arguments.get("pixels")
    dataset = dcmread(path, force=True, stop_before_pixels=pixels is not None)
    syntax = dataset.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
    target = _target(arguments)
    before = write(dataset, syntax, target)
    if pixels is None:
        return Reply({"before": len(before)}, before)
    vr = pixels["vr"] if syntax == ExplicitVRBigEndian else _native_vr(pixels["tag"])
    before += element_header(pixels["tag"], vr, pixels["length"], target)
    with path.open("rb") as file:
        file.seek(pixels["offset"] + pixels["length"])
        behind = rewrite_rest(file, syntax, target)
    return Reply({"before": len(before)}, before + behind)


def decode_object(arguments: Arguments) -> Reply:
    """Task: the whole object with its pixels decoded, written to the file that is named."""
    path = arguments["path"]
    dataset = read_attributes(path)
    frames = decode_all(dataset, path)
    first = next(frames)
    count = int(dataset.get("NumberOfFrames") or 1)
    length = first.nbytes * count
    if length > LARGEST_VALUE:
        raise Refused("decoded, the pixels would be larger than an element can be")
    _describe(dataset, first)
    vr = "OW" if first.itemsize > 1 else "OB"
    target = _target(arguments)
    with Path(arguments["output"]).open("wb") as output:
        output.write(write(dataset, dataset.file_meta.TransferSyntaxUID, target))
        output.write(element_header(0x7FE00010, vr, length + length % 2, target))
        output.write(little_endian(first))
        for number, pixels in enumerate(frames, start=2):
            if number > count or pixels.nbytes != first.nbytes:
                raise Refused("the frames are not of one size")
            output.write(little_endian(pixels))
        output.write(b"\0" * (length % 2))
        if output.tell() < length:
            raise Refused("frames are missing")
        with Path(path).open("rb") as file:
            file.seek(arguments["behind"])
            output.write(rewrite_rest(file, ExplicitVRLittleEndian, target))
    return Reply()


def write(dataset: Dataset, syntax: str, target: UID = ExplicitVRLittleEndian) -> bytes:
    """A PS3.10 file of a data set that was read in one syntax, up to its pixels in another."""
    if syntax == ExplicitVRBigEndian:
        dataset.walk(_swap_words)
    icon = dataset.get("IconImageSequence")
    if icon and any("PixelData" in item and item["PixelData"].is_undefined_length for item in icon):
        del dataset.IconImageSequence  # it is encoded in the syntax that the object had
    dataset.file_meta.TransferSyntaxUID = target
    buffer = BytesIO()
    implicit = target == ImplicitVRLittleEndian
    dcmwrite(buffer, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    return buffer.getvalue()


def _swap_words(dataset: Dataset, element: DataElement) -> None:
    """Turn around the words that pydicom keeps as bytes (PS3.5 7.3)."""
    word = WORDS.get(element.VR)
    if word and isinstance(element.value, bytes) and len(element.value) % word == 0:
        words = np.frombuffer(element.value, dtype=f">u{word}")
        element.value = words.astype(f"<u{word}").tobytes()


def rewrite_rest(file: BinaryIO, syntax: str, target: UID = ExplicitVRLittleEndian) -> bytes:
    """The elements behind the pixel data."""
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    dataset = read_dataset(file, is_implicit_VR=implicit, is_little_endian=little)
    if not little:
        dataset.walk(_swap_words)
    return encoded(dataset, target)


def encoded(dataset: Dataset, target: UID = ExplicitVRLittleEndian) -> bytes:
    """A data set without a File Meta."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = target == ImplicitVRLittleEndian, True
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def _target(arguments: Arguments) -> UID:
    return UID(arguments.get("target", ExplicitVRLittleEndian))


def _native_vr(tag: int) -> str:
    """What Implicit VR stands for (PS3.5 A.1)."""
    return {0x7FE00008: "OF", 0x7FE00009: "OD"}.get(tag, "OW")


def element_header(tag: int, vr: str, length: int, target: UID = ExplicitVRLittleEndian) -> bytes:
    """Tag, VR and length of an element with a long VR (PS3.5 7.1.2, 7.1.3)."""
    if target == ImplicitVRLittleEndian:
        return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode(), 0, length)


def _describe(dataset: Dataset, pixels: Pixels) -> None:
    """Make the image pixel module true of the decoded pixels (PS3.3 C.7.6.3)."""
    for keyword in OFFSET_TABLES:
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.BitsAllocated = pixels.itemsize * 8
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if dataset.get("SamplesPerPixel", 1) > 1:
        dataset.PlanarConfiguration = 0
        if str(dataset.get("PhotometricInterpretation", "")).startswith("YBR"):
            dataset.PhotometricInterpretation = "RGB"

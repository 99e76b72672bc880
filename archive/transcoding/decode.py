"""Decoded frames of an object on disk (pydicom's decoders, one frame at a time)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels.utils import iter_pixels, pixel_array

from hounsfield.archive.transcoding import codecs
from hounsfield.archive.transcoding.protocol import Arguments, Refused, Reply

Pixels = NDArray[Any]

MAX_PIXELS = 200_000_000
DEFLATED = "1.2.840.10008.1.2.1.99"

codecs.install()


def read_attributes(path: str) -> Dataset:
    """Everything before the pixels."""
    return dcmread(Path(path), force=True, stop_before_pixels=True)


def check_size(dataset: Dataset) -> None:
    """Refuse, before anything is decoded, what cannot be an image or would not fit."""
    rows, columns = dataset.get("Rows"), dataset.get("Columns")
    samples = dataset.get("SamplesPerPixel", 1)
    if not isinstance(rows, int) or not isinstance(columns, int) or not rows * columns:
        raise Refused("this instance is not an image")
    if samples not in {1, 3, 4} or rows * columns * samples > MAX_PIXELS:
        raise Refused("the image is too large to be decoded here")


def decode(dataset: Dataset, path: str, frame: int, **options: Any) -> Pixels:
    """Pixels of one frame, counted from 1; colour as RGB, byte order of the machine.

    ``options`` stand in place of what the image says of its pixels.
    """
    check_size(dataset)
    source = _source(dataset, path)
    pixels = pixel_array(source, index=frame - 1, **options)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def decode_frame(arguments: Arguments) -> Reply:
    """Task: one frame as Explicit VR Little Endian carries it."""
    path = arguments["path"]
    pixels = decode(read_attributes(path), path, arguments["frame"])
    return Reply({}, little_endian(pixels))


def decode_all(dataset: Dataset, path: str, *, raw: bool = False) -> Iterator[Pixels]:
    """All frames, one after the other."""
    check_size(dataset)
    yield from iter_pixels(_source(dataset, path), raw=raw)


def little_endian(pixels: Pixels) -> bytes:
    """Pixels as their bytes."""
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def _source(dataset: Dataset, path: str) -> Path | Dataset:
    """pydicom reads single frames from a path, but not from a deflated data set."""
    if dataset.file_meta.get("TransferSyntaxUID") == DEFLATED:
        return dcmread(Path(path), force=True)
    return Path(path)

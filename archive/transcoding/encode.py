"""Frames and whole objects in another compressed transfer syntax (PS3.5 8.2, A.4).

A frame is decoded and encoded before the next one is looked at. The fragments go to a file; what
stands before them is written last, as only then the compression ratio and the offsets are known.
"""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.uid import UID

from hounsfield.archive.transcoding.decode import (
    DEFLATED,
    Pixels,
    decode,
    decode_all,
    read_attributes,
)
from hounsfield.archive.transcoding.encoders import ENCODERS, Encoder, Samples, plain
from hounsfield.archive.transcoding.protocol import Arguments, Refused, Reply
from hounsfield.archive.transcoding.rewrite import (
    OFFSET_TABLES,
    element_header,
    encoded,
    rewrite_rest,
    write,
)

UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99",
          "1.2.840.10008.1.2.2"}  # fmt: skip
STORED_YBR = NATIVE | {"1.2.840.10008.1.2.5"}


class FrameEncoder:
    """Makes the frames of one image."""

    def __init__(self, dataset: Dataset, syntax: str) -> None:
        self.dataset = dataset
        self.encoder: Encoder = ENCODERS[syntax]
        source = dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")
        self._native = source in NATIVE
        self.ybr = (
            source in STORED_YBR
            and dataset.get("PhotometricInterpretation") == "YBR_FULL"
            and not self.encoder.method
        )
        self.samples: Samples | None = None

    def encode(self, pixels: Pixels) -> tuple[bytes, int]:
        """One frame, and how many bytes it had. Raw pixels where they are ``ybr``."""
        samples = self._samples_of(pixels)
        if self.samples not in {None, samples}:
            raise Refused("the frames of this image are not of one kind")
        self.samples = samples
        ready = plain(pixels, samples)
        return self.encoder.encode(ready, samples), ready.nbytes

    def _samples_of(self, pixels: Pixels) -> Samples:
        bits = min(int(self.dataset.get("BitsStored", 0)), 8 * pixels.itemsize)
        signed = pixels.dtype.kind == "i"
        if not self._native:
            # A codestream may be more precise than the attributes say: nothing is cut off.
            low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
            if int(pixels.min()) < low or int(pixels.max()) > high:
                bits = 8 * pixels.itemsize
        if bits < 2:
            raise Refused("an image of single bits has no such encoding")
        return Samples(bits, signed, pixels.ndim == 3, self.ybr)

    def describe(self, ratio: float) -> None:
        """Make the attributes true of what was encoded (PS3.3 C.7.6.1.1.5, C.7.6.3)."""
        dataset, samples = self.dataset, self.samples
        assert samples is not None  # noqa: S101
        for keyword in OFFSET_TABLES:
            if keyword in dataset:
                delattr(dataset, keyword)
        container = 8 if samples.bits <= 8 else 16 if samples.bits <= 16 else 32
        dataset.BitsAllocated = container
        dataset.BitsStored = container if self.encoder.whole_words else samples.bits
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(samples.signed)
        if samples.color:
            dataset.PlanarConfiguration = 0
            interpretation = self.encoder.photometric_interpretation
            dataset.PhotometricInterpretation = "YBR_FULL" if samples.ybr else interpretation
        if self.encoder.method:
            dataset.LossyImageCompression = "01"
            _append(dataset, "LossyImageCompressionRatio", f"{ratio:.2f}")
            _append(dataset, "LossyImageCompressionMethod", self.encoder.method)


def encode_frame(arguments: Arguments) -> Reply:
    """Task: one frame in the transfer syntax that is named."""
    path = arguments["path"]
    dataset = read_attributes(path)
    encoder = FrameEncoder(dataset, arguments["syntax"])
    pixels = decode(dataset, path, arguments["frame"], raw=encoder.ybr)
    return Reply({}, encoder.encode(pixels)[0])


def encode_object(arguments: Arguments) -> Reply:
    """Task: the fragments to the file that is named; what goes before and behind them here."""
    path = arguments["path"]
    dataset = read_attributes(path)
    source = dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")
    encoder = FrameEncoder(dataset, arguments["syntax"])
    frames = decode_all(dataset, path, raw=encoder.ybr)
    with Path(arguments["output"]).open("wb") as output:
        offsets, lengths, plain_bytes = _write_fragments(encoder, frames, output)
    if len(offsets) != int(dataset.get("NumberOfFrames") or 1):
        raise Refused("frames are missing, or there are too many")
    encoder.describe(plain_bytes / max(1, sum(lengths)))
    extended = offsets[-1] + lengths[-1] > UNDEFINED
    if extended:
        dataset.ExtendedOffsetTable = struct.pack(f"<{len(offsets)}Q", *offsets)
        dataset.ExtendedOffsetTableLengths = struct.pack(f"<{len(lengths)}Q", *lengths)
    table = b"" if extended else struct.pack(f"<{len(offsets)}I", *offsets)
    before = write(dataset, source, UID(arguments["syntax"]))
    before += element_header(PIXEL_DATA, "OB", UNDEFINED) + _item(len(table)) + table
    behind = SEQUENCE_END + _behind(Path(path), source, arguments["behind"])
    return Reply({"before": len(before)}, before + behind)


def _behind(path: Path, source: str, offset: int) -> bytes:
    """The elements behind the pixels; a deflated data set has no offsets of its own."""
    if source == DEFLATED:
        return encoded(dcmread(path, force=True)[PIXEL_DATA + 1 :])
    with path.open("rb") as file:
        file.seek(offset)
        return rewrite_rest(file, source)


def _write_fragments(
    encoder: FrameEncoder, frames: Iterable[Pixels], output: BinaryIO
) -> tuple[list[int], list[int], int]:
    """One fragment a frame, of even length: offsets, true lengths, and the plain bytes."""
    offsets, lengths, plain_bytes = [], [], 0
    for pixels in frames:
        data, size = encoder.encode(pixels)
        plain_bytes += size
        offsets.append(output.tell())
        lengths.append(len(data))
        output.write(_item(len(data) + len(data) % 2) + data + b"\0" * (len(data) % 2))
    return offsets, lengths, plain_bytes


def _item(length: int) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, length)


def _append(dataset: Dataset, keyword: str, value: str) -> None:
    """One more value: an image may have been compressed with loss before."""
    held = dataset.get(keyword)
    values = [] if held in (None, "") else [held] if isinstance(held, str | float) else list(held)
    setattr(dataset, keyword, [*(str(one) for one in values), value])

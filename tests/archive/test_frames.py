"""A frame is found by its byte ranges, and its bytes are those that were sent."""

import io
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import pydicom_files, shared_files
from factories import ct_slice, encode
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from hounsfield.archive.errors import CannotUnderstand, HounsfieldError, NotFound
from hounsfield.archive.frames import FrameTable, read_frame
from hounsfield.archive.header import Header, read_header
from hounsfield.archive.inflate import inflate

END = b"\xff\xd9"


def frames_of(data: bytes) -> list[bytes]:
    """Every frame, through a table that has been written and read back."""
    header = read_header(data)
    table = table_of(header)
    view = memoryview(data)
    if header.transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
        view = memoryview(inflate(view[header.dataset_offset :]))
    numbers = range(1, table.number_of_frames + 1)
    return [bytes(read_frame(view, table.locate(number))) for number in numbers]


def table_of(header: Header) -> FrameTable:
    assert header.frame_table is not None
    again = FrameTable.decode(header.frame_table.encode())
    assert again == header.frame_table
    return again


def encapsulated(fragments: list[bytes], offsets: list[int] | None = None) -> bytes:
    """Fragments as items, behind a Basic Offset Table."""
    table = pack(f"<{len(offsets)}I", *offsets) if offsets else b""
    items = [table, *(f + b"\0" * (len(f) % 2) for f in fragments)]
    return b"".join(pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)


def compressed(
    pixel_data: bytes, frames: int, syntax: str = JPEGBaseline8Bit, **attributes: Any
) -> bytes:
    dataset = ct_slice(NumberOfFrames=frames, PixelData=pixel_data, **attributes)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    return encode(dataset)


def reference(dataset: Dataset, data: bytes) -> list[bytes]:
    """The frames as pydicom finds them, little endian and by plane where they are so."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        frames = int(dataset.get("NumberOfFrames", 1) or 1)
        return list(generate_frames(dataset.PixelData, number_of_frames=frames))
    frames_by_pydicom = []
    for array in iter_pixels(io.BytesIO(data), raw=True):
        frame = array
        if dataset.SamplesPerPixel > 1 and dataset.PlanarConfiguration == 1:
            frame = np.moveaxis(frame, 2, 0)
        if dataset.BitsAllocated == 1:
            frames_by_pydicom.append(np.packbits(frame.ravel(), bitorder="little").tobytes())
        else:
            frames_by_pydicom.append(frame.astype(frame.dtype.newbyteorder("<")).tobytes())
    return frames_by_pydicom


def compare_with_pydicom(paths: list[Path]) -> set[tuple[bool, str]]:
    kinds: set[tuple[bool, str]] = set()
    for path in paths:
        data = path.read_bytes()
        try:
            table = read_header(data).frame_table
            dataset = pydicom.dcmread(path)
            expected = reference(dataset, data)
        except (HounsfieldError, pydicom.errors.InvalidDicomError, AttributeError, ValueError):
            continue
        if table is None or dataset.PhotometricInterpretation == "YBR_FULL_422":
            continue  # pydicom's raw 4:2:2 is not what the object holds
        assert frames_of(data) == expected, path
        kinds.add((table.lengths is None, table.transform))
    return kinds


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_frames_are_those_that_pydicom_finds_in_its_files() -> None:
    found = compare_with_pydicom(pydicom_files())
    assert found >= {(True, "none"), (True, "swap16"), (True, "swap32"), (False, "none")}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_frames_are_those_that_pydicom_finds_in_real_files(shared_data: Path) -> None:
    assert compare_with_pydicom(shared_files(shared_data)) >= {(True, "none"), (False, "none")}


def test_a_native_frame_is_one_range_and_a_deflated_one_lies_in_the_inflated_data_set() -> None:
    dataset = ct_slice(NumberOfFrames=3, PixelData=bytes(range(256)) * 6)
    header = read_header(encode(dataset))
    location = table_of(header).locate(2)
    assert location.is_plain
    assert location.ranges[0][1] == location.length == 512
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert table_of(read_header(encode(dataset))).locate(2).transform == "inflate"
    assert frames_of(encode(dataset)) == [bytes(range(256)) * 2] * 3


@pytest.mark.parametrize("number", [0, -1, 4, 2**40])
def test_a_frame_that_is_not_there_is_not_found(number: int) -> None:
    table = table_of(read_header(encode(ct_slice(NumberOfFrames=3, PixelData=bytes(1536)))))
    with pytest.raises(NotFound):
        table.locate(number)


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), count=st.integers(1, 6), data=st.data())
def test_frames_of_one_bit_need_not_end_on_a_byte(
    rows: int, columns: int, count: int, data: st.DataObject
) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=rows * columns * count,
                              max_size=rows * columns * count))  # fmt: skip
    packed = np.packbits(bits, bitorder="little").tobytes()
    packed += b"\0" * (len(packed) % 2)
    for syntax, stored in ((None, packed), (ExplicitVRBigEndian, swap(packed))):
        dataset = ct_slice(rows, columns, NumberOfFrames=count, BitsAllocated=1, BitsStored=1,
                           HighBit=0, PixelData=stored)  # fmt: skip
        dataset["PixelData"].VR = "OW"
        if syntax:
            dataset.file_meta.TransferSyntaxUID = syntax
        for index, frame in enumerate(frames_of(encode(dataset))):
            part = bits[index * rows * columns : (index + 1) * rows * columns]
            assert frame == np.packbits(part, bitorder="little").tobytes()


def swap(words: bytes) -> bytes:
    return np.frombuffer(words, "<u2").byteswap().tobytes()


def test_bytes_in_big_endian_words_are_put_in_order_across_frames() -> None:
    frames = [bytes(range(n, n + 9)) for n in (0, 50, 100)]
    stored = b"".join(frames) + b"\0"
    dataset = ct_slice(3, 3, NumberOfFrames=3, BitsAllocated=8, BitsStored=8, HighBit=7,
                       PixelData=swap(stored))  # fmt: skip
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    assert frames_of(encode(dataset)) == frames


def test_uncompressed_422_has_two_samples_a_pixel() -> None:
    dataset = ct_slice(4, 4, BitsAllocated=8, SamplesPerPixel=3, NumberOfFrames=2,
                       PhotometricInterpretation="YBR_FULL_422", PixelData=bytes(64))  # fmt: skip
    assert [len(frame) for frame in frames_of(encode(dataset))] == [32, 32]


FRAMES = [b"\xff\xd8" + bytes([n]) * (2 * n + 2) + END for n in range(5)]


def test_without_a_table_one_fragment_is_one_frame() -> None:
    assert frames_of(compressed(encapsulated(FRAMES), 5)) == FRAMES
    assert frames_of(compressed(encapsulate(FRAMES, has_bot=True), 5)) == FRAMES


def test_without_a_table_all_fragments_are_the_only_frame() -> None:
    assert frames_of(compressed(encapsulated([b"ab", b"cd", b"ef"]), 1)) == [b"abcdef"]


def test_without_a_table_frames_end_with_their_end_marker() -> None:
    fragments = [b"ab", b"cd" + END, b"ef" + END, b"gh", b"ij", b"kl" + END + b"\0\0"]
    expected = [b"abcd" + END, b"ef" + END, b"ghijkl" + END + b"\0\0"]
    assert frames_of(compressed(encapsulated(fragments), 3)) == expected


def test_the_basic_offset_table_says_which_fragments_make_a_frame() -> None:
    fragments = [b"ab", b"cd", b"efgh", b"ij"]
    data = compressed(encapsulated(fragments, [0, 10, 32]), 3)
    assert frames_of(data) == [b"ab", b"cdefgh", b"ij"]


@pytest.mark.parametrize("offsets", [[0, 11, 32], [4, 10, 32], [0, 32, 10], [0, 10, 999], [0] * 9])
def test_an_offset_table_that_does_not_fit_is_not_believed(offsets: list[int]) -> None:
    fragments = [b"ab" + END, b"cd" + END, b"ef", b"gh" + END]
    data = compressed(encapsulated(fragments, offsets), 3)
    assert frames_of(data) == [b"ab" + END, b"cd" + END, b"efgh" + END]


def test_the_extended_offset_table_is_used_where_the_basic_one_is_empty() -> None:
    fragments = [b"ab", b"cd", b"efgh", b"ij"]
    data = compressed(
        encapsulated(fragments),
        3,
        ExtendedOffsetTable=pack("<3Q", 0, 10, 32),
        ExtendedOffsetTableLengths=pack("<3Q", 2, 6, 2),
    )
    assert frames_of(data) == [b"ab", b"cdefgh", b"ij"]


def test_frames_that_are_missing_are_not_listed_and_warned_of() -> None:
    header = read_header(compressed(encapsulated([b"ab", b"cd"]), 5, RLELossless))
    assert table_of(header).number_of_frames == 2
    assert "Number of Frames says 5" in header.warnings[0]


def test_fragments_that_are_cut_short_are_refused() -> None:
    data = compressed(encapsulated(FRAMES), 5)
    for cut in (9, 12, 20):
        with pytest.raises(CannotUnderstand):
            read_header(data[:-cut])


def test_a_missing_end_of_the_sequence_is_warned_of() -> None:
    header = read_header(compressed(encapsulated(FRAMES), 5)[:-8])
    assert table_of(header).number_of_frames == 5
    assert header.warnings


def test_compressed_pixel_data_without_a_fragment_are_refused() -> None:
    with pytest.raises(CannotUnderstand):
        read_header(compressed(encapsulated([]), 1))


def test_video_is_one_stream_whatever_the_number_of_frames() -> None:
    stream = [b"\0\0\1\xba" + bytes(20), bytes(30)]
    data = compressed(encapsulated(stream), 300, "1.2.840.10008.1.2.4.102")
    location = table_of(read_header(data)).locate(7)
    assert location.transform == "video"
    assert bytes(read_frame(memoryview(data), location)) == b"".join(stream)


def test_an_impossible_frame_size_gives_no_table_but_a_warning() -> None:
    for attributes in ({"BitsAllocated": 7}, {"BitsAllocated": 0}, {"Rows": 0}, {"Columns": None}):
        header = read_header(encode(ct_slice(**attributes, PixelData=bytes(512))))
        assert header.frame_table is None
        assert header.warnings


def test_object_without_pixels_has_no_frames() -> None:
    dataset = ct_slice()
    del dataset.PixelData
    assert read_header(encode(dataset)).frame_table is None

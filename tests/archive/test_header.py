"""A header is read once, from any bytes, and says what is in them or why it cannot."""

import mmap
import time
import tracemalloc
import zlib
from pathlib import Path
from struct import pack

import orjson
import psutil
import pytest
from dicom_files import data_sets, document, metadata, pydicom_files, shared_files
from factories import ct_slice, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from hounsfield.archive.errors import (
    CannotUnderstand,
    HounsfieldError,
    TooLarge,
    TransferSyntaxNotSupported,
)
from hounsfield.archive.fallback import read_tolerantly
from hounsfield.archive.file_meta import encode_file_meta
from hounsfield.archive.frames import read_frame
from hounsfield.archive.header import read_header
from hounsfield.archive.inflate import inflate
from hounsfield.archive.scanned import Limits, Unusual
from hounsfield.archive.scanner import scan

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


def in_syntax(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    return encode(dataset)


def explicit(tag: int, vr: bytes, value: bytes) -> bytes:
    long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT")
    head = pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + (pack("<HI", 0, len(value)) if long else pack("<H", len(value))) + value


def meta(transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    return encode_file_meta("1.2.840.10008.5.1.4.1.1.7", "1.2.3", transfer_syntax_uid)


IDENTITY = (
    explicit(0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0")
    + explicit(0x00080018, b"UI", b"1.2.3\0")
    + explicit(0x0020000D, b"UI", b"1.2.4\0")
    + explicit(0x0020000E, b"UI", b"1.2.5\0")
)


def test_the_index_attributes_are_those_of_the_data_set() -> None:
    dataset = ct_slice(PatientName="Äpfel^Ünal", BodyPartExamined="CHEST", SeriesNumber=7)
    header = read_header(encode(dataset))
    assert header.sop_instance_uid == dataset.SOPInstanceUID
    assert header.study_instance_uid == dataset.StudyInstanceUID
    assert header.series_instance_uid == dataset.SeriesInstanceUID
    assert header.sop_class_uid == dataset.SOPClassUID
    assert header.attributes["patient_name"] == "Äpfel^Ünal"
    assert header.attributes["body_part_examined"] == "CHEST"
    assert header.attributes["series_number"] == "7"
    assert (header.rows, header.columns, header.bits_allocated) == (16, 16, 16)
    assert header.number_of_frames == 1


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_uncompressed_syntax_gives_the_same_metadata_and_pixels(syntax: str) -> None:
    dataset = ct_slice(SmallestImagePixelValue=3, RescaleSlope="1.50")
    block = dataset.private_block(0x0009, "HOUNSFIELD TEST", create=True)
    block.add_new(1, "FL", [1.5, 2.5])
    reference = read_header(encode(dataset))
    pixels = dataset.PixelData
    if syntax == ExplicitVRBigEndian:
        swapped = memoryview(pixels).cast("H").tolist()
        dataset.PixelData = pack(f">{len(swapped)}H", *swapped)
    data = in_syntax(dataset, syntax)
    header = read_header(data)
    found, expected = metadata(header), metadata(reference)
    if syntax == ImplicitVRLittleEndian:  # it cannot carry the VR of a private element
        assert found.pop("00091001")["vr"] == "UN"
        del expected["00091001"]
    assert found == expected
    assert header.frame_table is not None
    view = memoryview(data)
    if syntax == DeflatedExplicitVRLittleEndian:
        view = memoryview(inflate(view[header.dataset_offset :]))
    assert bytes(read_frame(view, header.frame_table.locate(1))) == pixels


def test_the_data_set_begins_where_the_file_meta_ends() -> None:
    bare = IDENTITY
    header = read_header(meta() + bare)
    assert (meta() + bare)[header.dataset_offset :] == bare
    assert header.transfer_syntax_uid == ExplicitVRLittleEndian


def test_search_attributes_of_a_level_are_there_even_when_the_data_set_has_none() -> None:
    header = read_header(meta() + IDENTITY)
    study = orjson.loads(b"{" + header.study_json + b"}")
    assert study["00100010"] == {"vr": "PN"}
    assert study["0020000D"] == {"vr": "UI", "Value": ["1.2.4"]}
    assert list(study) == sorted(study)
    series = orjson.loads(b"{" + header.series_json + b"}")
    assert series["00080060"] == {"vr": "CS"}
    instance = orjson.loads(b"{" + header.instance_json + b"}")
    assert instance["00080018"]["Value"] == ["1.2.3"]
    assert "00280010" not in instance


def test_large_values_of_one_instance_are_no_attributes_of_its_study() -> None:
    photo = Dataset()
    photo.PixelData = bytes(5000)
    photo["PixelData"].VR = "OW"
    dataset = ct_slice(ReferencedPatientPhotoSequence=[photo], PatientComments="kept")
    header = read_header(encode(dataset))
    assert b"\xff" not in header.study_json + header.series_json + header.instance_json
    assert b"kept" in header.study_json
    assert "00101100/0/7FE00010" in header.bulkdata.locations


@pytest.mark.parametrize("tag", [0x00080016, 0x00080018, 0x0020000D, 0x0020000E])
@pytest.mark.parametrize("value", [None, b"", b"1.2." + b"3" * 61, b"../../x", b"1..2", b"1.2."])
def test_an_instance_without_a_valid_uid_is_refused_by_tag(tag: int, value: bytes | None) -> None:
    uids = {0x00080016: b"1.2", 0x00080018: b"1.3", 0x0020000D: b"1.4", 0x0020000E: b"1.5"}
    uids |= {} if value is None else {tag: value}
    kept = {t: uid for t, uid in uids.items() if t != tag or value is not None}
    body = b"".join(explicit(t, b"UI", uid + b"\0" * (len(uid) % 2)) for t, uid in kept.items())
    with pytest.raises(CannotUnderstand) as caught:
        read_header(meta() + body)
    assert caught.value.offending_tags == (tag,)


def test_a_uid_with_padding_or_a_leading_zero_is_let_pass() -> None:
    body = IDENTITY.replace(b"1.2.4\0", b"1.02.4").replace(b"1.2.5\0", b"1.2.5 ")
    header = read_header(meta() + body)
    assert header.study_instance_uid == "1.02.4"
    assert header.series_instance_uid == "1.2.5"


def with_patient(*elements: bytes) -> bytes:
    """An object with these elements where the Patient module belongs."""
    study = b"\x20\x00\x0d\x00"
    return meta() + IDENTITY.replace(study, b"".join(elements) + study)


def test_control_characters_do_not_reach_the_index() -> None:
    data = with_patient(explicit(0x00100010, b"PN", b"A\0B\x1b[31m^C\r\n"))
    assert read_header(data).attributes["patient_name"] == "AB[31m^C"


def test_a_value_of_megabytes_is_cut_in_the_index() -> None:
    header = read_header(encode(ct_slice(StudyDescription="ü" * 30_000)))
    assert 0 < len(header.attributes["study_description"].encode()) <= 10_000


def test_what_calls_itself_explicit_and_is_implicit_is_read_as_what_it_is() -> None:
    data = in_syntax(ct_slice(), ImplicitVRLittleEndian)
    header = read_header(meta() + data[read_header(data).dataset_offset :])
    assert header.transfer_syntax_uid == ImplicitVRLittleEndian
    assert header.warnings
    assert header.attributes["patient_name"] == "Doe^Jane"


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.7.1", "1.2.840.113619.5.2", "nonsense"]
)
def test_a_syntax_without_storable_pixels_is_refused(uid: str) -> None:
    with pytest.raises(TransferSyntaxNotSupported):
        read_header(meta(uid) + IDENTITY)


def test_without_preamble_a_data_set_is_read_and_anything_else_refused() -> None:
    data = encode(ct_slice())
    offset = read_header(data).dataset_offset
    assert read_header(data[128:]).attributes["patient_id"] == "P-1"
    assert read_header(data[132:]).attributes["patient_id"] == "P-1"
    assert read_header(data[offset:]).attributes["patient_id"] == "P-1"
    for junk in (b"", b"DICM", b"GET / HTTP/1.1\r\n\r\n", bytes(200), b"\xff\xd8" * 100):
        with pytest.raises(CannotUnderstand):
            read_header(junk)


def test_the_first_of_two_elements_with_one_tag_wins() -> None:
    first = explicit(0x00100020, b"LO", b"FIRST ")
    header = read_header(with_patient(first, explicit(0x00100020, b"LO", b"SECOND")))
    assert header.attributes["patient_id"] == "FIRST"
    assert metadata(header)["00100020"]["Value"] == ["FIRST"]


def test_elements_out_of_order_are_put_in_order() -> None:
    header = read_header(meta() + IDENTITY + explicit(0x00100020, b"LO", b"P1"))
    assert header.attributes["patient_id"] == "P1"
    assert list(metadata(header)) == sorted(metadata(header))


@pytest.mark.parametrize("cut", [1, 100, 511, 513])
def test_pixel_data_that_are_cut_short_are_refused(cut: int) -> None:
    data = encode(ct_slice())
    with pytest.raises(CannotUnderstand, match="cut short"):
        read_header(data[:-cut])


def test_pixel_data_too_short_for_their_frames_are_refused() -> None:
    dataset = ct_slice(PixelData=bytes(100))
    with pytest.raises(CannotUnderstand, match="100 bytes of 512"):
        read_header(encode(dataset))


def nested(depth: int, *, defined: bool) -> bytes:
    value = b""
    for _ in range(depth):
        if defined:
            item = pack("<HHI", 0xFFFE, 0xE000, len(value)) + value
            value = explicit(0x00081140, b"SQ", item)
        else:
            value = (
                pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
                + pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
                + value
                + pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
            )
    return value


@pytest.mark.parametrize("defined", [True, False])
def test_nesting_without_end_is_refused(defined: bool) -> None:
    read_header(meta() + nested(60, defined=defined) + IDENTITY)
    for depth in (65, 3000):
        data = meta() + nested(depth, defined=defined) + IDENTITY
        with pytest.raises(CannotUnderstand, match="nested deeper"):
            read_header(data)


def test_more_elements_than_the_limit_are_refused() -> None:
    many = b"".join(explicit(0x00190000 + n, b"LO", b"") for n in range(0x1000, 0x1100))
    data = meta() + IDENTITY + many
    assert read_header(data)
    with pytest.raises(TooLarge):
        read_header(data, limits=Limits(elements=200))
    with pytest.raises(TooLarge):
        read_header(encode(ct_slice(PatientComments="x" * 9000)), limits=Limits(inline_bytes=5000))


def test_a_deflated_bomb_is_refused_before_it_has_grown() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    data = meta(DeflatedExplicitVRLittleEndian) + bomb
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(TooLarge):
            read_header(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024
    assert time.perf_counter() - began < 2


def test_the_pixels_of_a_mapped_object_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.dcm"
    size = 2_000_000_000
    body = meta() + IDENTITY + pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size)
    with path.open("w+b") as file:
        file.write(body)
        file.truncate(len(body) + size)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            before = psutil.Process().memory_info().rss
            header = read_header(mapped)
            assert psutil.Process().memory_info().rss - before < 16 * 1024 * 1024
    assert header.bulkdata.locate("7FE00010").length == size


def both_engines(paths: list[Path]) -> int:
    compared = 0
    for path, view, start, encoding in data_sets(paths):
        try:
            scanned = scan(view, start, encoding)
            read = read_tolerantly(view, start, encoding)
        except (Unusual, HounsfieldError):
            continue
        assert document(scanned) == document(read), path
        assert list(scanned.members) == list(read.members), path
        assert scanned.bulk == read.bulk, path
        assert scanned.pixels == read.pixels, path
        assert scanned.offset_tables == read.offset_tables, path
        compared += 1
    return compared


def test_both_engines_read_pydicoms_files_alike() -> None:
    assert both_engines(pydicom_files()) > 100


def test_both_engines_read_real_files_alike(shared_data: Path) -> None:
    assert both_engines(shared_files(shared_data)) > 100


def test_the_scanner_reads_nearly_all_real_files_by_itself(shared_data: Path) -> None:
    files = [p for p in shared_files(shared_data) if "broken" not in p.parts]
    unusual = []
    for path, view, start, encoding in data_sets(files):
        try:
            scan(view, start, encoding)
        except Unusual:
            unusual.append(path)
    assert not unusual


def test_every_broken_file_gives_a_header_or_an_error_of_the_tree(shared_data: Path) -> None:
    outcomes = {True: 0, False: 0}
    for path in shared_files(shared_data / "broken"):
        try:
            read_header(path.read_bytes())
            outcomes[True] += 1
        except HounsfieldError as error:
            assert error.message
            outcomes[False] += 1
    assert outcomes[True] > 10
    assert outcomes[False] > 10


def _seeds() -> list[bytes]:
    seeds = [in_syntax(_rich(), syntax) for syntax in SYNTAXES]
    names = (
        "emri_small_jpeg_2k_lossless.dcm",
        "reportsi.dcm",
        "nested_priv_SQ.dcm",
        "UN_sequence.dcm",
    )
    return seeds + [p.read_bytes() for p in pydicom_files() if p.name in names]


def _rich() -> Dataset:
    item = Dataset()
    item.CodeValue = "1"
    item.RealWorldValueFirstValueMapped = 2
    return ct_slice(
        4,
        4,
        ReferencedImageSequence=[item, Dataset()],
        SmallestImagePixelValue=1,
        PixelData=bytes(32),
    )


SEEDS = _seeds()


@settings(max_examples=600, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_files_give_a_header_or_an_error_of_the_tree(data: st.DataObject) -> None:
    seed = bytearray(data.draw(st.sampled_from(SEEDS)))
    head = min(len(seed), 6000)
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, head - 1))
        width = data.draw(st.integers(0, 4))
        seed[at : at + width] = data.draw(st.binary(max_size=6))
    if data.draw(st.booleans()):
        del seed[data.draw(st.integers(0, len(seed))) :]
    _reads_or_refuses(bytes(seed))


@settings(max_examples=300, deadline=2000)
@given(body=st.binary(max_size=300), syntax=st.sampled_from(SYNTAXES), identity=st.booleans())
def test_any_bytes_give_a_header_or_an_error_of_the_tree(
    body: bytes, syntax: str, identity: bool
) -> None:
    _reads_or_refuses(meta(syntax) + (IDENTITY if identity else b"") + body)


def _reads_or_refuses(data: bytes) -> None:
    try:
        header = read_header(data)
    except HounsfieldError:
        return
    assert metadata(header)
    for level in (header.study_json, header.series_json, header.instance_json):
        assert orjson.loads(b"{" + level + b"}")
    assert not any("\0" in text for text in header.attributes.values())
    table = header.frame_table
    if table is not None and header.transfer_syntax_uid != DeflatedExplicitVRLittleEndian:
        for number in (1, table.number_of_frames):
            for offset, length in table.locate(number).ranges:
                assert 0 <= offset <= offset + length <= len(data)

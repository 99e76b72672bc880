"""Metadata are the DICOM JSON Model of PS3.18 Annex F: that text is the judge, not a library.

Conformance J1 to J5.
"""

import base64
import math
from decimal import Decimal
from pathlib import Path
from struct import pack
from typing import Any

import pydicom
import pytest
from dicom_files import data_sets, document, metadata, pydicom_files, shared_files
from factories import ct_slice, encode
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from hounsfield.archive.charset import decode_default, decoder
from hounsfield.archive.header import read_dataset, read_header
from hounsfield.archive.number_values import convert_decimal, convert_integer
from hounsfield.archive.values import CONVERTERS


def written(**attributes: Any) -> dict[str, Any]:
    return metadata(read_header(encode(ct_slice(**attributes))))


def value_of(vr: str, raw: bytes, order: str = "<") -> Any:
    return CONVERTERS[vr](raw, decode_default, order)


def test_keys_are_ascending_upper_case_and_without_group_two() -> None:
    keys = list(written())
    assert keys == sorted(keys)
    assert all(key == key.upper() and len(key) == 8 for key in keys)
    assert not any(key.startswith("0002") or key.endswith("0000") for key in keys)


def test_an_empty_element_has_a_vr_alone() -> None:
    found = written(PatientWeight="", ReferencedImageSequence=[], StudyDescription="")
    for key in ("00101030", "00081140", "00081030"):
        assert set(found[key]) == {"vr"}


def test_an_empty_value_among_others_is_null_and_an_empty_item_an_object() -> None:
    found = written(ImageType=["ORIGINAL", "", "AXIAL"], ReferencedImageSequence=[Dataset()])
    assert found["00080008"]["Value"] == ["ORIGINAL", None, "AXIAL"]
    assert found["00081140"]["Value"] == [{}]


def test_a_name_has_the_groups_that_are_not_empty() -> None:
    assert value_of("PN", b"Doe^J==yo ") == [{"Alphabetic": "Doe^J", "Phonetic": "yo"}]
    assert value_of("PN", b"A\\\\=B") == [{"Alphabetic": "A"}, None, {"Ideographic": "B"}]


def test_only_some_vrs_are_split_at_a_backslash() -> None:
    for vr in ("LT", "ST", "UT", "UR"):
        assert value_of(vr, rb"a\b ") == [r"a\b"]
    for vr in ("LO", "SH", "UC", "CS", "AE", "UI"):
        assert value_of(vr, rb"a\b ") == ["a", "b"]


def test_tags_and_numbers_are_read_in_the_byte_order_of_the_data_set() -> None:
    assert value_of("AT", b"\x10\x00\x20\x00") == ["00100020"]
    assert value_of("AT", b"\x00\x10\x00\x20", ">") == ["00100020"]
    assert value_of("US", b"\x01\x02\x03\x04", ">") == [0x102, 0x304]
    assert value_of("OW", b"\x01\x02", ">") == base64.b64encode(b"\x02\x01").decode()
    assert value_of("OB", b"\x01\x02", ">") == base64.b64encode(b"\x01\x02").decode()


def test_numbers_that_json_cannot_say_are_strings() -> None:
    floats = pack("<4d", math.nan, math.inf, -math.inf, 0.5)
    assert value_of("FD", floats) == ["NaN", "Infinity", "-Infinity", 0.5]
    assert value_of("UV", pack("<2Q", 2**64 - 1, 7)) == [str(2**64 - 1), 7]
    assert value_of("SV", pack("<q", -(2**63))) == [str(-(2**63))]
    assert value_of("IS", b"99999999999999999999") == ["99999999999999999999"]
    assert value_of("DS", b"nan\\1_0\\1e999\\0x1\\ 2 ") == ["nan", "1_0", "1e999", "0x1", 2.0]
    assert value_of("IS", b"+07\\1.5\\") == [7, "1.5", None]


decimals = st.text("0123456789.+-eE ", max_size=20) | st.decimals(
    allow_nan=False, allow_infinity=False
).map(str)


@given(decimals)
def test_a_decimal_string_never_loses_a_digit(text: str) -> None:
    values = convert_decimal(text.encode(), decode_default, "<") or [None]
    (value,) = values
    if isinstance(value, float):
        assert Decimal(repr(value)) == Decimal(text.strip())
    else:
        assert (value or "") == text.strip()


@given(st.text("0123456789.+-eE ", max_size=20))
def test_an_integer_string_never_loses_a_digit(text: str) -> None:
    (value,) = convert_integer(text.encode(), decode_default, "<") or [None]
    if isinstance(value, int):
        assert value == int(text)
        assert abs(value) < 2**63
    else:
        assert (value or "") == text.strip()


def test_bytes_that_are_not_of_their_vr_are_unknown_not_lost() -> None:
    data = encode(ct_slice()).replace(b"US\x02\x00\x10\x00", b"US\x01\x00\x10", 1)
    element = metadata(read_header(data))["00280010"]
    assert element == {"vr": "UN", "InlineBinary": base64.b64encode(b"\x10").decode()}


def test_binary_values_of_a_kilobyte_are_inline_and_larger_ones_given_by_uri() -> None:
    dataset = ct_slice()
    block = dataset.private_block(0x0009, "HOUNSFIELD TEST", create=True)
    block.add_new(1, "OB", bytes(1024))
    block.add_new(2, "OB", bytes(1026))
    block.add_new(3, "UN", b"abc\0")
    header = read_header(encode(dataset))
    found = metadata(header)
    instance = (
        f"http://host/studies/{header.study_instance_uid}/series/{header.series_instance_uid}"
        f"/instances/{header.sop_instance_uid}"
    )
    assert found["00090010"] == {"vr": "LO", "Value": ["HOUNSFIELD TEST"]}
    assert found["00091001"]["InlineBinary"] == base64.b64encode(bytes(1024)).decode()
    assert found["00091002"] == {"vr": "OB", "BulkDataURI": f"{instance}/bulkdata/00091002"}
    assert found["00091003"]["InlineBinary"] == base64.b64encode(b"abc\0").decode()
    assert found["7FE00010"]["BulkDataURI"] == f"{instance}/bulkdata/7FE00010"


def test_bulk_data_of_nested_and_private_elements_are_found_at_their_path() -> None:
    icon = Dataset()
    icon.PixelData = b"\x07" * 64
    icon["PixelData"].VR = "OW"
    inner = Dataset()
    block = inner.private_block(0x0011, "HOUNSFIELD TEST", create=True)
    block.add_new(5, "OB", b"\x09" * 3000)
    inner.IconImageSequence = [Dataset(), icon]
    data = encode(ct_slice(ReferencedImageSequence=[inner]))
    table = read_header(data).bulkdata
    private = table.locate("00081140/0/00111005")
    assert data[private.offset : private.offset + private.length] == b"\x09" * 3000
    pixels = table.locate("00081140/0/00880200/1/7FE00010")
    assert data[pixels.offset : pixels.offset + pixels.length] == b"\x07" * 64
    assert type(table).decode(table.encode()) == table


def test_big_endian_bulk_data_name_the_swap_that_they_need() -> None:
    dataset = ct_slice()
    block = dataset.private_block(0x0009, "HOUNSFIELD TEST", create=True)
    block.add_new(1, "OW", bytes(2048))
    block.add_new(2, "OB", bytes(2048))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    table = read_header(encode(dataset)).bulkdata
    assert table.locate("00091001").transform == "swap16"
    assert table.locate("00091002").transform == "none"


def test_elements_behind_the_pixel_data_are_metadata_too() -> None:
    dataset = ct_slice()
    dataset.DataSetTrailingPadding = bytes(8)
    assert written_keys(dataset)[-2:] == ["7FE00010", "FFFCFFFC"]


def written_keys(dataset: Dataset) -> list[str]:
    return list(metadata(read_header(encode(dataset))))


def test_many_frames_of_functional_groups_are_all_there() -> None:
    items = []
    for number in range(200):
        item = Dataset()
        item.SmallestImagePixelValue = number
        items.append(item)
    found = written(PerFrameFunctionalGroupsSequence=items)["52009230"]["Value"]
    assert [item["00280106"]["Value"] for item in found] == [[number] for number in range(200)]


CHARACTER_SETS = {
    "chrArab.dcm": "قباني^لنزار",
    "chrFren.dcm": "Buc^Jérôme",
    "chrGerm.dcm": "Äneas^Rüdiger",
    "chrGreek.dcm": "Διονυσιος",
    "chrH31.dcm": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "chrH32.dcm": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    "chrHbrw.dcm": "שרון^דבורה",
    "chrI2.dcm": "Hong^Gildong=洪^吉洞=홍^길동",
    "chrRuss.dcm": "Люкceмбypг",  # noqa: RUF001 - as the file has it
    "chrX1.dcm": "Wang^XiaoDong=王^小東",
    "chrX2.dcm": "Wang^XiaoDong=王^小东",
}


@pytest.mark.parametrize("name", CHARACTER_SETS)
def test_names_of_every_character_set_become_utf_8(shared_data: Path, name: str) -> None:
    header = read_header((shared_data / "charset" / name).read_bytes())
    assert header.attributes["patient_name"] == CHARACTER_SETS[name]
    assert metadata(header)["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


def test_a_backslash_inside_a_character_does_not_split_the_value() -> None:
    raw = "俓\\b".encode("gb18030")  # 俓 is 82 5C
    assert raw.count(b"\\") == 2
    assert CONVERTERS["LO"](raw, decoder(("GB18030",)), "<") == ["俓", "b"]


def test_an_item_inherits_the_character_set_and_may_change_it() -> None:
    russian = Dataset()
    russian.SpecificCharacterSet = "ISO_IR 144"
    russian.CodeMeaning = "Люк"
    inherits = Dataset()
    inherits.CodeMeaning = "Äpfel"
    dataset = ct_slice(SpecificCharacterSet="ISO_IR 100", PatientName="Öl")
    dataset.ReferencedImageSequence = [russian, inherits]
    found = metadata(read_header(encode(dataset)))
    first, second = found["00081140"]["Value"]
    assert first["00080104"]["Value"] == ["Люк"]
    assert first["00080005"]["Value"] == ["ISO_IR 192"]
    assert second == {"00080104": {"vr": "LO", "Value": ["Äpfel"]}}


def test_a_sender_cannot_name_a_codec_of_python() -> None:
    for name in ("punycode", "unicode_escape", "zlib", "utf-16"):
        assert decoder((name,))(b"abc\\u0041") == "abc\\u0041"


def normal(element: Any) -> Any:
    """What pydicom and Annex F agree on, in one form."""
    if isinstance(element, dict):
        if "BulkDataURI" in element or "InlineBinary" in element:
            return {"vr": element["vr"], "binary": True}
        if element.get("Value") == []:
            return {"vr": element["vr"]}
        return {k: normal(v) for k, v in element.items() if not k.endswith("0000")}
    if isinstance(element, list):
        return [normal(item) for item in element]
    if isinstance(element, float) and math.isnan(element):
        return "NaN"
    return (element.rstrip() or None) if isinstance(element, str) else element


IGNORED = {"00080005", "7FE00010"}
"""What we write for the character set, and pydicom's VR of encapsulated pixel data."""


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = (ours.keys() | theirs.keys()) - IGNORED
        # pydicom leaves out what it cannot write
        return [
            text
            for key in keys
            if key in theirs
            for text in differences(ours.get(key), theirs[key], f"{path}/{key}")
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = zip(ours, theirs, strict=True)
        return [text for a, b in pairs for text in differences(a, b, path)]
    return [] if ours == theirs else [f"{path}: {ours!r} != {theirs!r}"]


def compare_with_pydicom(paths: list[Path]) -> int:
    compared = 0
    for path, view, start, encoding in data_sets(paths):
        try:
            ours = document(read_dataset(view, start, encoding))
            theirs = pydicom.dcmread(path, force=True).to_json_dict(
                bulk_data_threshold=1024,
                bulk_data_element_handler=lambda _: "uri",
                suppress_invalid_tags=True,
            )
        except Exception:  # broken files: that both refuse them is not the point here
            continue
        assert not differences(normal(ours), normal(theirs)), path
        compared += 1
    return compared


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_metadata_agree_with_pydicom_on_its_own_files() -> None:
    assert compare_with_pydicom(pydicom_files()) > 100


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_metadata_agree_with_pydicom_on_real_files(shared_data: Path) -> None:
    files = [p for p in shared_files(shared_data) if "fuzz" not in p.parts]
    assert compare_with_pydicom([p for p in files if p.stat().st_size < 1_000_000]) > 70

"""multipart/related as DICOMweb clients write it (PS3.18 8.6.1.2; conformance N9, T8)."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.dicomweb.media_types import parse_media_type
from hounsfield.dicomweb.multipart import (
    MultipartReader,
    boundary_of,
    closing,
    content_type_of,
    part_head,
)
from hounsfield.dicomweb.problems import BadRequest

BOUNDARY = b"b0undary"


class Collected:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.parts: list[tuple[dict[str, str], bytes]] = []
        self.aborted = 0
        self._headers: dict[str, str] = {}
        self._data = bytearray()

    def begin(self, headers: dict[str, str]) -> None:
        self._headers, self._data = headers, bytearray()

    def data(self, data: memoryview) -> None:
        self._data += data

    def end(self) -> None:
        self.parts.append((self._headers, bytes(self._data)))

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted += 1


def read(body: bytes, cuts: list[int] | None = None) -> Collected:
    sink = Collected()
    reader = MultipartReader(BOUNDARY, sink)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts or []), len(body)]
    for start, end in itertools.pairwise(edges):
        reader.feed(body[start:end])
    reader.finish()
    return sink


def write(*parts: bytes) -> bytes:
    name = BOUNDARY.decode()
    heads = (
        part_head(name, "application/dicom", len(part), first=index == 0) + part
        for index, part in enumerate(parts)
    )
    return b"".join(heads) + closing(name)


# Bytes that look like delimiters, cut anywhere, are where parsers of this kind lose data.
NASTY = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", BOUNDARY[:4], b"\r\n--b0undar", b"x\0"]),
    max_size=12,
).map(b"".join)


@given(st.lists(NASTY | st.binary(max_size=64), max_size=4), st.lists(st.integers(0, 400)))
def test_parts_read_back_byte_for_byte_however_the_body_is_cut(
    parts: list[bytes], cuts: list[int]
) -> None:
    parts = [part.replace(b"\r\n--" + BOUNDARY, b"") for part in parts]
    found = read(write(*parts), cuts)
    assert [data for _, data in found.parts] == parts if parts else not found.parts
    assert found.aborted == 0


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_no_body_breaks_the_reader_but_as_a_bad_request(body: bytes, cuts: list[int]) -> None:
    for prefix in (b"", b"--" + BOUNDARY + b"\r\n", write(b"whole")[:-4]):
        try:
            read(prefix + body, cuts)
        except BadRequest:
            continue


def test_preamble_and_epilogue_are_passed_over() -> None:
    found = read(b"This is a multipart message.\r\n" + write(b"abc") + b"goodbye")
    assert [data for _, data in found.parts] == [b"abc"]


def test_a_body_that_ends_inside_a_part_gives_it_up() -> None:
    found = read(write(b"first", b"second")[:-20])
    assert [data for _, data in found.parts] == [b"first"]
    assert found.aborted == 1


def test_part_headers_come_in_lower_case() -> None:
    body = b"--b0undary\r\nContent-TYPE: application/dicom\r\nX-Y:  z \r\n\r\nabc\r\n--b0undary--"
    ((headers, data),) = read(body).parts
    assert headers == {"content-type": "application/dicom", "x-y": "z"}
    assert data == b"abc"


def test_a_long_preamble_without_a_boundary_is_refused() -> None:
    with pytest.raises(BadRequest, match="boundary"):
        read(b"x" * 100_000)


@pytest.mark.parametrize(
    "content_type",
    ["multipart/related", 'multipart/related; boundary=""', "multipart/related; boundary=a\u00e9",
     f"multipart/related; boundary={'x' * 71}", 'multipart/related; boundary="a "'],
)  # fmt: skip
def test_a_content_type_without_a_valid_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BadRequest, match="boundary"):
        boundary_of(parse_media_type(content_type))


def test_what_we_write_names_type_and_boundary_as_the_standard_does() -> None:
    assert (
        content_type_of("application/dicom", "abc")
        == b'multipart/related; type="application/dicom"; boundary=abc'
    )

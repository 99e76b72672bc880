"""Accept and Content-Type (PS3.18 8.7, conformance N1 to N5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from hounsfield.dicomweb.media_types import (
    DICOM_JSON,
    JSON,
    OCTET_STREAM,
    accepted,
    choose,
    parse_accept,
    parse_media_type,
)
from hounsfield.dicomweb.problems import NotAcceptable, UnsupportedMediaType

OHIF_SEARCH = "application/dicom+json, multipart/related; type=application/octet-stream"
TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789+-.", min_size=1, max_size=12)


def a_request(accept: str | None, query: bytes = b"") -> Request:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    return Request({"type": "http", "headers": headers, "query_string": query})


@pytest.mark.parametrize(
    "text",
    [
        'multipart/related; type="application/dicom"; transfer-syntax=*',
        "Multipart/Related;TYPE=application/dicom;Transfer-Syntax=*",
        'multipart/related ; type = "application/dicom" ; transfer-syntax = "*"',
    ],
)
def test_quoted_and_unquoted_parameters_in_any_case_and_spacing_are_equal(text: str) -> None:
    (entry,) = parse_accept(text)
    assert (entry.name, entry.root, entry.transfer_syntax) == (
        "multipart/related",
        "application/dicom",
        "*",
    )


def test_a_better_weight_wins_and_equal_weights_keep_their_order() -> None:
    names = [e.name for e in parse_accept("a/a;q=0.2, b/b, c/c;q=0.5, d/d;q=0, e/e;q=1.000")]
    assert names == ["b/b", "e/e", "c/c", "a/a"]


def test_entries_that_nobody_can_make_are_passed_over() -> None:
    assert choose(a_request(f"nonsense, ;;, image/x/y, {OHIF_SEARCH}"), DICOM_JSON) == DICOM_JSON


def test_what_ohif_accepts_from_a_search_is_dicom_json() -> None:
    assert choose(a_request(OHIF_SEARCH), DICOM_JSON, JSON) == DICOM_JSON


@pytest.mark.parametrize("accept", ["text/html", "application/dicom+xml", "image/*", "junk"])
def test_a_request_that_takes_nothing_we_have_is_told_so(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r"application/dicom\+json"):
        choose(a_request(accept), DICOM_JSON)


@pytest.mark.parametrize("accept", [None, "", "*/*", "*", "application/*", "text/html, */*;q=0.1"])
def test_a_request_that_takes_anything_gets_the_default(accept: str | None) -> None:
    assert choose(a_request(accept), DICOM_JSON, JSON) == DICOM_JSON


def test_the_accept_parameter_wins_over_the_header() -> None:
    request = a_request("text/html", b"accept=application/json")
    assert choose(request, DICOM_JSON, JSON) == JSON


def test_a_comma_or_semicolon_inside_quotes_separates_nothing() -> None:
    parsed = parse_media_type('a/b; c="x,y;z=\\"w\\""; d=e')
    assert dict(parsed.parameters) == {"c": 'x,y;z="w"', "d": "e"}


def test_a_content_type_that_is_none_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        parse_media_type("")


@given(st.text(max_size=200))
def test_no_accept_header_breaks_the_parser(text: str) -> None:
    for entry in parse_accept(text):
        assert 0 < entry.weight <= 1
        assert entry.name.count("/") == 1


@given(TOKEN, TOKEN, st.dictionaries(TOKEN.filter(lambda t: t != "q"), st.text(max_size=20)))
def test_a_media_type_that_is_written_reads_back(
    kind: str, sub: str, parameters: dict[str, str]
) -> None:
    def quote(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = f"{kind}/{sub}" + "".join(f"; {k}={quote(v)}" for k, v in parameters.items())
    parsed = parse_media_type(text)
    assert parsed.name == f"{kind}/{sub}"
    assert dict(parsed.parameters) == parameters


def test_an_endless_accept_header_is_read_only_so_far() -> None:
    many = ", ".join(["a/b"] * 10_000)
    assert len(parse_accept(many)) < 2_000
    assert accepted(a_request(many + ", application/dicom+json"))


def test_octet_stream_in_a_multipart_is_told_from_a_single_part() -> None:
    (multipart,) = parse_accept(f'multipart/related; type="{OCTET_STREAM}"')
    (single,) = parse_accept(OCTET_STREAM)
    assert multipart.covers_multipart(OCTET_STREAM)
    assert not multipart.covers(OCTET_STREAM)
    assert single.covers(OCTET_STREAM)
    assert not single.covers_multipart(OCTET_STREAM)

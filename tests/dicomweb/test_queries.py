"""QIDO-RS parameters (PS3.18 8.3.4; conformance Q2, Q6, Q7)."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.archive.errors import InvalidQuery
from hounsfield.archive.search import Level, Match
from hounsfield.dicomweb.queries import parse_query


def parse(text: str) -> list[Match]:
    return list(parse_query(Level.STUDY, text.encode()).matches)


@pytest.mark.parametrize("name", ["PatientID", "00100020"])
def test_an_attribute_is_named_by_keyword_or_by_tag(name: str) -> None:
    """Q2 (8.3.4.1), with the three tests that follow."""
    assert parse(f"{name}=P-1") == [Match(("00100020",), "P-1")]


def test_lower_case_tags_are_tags() -> None:
    assert parse("0020000d=1.2") == [Match(("0020000D",), "1.2")]


@pytest.mark.parametrize(
    "name",
    [
        "RequestAttributesSequence.ScheduledProcedureStepID",
        "00400275.00400009",
        "RequestAttributesSequence.00400009",
    ],
)
def test_a_dotted_name_goes_through_sequences(name: str) -> None:
    assert parse(f"{name}=S1") == [Match(("00400275", "00400009"), "S1")]


def test_values_are_percent_decoded_utf8() -> None:
    assert parse("PatientName=%D0%9B%D1%8E%5E*") == [Match(("00100010",), "Лю^*")]


def test_uids_joined_with_a_backslash_stay_together_for_the_archive() -> None:
    assert parse("StudyInstanceUID=1.2%5C1.3") == [Match(("0020000D",), "1.2\\1.3")]


@pytest.mark.parametrize(
    "text",
    [
        "NoSuchAttribute=1",
        "0010002=1",
        "PatientID.=1",
        "includefield=NoSuchAttribute",
        "PatientID=1&PatientID=2",
        "PatientID=1&00100020=2",
        "limit=-1",
        "limit=1.5",
        "limit=",
        "limit=%D9%A3",
        "offset=x",
        "limit=1&limit=2",
        "fuzzymatching=maybe",
        "PatientName=a%00b",
        "PatientName=%FF",
        "&".join(f"includefield={n}" for n in range(600)),
        ".".join(["00400275"] * 9) + "=1",
    ],
)
def test_what_cannot_be_applied_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "includefield=00081030%2C00080060",
        "includefield=00081030,00080060",
        "includefield=StudyDescription&includefield=Modality",
        "includefield=00081030&includefield=Modality,",
    ],
)
def test_includefield_is_one_list_however_it_is_written(text: str) -> None:
    query = parse_query(Level.STUDY, text.encode())
    assert query.include == {"00081030", "00080060"}
    assert not query.include_all


def test_includefield_all_and_paging() -> None:
    query = parse_query(Level.SERIES, b"includefield=all&limit=101&offset=7", "1.2")
    assert query.include_all
    assert (query.limit, query.offset, query.study_instance_uid) == (101, 7, "1.2")


def test_what_mirrors_headers_is_no_attribute() -> None:
    assert parse("accept=application/json&charset=utf-8&fuzzymatching=true") == []


@given(st.binary(max_size=80))
def test_no_query_string_breaks_the_parser_but_as_an_invalid_query(data: bytes) -> None:
    for text in (data, quote(data).encode(), b"PatientID=" + quote(data).encode()):
        try:
            parse_query(Level.INSTANCE, text)
        except InvalidQuery:
            continue

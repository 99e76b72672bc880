"""QIDO-RS query parameters (PS3.18 8.3.4, 10.6.1) to the archive's typed query.

A name that is neither an attribute nor a parameter of the standard is refused: a filter that is
silently dropped shows the wrong patient's studies.
"""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from pydicom.datadict import tag_for_keyword

from hounsfield.archive.errors import InvalidQuery
from hounsfield.archive.search import Level, Match, Options, Query

MAX_FIELDS = 500
MAX_PATH = 8
TAG = re.compile(r"[0-9A-Fa-f]{8}")
UNSIGNED = re.compile(r"[0-9]{1,9}")
CONTROL = re.compile(r"[\x00-\x1a\x1c-\x1f\x7f]")
REPEATABLE = frozenset({"includefield"})
ELSEWHERE = frozenset({"accept", "charset"})
"""Parameters that mirror headers (8.3.3)."""
OPTIONS = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
"""Ways of matching (8.3.4.2, 8.3.4.5, 8.3.4.6)."""
PARAMETERS = REPEATABLE | ELSEWHERE | {"limit", "offset", *OPTIONS}


def parse_query(
    level: Level, query_string: bytes, study: str | None = None, series: str | None = None
) -> Query:
    """The query of one search request. Raises InvalidQuery."""
    fields = _fields(query_string)
    paging = {name: value for name, value in fields if name in {"limit", "offset"}}
    include, include_all = _include(value for name, value in fields if name == "includefield")
    return Query(
        level=level,
        matches=tuple(_matches(fields)),
        study_instance_uid=study,
        series_instance_uid=series,
        include=include,
        include_all=include_all,
        limit=_unsigned("limit", paging["limit"]) if "limit" in paging else None,
        offset=_unsigned("offset", paging.get("offset", "0")),
        options=Options(*(_flag(name, fields) for name in OPTIONS)),
    )


def parse_path(name: str) -> tuple[str, ...]:
    """An attribute as keyword, as tag, or as a path of either through sequences (8.3.4.1)."""
    parts = name.split(".")
    if len(parts) > MAX_PATH:
        raise InvalidQuery(f"{name[:80]!r} goes through too many sequences")
    return tuple(_tag(part) for part in parts)


def _fields(query_string: bytes) -> list[tuple[str, str]]:
    try:
        fields = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as error:
        raise InvalidQuery("the query string is not percent-encoded UTF-8") from error
    seen: set[str] = set()
    for name, value in fields:
        if CONTROL.search(name) or CONTROL.search(value):
            raise InvalidQuery("the query holds control characters")
        if name in seen and name not in REPEATABLE:
            raise InvalidQuery(f"{name[:80]!r} is given more than once")
        seen.add(name)
    return fields


def _matches(fields: Iterable[tuple[str, str]]) -> Iterable[Match]:
    paths: set[tuple[str, ...]] = set()
    for name, value in fields:
        if name in PARAMETERS:
            continue
        path = parse_path(name)
        if path in paths:
            raise InvalidQuery(f"{name!r} is given more than once")
        paths.add(path)
        yield Match(path, value)


def _include(values: Iterable[str]) -> tuple[frozenset[str], bool]:
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    tags = frozenset(parse_path(name)[0] for name in names if name != "all")
    return tags, "all" in names


def _tag(part: str) -> str:
    if TAG.fullmatch(part):
        return part.upper()
    # Some retired attributes have no keyword: an empty name is none of them.
    tag = tag_for_keyword(part) if part else None
    if tag is None:
        raise InvalidQuery(f"{part[:80]!r} is neither an attribute nor a parameter of a search")
    return f"{tag:08X}"


def _unsigned(name: str, value: str) -> int:
    if not UNSIGNED.fullmatch(value):
        raise InvalidQuery(f"{name} has to be a whole number, not {value[:40]!r}")
    return int(value)


def _flag(name: str, fields: Iterable[tuple[str, str]]) -> bool:
    value = dict(fields).get(name, "false").lower()
    if value not in {"true", "false"}:
        raise InvalidQuery(f"{name} is true or false, not {value[:40]!r}")
    return value == "true"

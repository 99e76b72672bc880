"""Writes the items of a search answer: what was made at ingest, and what the search counted."""

import secrets
from typing import Any

import orjson
from sqlalchemy import Row

from hounsfield.archive.metadata import BASE_URL, expand
from hounsfield.db.repositories.search import Level

Members = dict[str, Any]

# Stands for the base URL while an item is text; no sender can know it.
_BASE = secrets.token_hex(16)


def members(ready: bytes) -> Members:
    """The members of one level, parsed."""
    parsed: Members = orjson.loads(b"{" + ready + b"}")
    return parsed


def parse_metadata(kept: bytes) -> Members:
    """The whole kept metadata of an instance, parsed for :func:`write`."""
    parsed: Members = orjson.loads(expand(kept).replace(BASE_URL, _BASE.encode()))
    return parsed


def write(level: Level, row: Row[Any], extra: Members) -> bytes:
    """One DICOM JSON object, tags ascending, byte FF where the base URL goes."""
    item = _WRITERS[level](row) | extra
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS).replace(_BASE.encode(), BASE_URL)


def _study(row: Row[Any]) -> Members:
    modalities = sorted(row.modalities)
    return (
        members(row.study_attributes)
        | _where(f"/studies/{row.study_instance_uid}")
        | {
            "00080061": {"vr": "CS", "Value": modalities} if modalities else {"vr": "CS"},
            "00201206": {"vr": "IS", "Value": [row.series_count]},
            "00201208": {"vr": "IS", "Value": [row.instance_count]},
        }
    )


def _series(row: Row[Any]) -> Members:
    path = f"/studies/{row.study_instance_uid}/series/{row.series_instance_uid}"
    return (
        members(row.study_attributes)
        | members(row.series_attributes)
        | _where(path)
        | {"00201209": {"vr": "IS", "Value": [row.instance_count]}}
    )


def _instance(row: Row[Any]) -> Members:
    path = (
        f"/studies/{row.study_instance_uid}/series/{row.series_instance_uid}"
        f"/instances/{row.sop_instance_uid}"
    )
    return (
        members(row.study_attributes)
        | members(row.series_attributes)
        | members(row.instance_attributes)
        | _where(path)
    )


def _where(path: str) -> Members:
    return {
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00081190": {"vr": "UR", "Value": [_BASE + path]},
    }


_WRITERS = {Level.STUDY: _study, Level.SERIES: _series, Level.INSTANCE: _instance}

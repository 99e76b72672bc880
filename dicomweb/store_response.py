"""The Store Instances Response Module (PS3.18 10.5.3, Annex I) and the status that goes with it."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from hounsfield.archive.errors import (
    CannotUnderstand,
    DataSetMismatch,
    HounsfieldError,
    OutOfResources,
    Retriable,
    SOPClassNotSupported,
    TooLarge,
    TransferSyntaxNotSupported,
)
from hounsfield.archive.types import StoreResult

PROCESSING_FAILURE = 0x0110
COERCION = 0xB000
FAILURE_REASONS: dict[type[HounsfieldError], int] = {
    CannotUnderstand: 0xC000,
    DataSetMismatch: 0xA900,
    OutOfResources: 0xA700,
    SOPClassNotSupported: 0x0122,
    TooLarge: 0xA700,
    TransferSyntaxNotSupported: 0xC122,
}
ERROR_COMMENT_LENGTH = 64

Members = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """A part that was not stored, with the UIDs that could be read from it."""

    error: Exception
    sop_class_uid: str = ""
    sop_instance_uid: str = ""


def status_of_store(stored: Sequence[StoreResult], failures: Sequence[Failure]) -> HTTPStatus:
    """200 without a blemish, 202 with one, and what is wrong where nothing was stored."""
    if stored:
        clean = not failures and all(result.warning is None for result in stored)
        return HTTPStatus.OK if clean else HTTPStatus.ACCEPTED
    errors = [failure.error for failure in failures]
    if all(isinstance(error, Retriable) for error in errors):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if all(isinstance(error, TooLarge) for error in errors):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return HTTPStatus.CONFLICT


def response_dataset(
    service: str, stored: Sequence[StoreResult], failures: Sequence[Failure]
) -> Members:
    """The response as DICOM JSON."""
    named = [failure for failure in failures if failure.sop_class_uid and failure.sop_instance_uid]
    nameless = [failure for failure in failures if failure not in named]
    dataset: Members = {}
    studies = {result.study_instance_uid for result in stored}
    if len(studies) == 1:
        dataset["00081190"] = _value("UR", f"{service}/studies/{studies.pop()}")
    if named:
        dataset["00081198"] = _items([_failed(failure) for failure in named])
    if stored:
        dataset["00081199"] = _items([_referenced(service, result) for result in stored])
    if nameless:
        dataset["0008119A"] = _items([_reason(failure.error) for failure in nameless])
    return dataset


def _referenced(service: str, result: StoreResult) -> Members:
    url = (
        f"{service}/studies/{result.study_instance_uid}/series/{result.series_instance_uid}"
        f"/instances/{result.sop_instance_uid}"
    )
    item = _names(result.sop_class_uid, result.sop_instance_uid)
    item["00081190"] = _value("UR", url)
    if result.warning is not None:
        item["00081196"] = _value("US", COERCION)
    return item


def _failed(failure: Failure) -> Members:
    return _names(failure.sop_class_uid, failure.sop_instance_uid) | _reason(failure.error)


def _names(sop_class_uid: str, sop_instance_uid: str) -> Members:
    return {
        "00081150": _value("UI", sop_class_uid),
        "00081155": _value("UI", sop_instance_uid),
    }


def _reason(error: Exception) -> Members:
    """Failure Reason for machines; for people the message, cut to fit Error Comment (LO).

    The items of Failed Attributes Sequence, read one after the other, are the whole message.
    """
    known = isinstance(error, HounsfieldError)
    message = str(error) if known else "processing failed; the server's log says more"
    comments = textwrap.wrap(message, ERROR_COMMENT_LENGTH)
    reason = next(
        (FAILURE_REASONS[kind] for kind in type(error).__mro__ if kind in FAILURE_REASONS),
        PROCESSING_FAILURE,
    )
    return {
        "00081197": _value("US", reason),
        "00741048": _items([{"00000902": _value("LO", comment)} for comment in comments]),
    }


def _value(vr: str, value: str | int) -> Members:
    return {"vr": vr, "Value": [value]}


def _items(items: list[Members]) -> Members:
    return {"vr": "SQ", "Value": items}

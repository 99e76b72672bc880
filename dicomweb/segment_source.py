"""Which image a frame of a segmentation was drawn on (PS3.3 C.8.20, C.7.6.16.2.6)."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from hounsfield.archive.errors import NotFound
from hounsfield.archive.metadata import BASE_URL
from hounsfield.archive.retrieve import StoredInstance, find_instances, read_metadata

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

Members = dict[str, Any]

PER_FRAME, SHARED = "52009230", "52009229"
DERIVATION_IMAGE, SOURCE_IMAGE = "00089124", "00082112"
REFERENCED_SERIES, SERIES_UID = "00081115", "0020000E"
SOP_INSTANCE, REFERENCED_SOP, REFERENCED_FRAME = "00080018", "00081155", "00081160"
PLANE_POSITION, POSITION = "00209113", "00200032"
PLANE_ORIENTATION, ORIENTATION = "00209116", "00200037"
FARTHEST_MM, PARALLEL = 10.0, 0.99

Source = tuple[StoredInstance, int]
"""An image and the number of its frame."""


async def source_of(archive: "Archive", instance: StoredInstance, frame: int) -> Source | None:
    """The source image of a segmentation's frame; None where it is not stored here."""
    names = (instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)
    (segmentation,) = parse_metadata(await read_metadata(archive, *names))
    groups = _groups(segmentation, frame)
    referenced = list(dict.fromkeys(_referenced(groups)))
    named = await _named(archive, referenced)
    if named and (len(referenced) == 1 or not _has_place(groups)):
        return named
    return await _by_place(archive, instance.study_instance_uid, segmentation, groups) or named


async def _named(archive: "Archive", referenced: list[tuple[str, int]]) -> Source | None:
    """The first image that the frame names and that is stored.

    A frame may name all images that it was made from: then its place tells which it lies on.
    """
    for uid, number in referenced:
        try:
            (found,) = await find_instances(archive, None, None, uid)
        except NotFound:
            continue
        return found, number
    return None


async def _by_place(
    archive: "Archive", study: str, segmentation: Members, groups: list[Members]
) -> Source | None:
    """The nearest parallel plane of the referenced series."""
    for item in items_of(segmentation, REFERENCED_SERIES):
        series = first_value(item, SERIES_UID)
        if not series:
            continue
        try:
            images = parse_metadata(await read_metadata(archive, study, series))
        except NotFound:
            continue
        nearest = _nearest(images, groups)
        if nearest is not None:
            (found,) = await find_instances(archive, study, series, nearest[0])
            return found, nearest[1]
    return None


def _nearest(images: list[Members], groups: list[Members]) -> tuple[str, int] | None:
    position = _numbers(groups, PLANE_POSITION, POSITION, 3)
    cosines = _numbers(groups, PLANE_ORIENTATION, ORIENTATION, 6)
    if position is None or cosines is None:
        return None
    normal = _cross(cosines[:3], cosines[3:])
    best: tuple[float, str, int] | None = None
    for image in images:
        for number in range(1, max(1, len(items_of(image, PER_FRAME))) + 1):
            holders = [*_groups(image, number), image]
            place = _numbers(holders, PLANE_POSITION, POSITION, 3)
            turn = _numbers(holders, PLANE_ORIENTATION, ORIENTATION, 6)
            if place is None or turn is None or not _parallel(turn, normal):
                continue
            offset = [a - b for a, b in zip(place, position, strict=True)]
            distance = abs(sum(a * b for a, b in zip(offset, normal, strict=True)))
            if best is None or distance < best[0]:
                best = (distance, first_value(image, SOP_INSTANCE), number)
    return best[1:] if best is not None and best[0] <= FARTHEST_MM else None


def parse_metadata(documents: list[bytes]) -> list[Members]:
    """Kept metadata as objects."""
    return [orjson.loads(document.replace(BASE_URL, b"")) for document in documents]


def _groups(members: Members, frame: int) -> list[Members]:
    return [*items_of(members, PER_FRAME)[frame - 1 : frame], *items_of(members, SHARED)[:1]]


def _referenced(groups: list[Members]) -> Iterator[tuple[str, int]]:
    for group in groups:
        for derivation in items_of(group, DERIVATION_IMAGE):
            for source in items_of(derivation, SOURCE_IMAGE):
                uid = first_value(source, REFERENCED_SOP)
                if uid:
                    yield uid, int(first_value(source, REFERENCED_FRAME) or 1)


def items_of(members: Members, tag: str) -> list[Members]:
    """The items of a sequence."""
    items: list[Members] = members.get(tag, {}).get("Value") or []
    return items


def first_value(members: Members, tag: str) -> Any:
    """The first value of an attribute; None where it has none."""
    values = members.get(tag, {}).get("Value") or [None]
    return values[0]


def _numbers(groups: list[Members], macro: str, tag: str, count: int) -> list[float] | None:
    """Values of a functional group, or of the data set of an image with one frame."""
    for group in groups:
        holder = next(iter(items_of(group, macro)), group)
        values = holder.get(tag, {}).get("Value") or []
        if len(values) == count:
            try:
                return [float(value) for value in values]
            except (TypeError, ValueError):
                continue
    return None


def _has_place(groups: list[Members]) -> bool:
    return _numbers(groups, PLANE_POSITION, POSITION, 3) is not None


def _parallel(cosines: list[float], normal: list[float]) -> bool:
    other = _cross(cosines[:3], cosines[3:])
    return abs(sum(a * b for a, b in zip(other, normal, strict=True))) > PARALLEL


def _cross(a: list[float], b: list[float]) -> list[float]:
    cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    length = math.hypot(*cross) or 1.0
    return [part / length for part in cross]

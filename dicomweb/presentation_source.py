"""The images that a presentation state is for (PS3.3 C.11.11)."""

from typing import TYPE_CHECKING

from hounsfield.archive.errors import NotFound
from hounsfield.archive.retrieve import StoredInstance, find_instances, read_metadata
from hounsfield.dicomweb.segment_source import (
    REFERENCED_FRAME,
    REFERENCED_SERIES,
    REFERENCED_SOP,
    Source,
    first_value,
    items_of,
    parse_metadata,
)

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

REFERENCED_IMAGE = "00081140"
MOST = 1000


async def presented_images(archive: "Archive", state: StoredInstance) -> list[Source]:
    """Those of them that are stored, each with a number for every frame that is named."""
    uids = (state.study_instance_uid, state.series_instance_uid, state.sop_instance_uid)
    (members,) = parse_metadata(await read_metadata(archive, *uids))
    found: list[Source] = []
    for series in items_of(members, REFERENCED_SERIES):
        for reference in items_of(series, REFERENCED_IMAGE):
            uid = first_value(reference, REFERENCED_SOP)
            try:
                (image,) = await find_instances(archive, None, None, uid or "0")
            except NotFound:
                continue
            frames = reference.get(REFERENCED_FRAME, {}).get("Value") or [1]
            found += [(image, int(number)) for number in frames]
    return found[:MOST]

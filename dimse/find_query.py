"""The identifier of a C-FIND to the archive's typed query, and what goes back (PS3.4 C.4.1, C.2.2).

A key with a value is matched, a key without one is returned; optional keys that nothing here is
indexed by are passed over and the answer says so (FF01). A value that is none of its VR, and a
key that belongs to a lower level, are errors: a filter is not dropped silently.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from hounsfield.archive.attributes import SERIES, STUDY
from hounsfield.archive.dicom_json import Members
from hounsfield.archive.errors import DataSetMismatch
from hounsfield.archive.index_text import without_controls
from hounsfield.archive.matches import COMPUTED, Matched
from hounsfield.archive.matching import ORDER, SEARCHABLE
from hounsfield.archive.search import Level, Match, Options, Query
from hounsfield.dimse.identifier import Identifier, text_of
from hounsfield.dimse.information_model import (
    QUERY_RETRIEVE_LEVEL,
    SERIES_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    keys_above,
    level_of,
    one_item,
)
from hounsfield.dimse.negotiation import (
    COMBINED_DATETIME,
    EMPTY_VALUES,
    FUZZY,
    MULTIPLE_VALUES,
    RELATIONAL,
    TIMEZONE,
)

CHARACTER_SET = "00080005"
RETRIEVE_AE_TITLE = "00080054"
INSTANCE_AVAILABILITY = "00080056"
TIMEZONE_OFFSET = "00080201"
NOT_KEYS = frozenset((CHARACTER_SET, QUERY_RETRIEVE_LEVEL, RETRIEVE_AE_TITLE))
NOT_MATCHED = NOT_KEYS | {INSTANCE_AVAILABILITY}
ONLINE = {"vr": "CS", "Value": ["ONLINE"]}
PATIENT_GROUP = "0010"


@dataclass(frozen=True, slots=True)
class Asked:
    """A C-FIND, understood."""

    kind: Matched
    query: Query
    returned: Members
    """The keys that go back: empty elements, or a sequence with the keys of its item."""
    fixed: Members
    """What is the same in every answer."""
    lacks_keys: bool
    """Some of the keys cannot be returned at this level."""

    @property
    def wanted(self) -> list[str]:
        """The attributes that are needed of a match."""
        return list(self.returned)

    def answer(self, match: Members) -> Members:
        """What goes back of a match: every key, without a value where it has none."""
        return {
            tag: _returned(match[tag], key) if tag in match else key
            for tag, key in self.returned.items()
        }


def parse_find(identifier: Identifier, sop_class_uid: str, options: Collection[int]) -> Asked:
    """Understand an identifier. Raises DataSetMismatch and InvalidQuery."""
    kind = level_of(identifier, sop_class_uid)
    relational = RELATIONAL in options
    above = keys_above(identifier, sop_class_uid, kind, relational=relational)
    scope: dict[str, str] = {} if relational else above
    matches = tuple(
        match
        for match in _matches(identifier.members, with_offset=TIMEZONE in options)
        if match.path[0] not in scope or match.path[0] not in _SCOPES
    )
    _check_levels(matches, kind)
    keys = identifier.members.keys() - NOT_KEYS - {INSTANCE_AVAILABILITY}
    returned = {tag for tag in keys if _is_returned(tag, kind)}
    return Asked(
        kind=kind,
        query=Query(
            level=Level.STUDY if kind == "patient" else kind,
            matches=matches,
            study_instance_uid=scope.get(STUDY_INSTANCE_UID),
            series_instance_uid=scope.get(SERIES_INSTANCE_UID),
            options=_options(options),
            optional_keys=True,
        ),
        returned={tag: _key(tag, identifier.members) for tag in sorted(returned)},
        fixed=_fixed(identifier),
        lacks_keys=returned != keys,
    )


_SCOPES = (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)


def _options(negotiated: Collection[int]) -> Options:
    return Options(
        fuzzy=FUZZY in negotiated,
        empty_values=EMPTY_VALUES in negotiated,
        multiple_values=MULTIPLE_VALUES in negotiated,
        combined_datetime=COMBINED_DATETIME in negotiated,
    )


def _matches(members: Members, *, with_offset: bool) -> Iterator[Match]:
    """The keys that have a value."""
    for tag, element in members.items():
        if tag in NOT_MATCHED or (tag == TIMEZONE_OFFSET and not with_offset):
            continue
        if element["vr"] == "SQ":
            for path, value in _item_matches(tag, element):
                yield Match(path, value)
        elif value := without_controls(text_of(element)):
            yield Match((tag,), value)


def _item_matches(tag: str, element: Members) -> Iterator[tuple[tuple[str, ...], str]]:
    for inner, nested in one_item(tag, element.get("Value", [])).items():
        if inner == CHARACTER_SET:
            continue
        if nested["vr"] == "SQ":
            yield from (((tag, *path), value) for path, value in _item_matches(inner, nested))
        elif value := without_controls(text_of(nested)):
            yield (tag, inner), value


def _check_levels(matches: tuple[Match, ...], kind: Matched) -> None:
    """A key with a value belongs to the level or to one above it (C.4.1.2.2.1)."""
    for match in matches:
        tag = match.path[0]
        known = SEARCHABLE.get(tag) if len(match.path) == 1 else None
        if known is None:
            continue
        if kind == "patient":
            fits = tag.startswith(PATIENT_GROUP)
        else:
            fits = ORDER.index(known.entity) <= ORDER.index(kind)
        if not fits:
            raise DataSetMismatch(
                f"({tag[:4]},{tag[4:]}) is no key of this level", offending_tags=(int(tag, 16),)
            )


def _is_returned(tag: str, kind: Matched) -> bool:
    if kind is Level.INSTANCE or tag in COMPUTED[kind]:
        return True
    if kind == "patient":
        return tag.startswith(PATIENT_GROUP) and tag in STUDY
    return tag in STUDY or (kind is Level.SERIES and tag in SERIES)


def _key(tag: str, members: Members) -> Members:
    """A key without its value; of a sequence the keys of its item."""
    vr = members[tag]["vr"]
    item = one_item(tag, members[tag].get("Value", [])) if vr == "SQ" else {}
    if not item:
        return {"vr": vr}
    return {"vr": vr, "Value": [{inner: _key(inner, item) for inner in item}]}


def _returned(found: Members, key: Members) -> Members:
    """Of a sequence, the attributes that were asked for in each item (C.2.2.2.6)."""
    if "Value" not in key or found["vr"] != "SQ":
        return found
    (wanted,) = key["Value"]
    items = [item or {} for item in found.get("Value", [])]
    return {
        "vr": "SQ",
        "Value": [
            {
                inner: _returned(item[inner], nested) if inner in item else nested
                for inner, nested in wanted.items()
                if inner != CHARACTER_SET
            }
            for item in items
        ],
    }


def _fixed(identifier: Identifier) -> Members:
    level = identifier.members[QUERY_RETRIEVE_LEVEL]
    if INSTANCE_AVAILABILITY not in identifier.members:
        return {QUERY_RETRIEVE_LEVEL: level}
    return {QUERY_RETRIEVE_LEVEL: level, INSTANCE_AVAILABILITY: ONLINE}

"""The information models of Query/Retrieve: levels, unique keys, and what may be asked at which
(PS3.4 C.3, C.4.1.2, C.6.1, C.6.2).
"""

from collections.abc import Mapping

from hounsfield.archive.errors import DataSetMismatch, InvalidQuery
from hounsfield.archive.matches import Matched
from hounsfield.archive.search import Level, Match, Query
from hounsfield.dimse.identifier import Identifier
from hounsfield.dimse.negotiation import PATIENT_ROOT

QUERY_RETRIEVE_LEVEL = "00080052"
PATIENT_ID = "00100020"
STUDY_INSTANCE_UID = "0020000D"
SERIES_INSTANCE_UID = "0020000E"
SOP_INSTANCE_UID = "00080018"

LEVELS: Mapping[str, Matched] = {
    "PATIENT": "patient",
    "STUDY": Level.STUDY,
    "SERIES": Level.SERIES,
    "IMAGE": Level.INSTANCE,
}
UNIQUE_KEYS: tuple[tuple[Matched, str], ...] = (
    ("patient", PATIENT_ID),
    (Level.STUDY, STUDY_INSTANCE_UID),
    (Level.SERIES, SERIES_INSTANCE_UID),
    (Level.INSTANCE, SOP_INSTANCE_UID),
)
"""From the top to the bottom."""

SEVERAL = frozenset("*?\\")


def level_of(identifier: Identifier, sop_class_uid: str) -> Matched:
    """The level that is asked for. Raises DataSetMismatch where the model has none such."""
    name = identifier.text(QUERY_RETRIEVE_LEVEL).strip()
    level = LEVELS.get(name)
    if level is None or (level == "patient" and sop_class_uid not in PATIENT_ROOT):
        raise DataSetMismatch(
            f"this information model has no level {name[:16]!r}",
            offending_tags=(int(QUERY_RETRIEVE_LEVEL, 16),),
        )
    return level


def keys_above(
    identifier: Identifier, sop_class_uid: str, level: Matched, *, relational: bool
) -> dict[str, str]:
    """The unique keys of the levels above, each with its single value (C.4.1.2.2.1).

    Raises DataSetMismatch where one is missing, unless relational queries were negotiated.
    """
    found = {}
    for above, tag in UNIQUE_KEYS:
        if above == level:
            break
        if above == "patient" and sop_class_uid not in PATIENT_ROOT:
            continue
        value = identifier.text(tag).strip()
        if value and SEVERAL.isdisjoint(value):
            found[tag] = value
        elif not relational:
            raise DataSetMismatch(
                f"unique key ({tag[:4]},{tag[4:]}) of a level above is needed, with one value",
                offending_tags=(int(tag, 16),),
            )
    return found


def one_item(tag: str, values: list[object]) -> dict[str, dict[str, object]]:
    """The item of a sequence in a query, if it has one (C.2.2.2.6). Raises InvalidQuery."""
    if len(values) > 1:
        raise InvalidQuery(
            f"sequence ({tag[:4]},{tag[4:]}) of a query has one item",
            offending_tags=(int(tag, 16),),
        )
    return values[0] if values and isinstance(values[0], dict) else {}


def retrieve_query(identifier: Identifier, sop_class_uid: str, *, relational: bool) -> Query:
    """The instances that the identifier of a C-GET or C-MOVE names (C.4.2.2.1, C.4.3.2.1).

    It has the unique key of its level, with one UID or a list of them, and those above.
    """
    level = level_of(identifier, sop_class_uid)
    keys = keys_above(identifier, sop_class_uid, level, relational=relational)
    (own,) = (tag for named, tag in UNIQUE_KEYS if named == level)
    value = identifier.text(own).strip()
    unfit = SEVERAL if level == "patient" else SEVERAL - {"\\"}
    if not value or not unfit.isdisjoint(value):
        raise DataSetMismatch(
            f"unique key ({own[:4]},{own[4:]}) of the level is needed, without wildcards",
            offending_tags=(int(own, 16),),
        )
    study, series = (keys.pop(tag, None) for tag in (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID))
    return Query(
        Level.INSTANCE,
        tuple(Match((tag,), text) for tag, text in (*keys.items(), (own, value))),
        study,
        series,
    )

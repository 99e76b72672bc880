"""Matching keys (PS3.4 C.2.2.2): from what a client wrote to a condition on the index."""

import re
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag

from hounsfield.archive.errors import InvalidQuery
from hounsfield.db.repositories.search import Condition, Level

ORDER = (Level.STUDY, Level.SERIES, Level.INSTANCE)
LAST_OF_TIME = "235959.999999"


@dataclass(frozen=True, slots=True)
class Searchable:
    """Where a matching key lies in the index."""

    entity: Level
    column: str
    vr: str


SEARCHABLE: dict[str, Searchable] = {
    "00080020": Searchable(Level.STUDY, "study_date", "DA"),
    "00080030": Searchable(Level.STUDY, "study_time", "TM"),
    "00080050": Searchable(Level.STUDY, "accession_number", "SH"),
    "00080061": Searchable(Level.STUDY, "id", "MODALITIES"),
    "00080090": Searchable(Level.STUDY, "referring_physician_name_folded", "PN"),
    "00081030": Searchable(Level.STUDY, "study_description", "LO"),
    "00100010": Searchable(Level.STUDY, "patient_name_folded", "PN"),
    "00100020": Searchable(Level.STUDY, "patient_id", "LO"),
    "00100021": Searchable(Level.STUDY, "issuer_of_patient_id", "LO"),
    "00100030": Searchable(Level.STUDY, "patient_birth_date", "DA"),
    "00100040": Searchable(Level.STUDY, "patient_sex", "CS"),
    "0020000D": Searchable(Level.STUDY, "study_instance_uid", "UI"),
    "00200010": Searchable(Level.STUDY, "study_id", "SH"),
    "00080060": Searchable(Level.SERIES, "modality", "CS"),
    "0008103E": Searchable(Level.SERIES, "series_description", "LO"),
    "00180015": Searchable(Level.SERIES, "body_part_examined", "CS"),
    "0020000E": Searchable(Level.SERIES, "series_instance_uid", "UI"),
    "00200011": Searchable(Level.SERIES, "series_number", "IS"),
    "00400244": Searchable(Level.SERIES, "performed_procedure_step_start_date", "DA"),
    "00400245": Searchable(Level.SERIES, "performed_procedure_step_start_time", "TM"),
    "00080016": Searchable(Level.INSTANCE, "sop_class_uid", "UI"),
    "00080018": Searchable(Level.INSTANCE, "sop_instance_uid", "UI"),
    "00200013": Searchable(Level.INSTANCE, "instance_number", "IS"),
}


def parse_match(level: Level, path: tuple[str, ...], value: str) -> Condition | None:
    """A condition; None for universal matching (an empty value, or an asterisk alone)."""
    name = ".".join(keyword_for_tag(tag) or tag for tag in path)
    found = SEARCHABLE.get(path[0]) if len(path) == 1 else None
    if found is None:
        raise InvalidQuery(f"{name} is not indexed: it cannot be searched for")
    if ORDER.index(found.entity) > ORDER.index(level):
        raise InvalidQuery(f"{name} is not an attribute of the {level.value} level")
    if value.strip("*") == "":
        return None
    operator, values = _PARSERS[found.vr](name, value)
    return Condition(found.entity, found.column, operator, values)  # type: ignore[arg-type]


def _uids(name: str, value: str) -> tuple[str, tuple[str, ...]]:
    """List of UID matching (C.2.2.2.2); PS3.18 8.3.4.1 separates by comma, DIMSE by backslash."""
    uids = tuple(uid.strip(" \0") for uid in re.split(r"[,\\]", value))
    if not all(re.fullmatch(r"[0-9.]{1,64}", uid) for uid in uids):
        raise InvalidQuery(f"{name}: {value!r} is not a list of UIDs")
    return "in", uids


def _codes(name: str, value: str) -> tuple[str, tuple[str, ...]]:
    values = tuple(part.strip(" ") for part in re.split(r"[,\\]", value))
    if any("*" in part or "?" in part for part in values):
        return "like", tuple(_pattern(part) for part in values)
    return "in", values


def _modalities(name: str, value: str) -> tuple[str, tuple[str, ...]]:
    """Modalities in Study: any of the values (C.3.4)."""
    operator, values = _codes(name, value)
    if operator == "like":
        raise InvalidQuery(f"{name} takes modalities without wildcards")
    return "modalities", values


def _text(name: str, value: str) -> tuple[str, tuple[str, ...]]:
    """Single value or wildcard matching (C.2.2.2.1, C.2.2.2.4)."""
    if "*" in value or "?" in value:
        return "like", (_pattern(value.strip(" ")),)
    return "in", (value.strip(" "),)


def _person_name(name: str, value: str) -> tuple[str, tuple[str, ...]]:
    """As text, but without regard to case (C.2.2.2.1); empty components do not count."""
    folded = value.strip(" ").casefold()
    if "*" in folded or "?" in folded:
        return "like", (_pattern(folded),)
    bare = _escape(folded.rstrip("^"))
    return "like", (bare, f"{bare}^", f"{bare}=%", f"{bare}^=%")


def _integer(name: str, value: str) -> tuple[str, tuple[str, ...]]:
    if not re.fullmatch(r" *[+-]?\d{1,12} *", value):
        raise InvalidQuery(f"{name}: {value!r} is not an integer")
    return "in", (str(int(value)),)


def _date(name: str, value: str) -> tuple[str, tuple[str, ...]]:
    """Range matching with open ends (C.2.2.2.5.1)."""
    found = re.fullmatch(r" *(\d{8})? *(-)? *(\d{8})? *", value)
    if found is None or not (found[1] or found[3]):
        raise InvalidQuery(f"{name}: {value!r} is not a date (YYYYMMDD) or a range of dates")
    if found[2] is None:
        return "in", (found[1],)
    return "range", (found[1] or "", found[3] or "")


def _time(name: str, value: str) -> tuple[str, tuple[str, ...]]:
    """Range matching; a bound that names no seconds means the whole minute (C.2.2.2.5.2)."""
    part = r"(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?"
    found = re.fullmatch(rf" *{part} *(-)? *{part} *", value)
    if found is None or not (found[1] or found[3]):
        raise InvalidQuery(f"{name}: {value!r} is not a time (HHMMSS) or a range of times")
    lower, upper = (found[1] or "", found[3] or "") if found[2] else (found[1], found[1])
    return "range", (lower, upper + LAST_OF_TIME[len(upper) :] if upper else "")


def _escape(value: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", value)


def _pattern(value: str) -> str:
    """An asterisk stands for any run of characters, a question mark for one."""
    return _escape(value).replace("*", "%").replace("?", "_")


_PARSERS = {
    "CS": _codes,
    "DA": _date,
    "IS": _integer,
    "LO": _text,
    "MODALITIES": _modalities,
    "PN": _person_name,
    "SH": _text,
    "TM": _time,
    "UI": _uids,
}

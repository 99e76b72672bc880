"""Matching keys (PS3.4 C.2.2.2): from what a client wrote to a condition on the index."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydicom.datadict import keyword_for_tag

from hounsfield.archive.errors import InvalidQuery
from hounsfield.archive.index_values import normal
from hounsfield.db.repositories.index_attributes import IndexAttribute
from hounsfield.db.repositories.search import (
    EMPTY,
    Condition,
    Level,
    Operator,
    Test,
    ValueCondition,
)

ORDER = (Level.STUDY, Level.SERIES, Level.INSTANCE)
LAST_OF_TIME = "235959.999999"
LAST_OF_MOMENT = "99991231235959.999999"
EMPTY_VALUE = '""'
MOST_WORDS = 8
PAIR = 2
DATES_AND_TIMES = (
    ("study_date", "study_time"),
    ("performed_procedure_step_start_date", "performed_procedure_step_start_time"),
)


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


@dataclass(frozen=True, slots=True)
class Options:
    """Ways of matching that a client asks for (PS3.18 8.3.4.2, 8.3.4.5, 8.3.4.6)."""

    fuzzy: bool = False
    empty_values: bool = False
    multiple_values: bool = False


LITERAL = Options()


def name_of(path: tuple[str, ...]) -> str:
    """A path in keywords, where its tags have some."""
    return ".".join(keyword_for_tag(tag) or tag for tag in path)


def parse_match(
    level: Level,
    path: tuple[str, ...],
    value: str,
    options: Options,
    indexed: Sequence[IndexAttribute],
) -> Condition | ValueCondition | None:
    """A condition; None for universal matching (an empty value, or an asterisk alone)."""
    name = name_of(path)
    if len(path) == 1 and (found := SEARCHABLE.get(path[0])) is not None:
        _check_level(name, found.entity, level)
        tests = parse_tests(name, found.vr, value, options)
        return Condition(found.entity, found.column, tests) if tests else None
    attribute = _administered(name, path, level, indexed)
    tests = parse_tests(name, attribute.vr, value, replace(options, fuzzy=False))
    if not tests:
        return None
    if attribute.state != "ready":
        raise InvalidQuery(f"{name} cannot be searched for yet: {attribute.progress}")
    return ValueCondition(Level(attribute.level), attribute.id, path, tests)


def _administered(
    name: str, path: tuple[str, ...], level: Level, indexed: Sequence[IndexAttribute]
) -> IndexAttribute:
    """The one of these attributes that is nearest to the level of the search."""
    found = [each for each in indexed if each.path == ".".join(path)]
    if not found:
        raise InvalidQuery(f"{name} is not indexed: it cannot be searched for")
    found.sort(key=lambda each: ORDER.index(Level(each.level)))
    fitting = [each for each in found if ORDER.index(Level(each.level)) <= ORDER.index(level)]
    if not fitting:
        _check_level(name, Level(found[0].level), level)
    return fitting[-1]


def _check_level(name: str, entity: Level, level: Level) -> None:
    if ORDER.index(entity) > ORDER.index(level):
        raise InvalidQuery(f"{name} is not an attribute of the {level.value} level")


def parse_tests(name: str, vr: str, value: str, options: Options) -> tuple[Test, ...]:
    """The tests of one key, any of which has to be true; none for universal matching."""
    if value.strip("*") == "":
        return ()
    multiple = options.multiple_values and vr != "UI"
    tests: list[Test] = []
    for part in value.split("\\") if multiple else [value]:
        if options.empty_values and part == EMPTY_VALUE:
            tests.append(EMPTY)
        elif not part:
            raise InvalidQuery(f"{name}: there is an empty value among several")
        elif part.strip("*") == "":
            return ()
        else:
            tests.append(Test(*_PARSERS[vr](name, part)))
            if options.fuzzy and vr == "PN" and (words := _words(part)):
                tests.append(Test("similar", words))
    return tuple(tests)


def combine(
    conditions: Sequence[Condition | ValueCondition],
) -> list[Condition | ValueCondition]:
    """Ranges of a date and of its time become one range (Combined Datetime Matching, C.2.2.2.5)."""
    combined = list(conditions)
    for date, time in DATES_AND_TIMES:
        pair = [
            each
            for column in (date, time)
            for each in combined
            if isinstance(each, Condition) and each.column == column
        ]
        if len(pair) == PAIR and all(_is_range(each.tests) for each in pair):
            moments = Test("moments", (*pair[0].tests[0].values, *pair[1].tests[0].values))
            combined = [each for each in combined if each not in pair]
            combined.append(Condition(pair[0].entity, date, (moments,)))
    return combined


def _is_range(tests: tuple[Test, ...]) -> bool:
    """One range. A time alone is one too, of its own length: it stays by itself."""
    if len(tests) != 1 or tests[0].operator != "range":
        return False
    lower, upper = tests[0].values
    return not lower or upper != lower + LAST_OF_TIME[len(lower) :]


def _words(value: str) -> tuple[str, ...]:
    """The words of a name as the index has them; wildcards say nothing to fuzzy matching."""
    parts = re.split(r"[\s^=,.'\\*?-]+", value.casefold())
    return tuple(dict.fromkeys(part for part in parts if part))[:MOST_WORDS]


Parsed = tuple[Operator, tuple[str, ...]]
"""How a value matches, and what it is held against."""


def _uids(name: str, value: str) -> Parsed:
    """List of UID matching (C.2.2.2.2); PS3.18 8.3.4.1 separates by comma, DIMSE by backslash."""
    uids = tuple(uid.strip(" \0") for uid in re.split(r"[,\\]", value))
    if not all(re.fullmatch(r"[0-9.]{1,64}", uid) for uid in uids):
        raise InvalidQuery(f"{name}: {value!r} is not a list of UIDs")
    return "in", uids


def _codes(name: str, value: str) -> Parsed:
    values = tuple(part.strip(" ") for part in re.split(r"[,\\]", value))
    if any("*" in part or "?" in part for part in values):
        return "like", tuple(_pattern(part) for part in values)
    return "in", values


def _modalities(name: str, value: str) -> Parsed:
    """Modalities in Study: any of the values (C.3.4)."""
    operator, values = _codes(name, value)
    if operator == "like":
        raise InvalidQuery(f"{name} takes modalities without wildcards")
    return "modalities", values


def _text(name: str, value: str) -> Parsed:
    """Single value or wildcard matching (C.2.2.2.1, C.2.2.2.4)."""
    if "*" in value or "?" in value:
        return "like", (_pattern(value.strip(" ")),)
    return "in", (value.strip(" "),)


def _person_name(name: str, value: str) -> Parsed:
    """As text, but without regard to case (C.2.2.2.1); empty components do not count."""
    folded = value.strip(" ").casefold()
    if "*" in folded or "?" in folded:
        return "like", (_pattern(folded),)
    bare = _escape(folded.rstrip("^"))
    return "like", (bare, f"{bare}^", f"{bare}=%", f"{bare}^=%")


def _integer(name: str, value: str) -> Parsed:
    if not re.fullmatch(r" *[+-]?\d{1,12} *", value):
        raise InvalidQuery(f"{name}: {value!r} is not an integer")
    return "in", (str(int(value)),)


def _date(name: str, value: str) -> Parsed:
    """Range matching with open ends (C.2.2.2.5.1)."""
    found = re.fullmatch(r" *(\d{8})? *(-)? *(\d{8})? *", value)
    if found is None or not (found[1] or found[3]):
        raise InvalidQuery(f"{name}: {value!r} is not a date (YYYYMMDD) or a range of dates")
    if found[2] is None:
        return "in", (found[1],)
    return "range", (found[1] or "", found[3] or "")


def _time(name: str, value: str) -> Parsed:
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


def _moment(name: str, value: str) -> Parsed:
    """Range matching of DT (C.2.2.2.5.3); offsets from UTC are compared as they are written."""
    part = r"(\d{4}(?:\d{2}){0,5}(?:\.\d{1,6})?)?"
    found = re.fullmatch(rf" *{part} *(-)? *{part} *", value)
    if found is None or not (found[1] or found[3]):
        raise InvalidQuery(f"{name}: {value!r} is not a date with time, or a range of them")
    lower, upper = (found[1] or "", found[3] or "") if found[2] else (found[1], found[1])
    return "range", (lower, upper + LAST_OF_MOMENT[len(upper) :] if upper else "")


def _number(name: str, value: str) -> Parsed:
    """By what the number is, not by how it is written (C.2.2.2.1)."""
    if (number := normal("DS", value)) is None:
        raise InvalidQuery(f"{name}: {value!r} is not a number")
    return "in", (number,)


def _tag(name: str, value: str) -> Parsed:
    if not re.fullmatch(r"[0-9A-Fa-f]{8}", value):
        raise InvalidQuery(f"{name}: {value!r} is not a tag")
    return "in", (value.upper(),)


_PARSERS: dict[str, Callable[[str, str], Parsed]] = {
    **dict.fromkeys(("AE", "AS", "LO", "SH", "ST", "UC", "UR"), _text),
    **dict.fromkeys(("DS", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"), _number),
    "AT": _tag,
    "CS": _codes,
    "DA": _date,
    "DT": _moment,
    "IS": _integer,
    "MODALITIES": _modalities,
    "PN": _person_name,
    "TM": _time,
    "UI": _uids,
}
INDEXABLE = frozenset(_PARSERS) - {"MODALITIES"}
"""Value representations that an administrator may have indexed."""

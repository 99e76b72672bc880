"""Matching keys (PS3.4 C.2.2.2): from what a client wrote to a condition on the index."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydicom.datadict import keyword_for_tag

from hounsfield.archive import date_times
from hounsfield.archive.errors import InvalidQuery, KeyNotSupported
from hounsfield.archive.match_values import PARSERS
from hounsfield.db.repositories.conditions import (
    EMPTY,
    Condition,
    Level,
    Test,
    ValueCondition,
)
from hounsfield.db.repositories.index_attributes import IndexAttribute

ORDER = (Level.STUDY, Level.SERIES, Level.INSTANCE)
EMPTY_VALUE = '""'
MOST_WORDS = 8


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
    """Ways of matching that a client asks for (PS3.18 8.3.4.2, 8.3.4.5, 8.3.4.6; PS3.4 C.5)."""

    fuzzy: bool = False
    empty_values: bool = False
    multiple_values: bool = False
    combined_datetime: bool = True
    """A range of dates and one of times are one range of both; each by itself where not."""


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
        raise KeyNotSupported(f"{name} is not indexed: it cannot be searched for")
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
            tests += _tests_of(name, vr, part)
            if options.fuzzy and vr == "PN" and (words := _words(part)):
                tests.append(Test("similar", words))
    return tuple(tests)


def _tests_of(name: str, vr: str, value: str) -> list[Test]:
    if vr == "DT":
        return [Test("range", bounds) for bounds in date_times.ranges(name, value)]
    return [Test(*PARSERS[vr](name, value))]


def _words(value: str) -> tuple[str, ...]:
    """The words of a name as the index has them; wildcards say nothing to fuzzy matching."""
    parts = re.split(r"[\s^=,.'\\*?-]+", value.casefold())
    return tuple(dict.fromkeys(part for part in parts if part))[:MOST_WORDS]

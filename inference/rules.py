"""Which model runs on which series: rules as data, with a plain reason where one says no.

A rule is a list of requirements on the attributes of a series, in the order in which a person
would check them; the first that is not met gives the reason. Values come from devices and from
people's typing: names are searched by word, sets are compared without case, and an absent
attribute meets nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Attributes = Mapping[str, tuple[str, ...]]
"""Values by keyword of PS3.6."""

RESULT_MODALITIES = frozenset({"SEG", "SR"})


class Test(Protocol):
    """Something that is true of a series, or not."""

    def holds(self, attributes: Attributes) -> bool:
        """True where the attributes meet it."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any value of the attribute is in the set (upper case)."""

    keyword: str
    values: frozenset[str]

    def holds(self, attributes: Attributes) -> bool:
        """Compared without case."""
        return any(value.upper() in self.values for value in attributes.get(self.keyword, ()))


@dataclass(frozen=True, slots=True)
class Says:
    """A regular expression is found in any of the attributes, whatever the case."""

    keywords: tuple[str, ...]
    pattern: str

    def holds(self, attributes: Attributes) -> bool:
        """Searched in each value."""
        values = (value for keyword in self.keywords for value in attributes.get(keyword, ()))
        return any(re.search(self.pattern, value, re.IGNORECASE) for value in values)


@dataclass(frozen=True, slots=True)
class Between:
    """The attribute is a number from ``low`` to ``high``."""

    keyword: str
    low: float
    high: float

    def holds(self, attributes: Attributes) -> bool:
        """The first value counts."""
        try:
            return self.low <= float(attributes[self.keyword][0]) <= self.high
        except (KeyError, IndexError, ValueError):
            return False


@dataclass(frozen=True, slots=True)
class Absent:
    """The attribute has no value."""

    keyword: str

    def holds(self, attributes: Attributes) -> bool:
        """Blanks are no value."""
        return not any(value.strip() for value in attributes.get(self.keyword, ()))


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of the tests holds."""

    tests: tuple[Test, ...]

    def holds(self, attributes: Attributes) -> bool:
        """Any of them."""
        return any(test.holds(attributes) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Both:
    """All of the tests hold."""

    tests: tuple[Test, ...]

    def holds(self, attributes: Attributes) -> bool:
        """All of them."""
        return all(test.holds(attributes) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Neither:
    """None of the tests holds."""

    tests: tuple[Test, ...]

    def holds(self, attributes: Attributes) -> bool:
        """None of them."""
        return not any(test.holds(attributes) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A test, and what to say where it fails; ``{Keyword}`` stands for the attribute."""

    test: Test
    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """The model runs on a series that meets all the requirements."""

    model: str
    requirements: tuple[Requirement, ...]

    def reason_against(self, attributes: Attributes) -> str | None:
        """Why the model does not run on this series; None where it does."""
        for requirement in self.requirements:
            if not requirement.test.holds(attributes):
                return requirement.reason.format_map(_Shown(attributes))
        return None


@dataclass(frozen=True, slots=True)
class Decision:
    """The rule that picked a series, or the reason why none did."""

    rule: Rule | None
    reason: str = ""


def decide(attributes: Attributes, rules: Sequence[Rule], *, is_own_result: bool) -> Decision:
    """Pick the first rule that the series meets. What we made ourselves meets none."""
    if is_own_result:
        return Decision(None, "It was made by an analysis; results are not analysed again.")
    modality = next(iter(attributes.get("Modality", ())), "").upper()
    if modality in RESULT_MODALITIES:
        return Decision(None, f"It holds results ({modality}), not images.")
    reasons = []
    for rule in rules:
        reason = rule.reason_against(attributes)
        if reason is None:
            return Decision(rule)
        reasons.append(reason)
    return Decision(None, " ".join(dict.fromkeys(reasons)) or "No model is set up for any series.")


class _Shown(dict[str, str]):
    """Attributes as a reason shows them."""

    def __init__(self, attributes: Attributes) -> None:
        super().__init__({key: "\\".join(values)[:64] for key, values in attributes.items()})

    def __missing__(self, keyword: str) -> str:
        return "not given"

"""What a bundle's configuration may name. A lint, not a wall: a bundle is trusted code.

``_target_`` in a MONAI configuration runs any importable callable. An administrator installs a
bundle and its digest is registered; the lint catches what nobody meant to install. The wall is
the child process, which holds no secret (see child.py).
"""

import re
from collections.abc import Iterator
from typing import Any

from hounsfield.inference.errors import BundleRefused

Config = dict[str, Any]

ALLOWED_TARGETS = (
    "monai.transforms.",
    "monai.inferers.",
    "monai.networks.",
    "torch.nn.",
    "hounsfield.inference.networks.",
)
FORBIDDEN_NAMES = re.compile(r"(Load|Save|Write|Lambda|Persist|Download)")
"""Transforms that read or write files of their own, or run code handed to them."""
OUR_PART = re.compile(r"^(LoadImage|SaveImage|EnsureChannelFirst)(d|D|Dict)?$")
"""Steps that the runner does itself: it hands the image over in memory."""

ROOTS = ("preprocessing", "network_def", "inferer", "postprocessing")
PROVIDED = ("weights", "device")
"""What the runner puts in place of whatever the bundle says under these names."""

MODES = ("default", "callable", "partial")
REFERENCE = re.compile(r"@(\w+)")


def runnable_part(config: Config) -> Config:
    """The sections that a run needs and what they refer to, linted; the rest is left out.

    A zoo bundle's data sets, data loaders, handlers and evaluator are never even parsed.
    """
    part: Config = {}
    waiting = [root for root in ROOTS if root in config]
    while waiting:
        name = waiting.pop()
        if name in part or name in PROVIDED:
            continue
        if name not in config:
            raise BundleRefused(f"the configuration refers to @{name}, which it does not define")
        part[name] = _without_our_part(config[name])
        waiting += _references(part[name])
    for name in part:
        _lint(part[name], name)
    if "preprocessing" not in part:
        raise BundleRefused("the configuration has no section 'preprocessing'")
    return part


def _without_our_part(section: Any) -> Any:
    if isinstance(section, dict):
        return {name: _without_our_part(value) for name, value in section.items()}
    if isinstance(section, list):
        return [_without_our_part(value) for value in section if not _is_our_part(value)]
    return section


def _is_our_part(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("_target_"), str):
        return False
    return OUR_PART.match(value["_target_"].rpartition(".")[2]) is not None


def _references(section: Any) -> list[str]:
    return [name for text in _strings(section) for name in REFERENCE.findall(text)]


def _strings(section: Any) -> Iterator[str]:
    if isinstance(section, str):
        yield section
    elif isinstance(section, dict):
        for value in section.values():
            yield from _strings(value)
    elif isinstance(section, list):
        for value in section:
            yield from _strings(value)


def _lint(section: Any, where: str) -> None:
    for text in _strings(section):
        if text.startswith("$"):
            raise BundleRefused(f"{where} holds an expression, which would run as code: {text}")
        if text.startswith("%"):
            raise BundleRefused(f"{where} takes in another file: {text}")
    for component in _components(section):
        _lint_target(component["_target_"], where)
        if component.get("_mode_", "default") not in MODES:
            raise BundleRefused(f"{where} sets a mode that is not allowed: {component['_mode_']}")


def _components(section: Any) -> Iterator[dict[str, Any]]:
    if isinstance(section, dict):
        if "_target_" in section:
            yield section
        for value in section.values():
            yield from _components(value)
    elif isinstance(section, list):
        for value in section:
            yield from _components(value)


def _lint_target(target: Any, where: str) -> None:
    """A name without a dot is looked up by MONAI among its own components alone."""
    if not isinstance(target, str):
        raise BundleRefused(f"{where} has a target that is not a name")
    known = "." not in target or target.startswith(ALLOWED_TARGETS)
    if not known or FORBIDDEN_NAMES.search(target.rpartition(".")[2]):
        raise BundleRefused(f"{where} names a target that is not on the allow-list: {target}")

"""Query parameters of rendered resources (PS3.18 8.3.5.1), checked before anything is rendered."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hounsfield.dicomweb.problems import BadRequest

MAX_EDGE = 8192
LARGEST = 1e9
DEFAULT_QUALITY = 90
NUMBER = re.compile(r"[+-]?(\d{1,12}(\.\d{0,12})?|\.\d{1,12})([eE][+-]?\d{1,2})?")
FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
ANNOTATIONS = frozenset({"patient", "technique"})
ICC_PROFILES = frozenset({"no", "yes", "srgb", "adobergb", "rommrgb", "displayp3"})


@dataclass(frozen=True, slots=True)
class RenderParameters:
    """How the picture is wanted."""

    window: tuple[float, float, str] | None = None
    viewport: Mapping[str, Any] | None = None
    quality: int = DEFAULT_QUALITY
    annotation: tuple[str, ...] = ()
    iccprofile: str = "no"

    def as_arguments(self) -> dict[str, Any]:
        """As the worker takes them."""
        return {
            "window": self.window,
            "viewport": self.viewport,
            "quality": self.quality,
            "annotation": self.annotation,
            "iccprofile": self.iccprofile,
        }


def parse_render_parameters(query: Mapping[str, str]) -> RenderParameters:
    """The parameters of a rendered resource. Raises BadRequest."""
    return RenderParameters(
        window=_window(query["window"]) if "window" in query else None,
        viewport=_viewport(query["viewport"]) if "viewport" in query else None,
        quality=_quality(query["quality"]) if "quality" in query else DEFAULT_QUALITY,
        annotation=_some_of("annotation", query.get("annotation"), ANNOTATIONS),
        iccprofile=_one_of("iccprofile", query.get("iccprofile", "no"), ICC_PROFILES),
    )


def _window(text: str) -> tuple[float, float, str]:
    """``center,width,function``, all three (8.3.5.1.4)."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3:
        raise BadRequest("window is center,width,function")
    function = FUNCTIONS.get(parts[2].lower())
    if function is None:
        raise BadRequest(f"the function of window is one of {', '.join(FUNCTIONS)}")
    center, width = _number("window", parts[0]), _number("window", parts[1])
    if width <= 0 or (function == "LINEAR" and width < 1):
        raise BadRequest("the width of window has to be at least 1")
    return center, width, function


def _viewport(text: str) -> dict[str, Any]:
    """``vw,vh`` or ``vw,vh,sx,sy,sw,sh`` (8.3.5.1.3); the last four may be left empty."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in {2, 6}:
        raise BadRequest("viewport is vw,vh or vw,vh,sx,sy,sw,sh")
    width, height = (_edge(part) for part in parts[:2])
    region = [_number("viewport", part) if part else None for part in parts[2:]] or [None] * 4
    left, top, source_width, source_height = region
    if (left or 0) < 0 or (top or 0) < 0 or source_width == 0 or source_height == 0:
        raise BadRequest("the source region of viewport begins inside the image and is not empty")
    return {
        "width": width,
        "height": height,
        "sx": left,
        "sy": top,
        "sw": source_width,
        "sh": source_height,
    }


def _edge(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= MAX_EDGE:
        raise BadRequest(f"an edge of viewport is a whole number from 1 to {MAX_EDGE}")
    return int(text)


def _quality(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= 100:
        raise BadRequest("quality is a whole number from 1 to 100")
    return int(text)


def _number(name: str, text: str) -> float:
    value = float(text) if NUMBER.fullmatch(text) else math.nan
    if not abs(value) <= LARGEST:
        raise BadRequest(f"{name}: {text[:40]!r} is not a number")
    return value


def _one_of(name: str, value: str, allowed: frozenset[str]) -> str:
    found = value.strip().lower()
    if found not in allowed:
        raise BadRequest(f"{name} takes {', '.join(sorted(allowed))}")
    return found


def _some_of(name: str, text: str | None, allowed: frozenset[str]) -> tuple[str, ...]:
    values = [] if text is None else text.split(",")
    return tuple(sorted({_one_of(name, value, allowed) for value in values}))

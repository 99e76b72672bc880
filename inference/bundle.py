"""One registered model: what it is, what it needs, and which bytes it consists of."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hounsfield.inference.errors import BundleRefused
from hounsfield.inference.lint import Config
from hounsfield.inference.volume import Needs

WeightsFormat = Literal["torchscript", "safetensors"]


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept (PS3.3 section 8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Segment:
    """What one number in the model's answer means."""

    number: int
    label: str
    category: Code
    type: Code
    colour: tuple[int, int, int]
    """Recommended for display, as sRGB."""

    @classmethod
    def from_json(cls, number: str, entry: dict[str, Any]) -> "Segment":
        """From the register."""
        red, green, blue = entry["colour"]
        return cls(
            number=int(number),
            label=entry["label"],
            category=Code(*entry["category"]),
            type=Code(*entry["type"]),
            colour=(red, green, blue),
        )


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights and the digest under which it is registered."""

    name: str
    format: WeightsFormat
    path: Path
    sha256: str

    def read(self) -> bytes:
        """The bytes, checked: these are what is loaded, and not the file read a second time."""
        data = self.path.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise BundleRefused(
                f"the weights '{self.name}' are not the registered ones (another digest)"
            )
        return data


@dataclass(frozen=True)
class Bundle:
    """A bundle whose digest is the registered one and whose configuration passed the lint."""

    name: str
    title: str
    version: str
    digest: str
    """SHA-256 over configuration and weights."""
    intended_use: str
    authors: str
    cleared: bool
    """An authority has cleared it for clinical use; else its results are marked RESEARCH."""
    config: Config
    needs: Needs
    segments: tuple[Segment, ...]
    weights: tuple[Weights, ...]

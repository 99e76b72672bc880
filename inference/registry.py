"""The register of models. Nothing of a bundle is loaded before it is the registered one.

A folder of bundles holds ``registry.json`` and one MONAI bundle a subfolder. The register, not
the bundle, says which digest a bundle must have, what its segments mean in codes, and whether
it is cleared. Weights are safetensors, or TorchScript registered by digest; a pickle never.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from hounsfield.archive.errors import NotFound
from hounsfield.inference.bundle import Bundle, Segment, Weights
from hounsfield.inference.errors import BundleRefused
from hounsfield.inference.formats import check_format, refuse_pickle
from hounsfield.inference.lint import runnable_part
from hounsfield.inference.volume import Needs

EMBEDDED = Path(__file__).parent / "bundles"
REGISTER = "registry.json"
NOT_IN_DIGEST = ("docs", "LICENSE", "README.md")


class Registry:
    """The models that may run, and why the others may not."""

    def __init__(self, folders: Iterable[Path] = (EMBEDDED,)) -> None:
        self._entries = {
            name: (folder, entry)
            for folder in folders
            for name, entry in json.loads((folder / REGISTER).read_text("utf-8")).items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Of all registered models, in the order of the register."""
        return tuple(self._entries)

    def models(self) -> list[Bundle]:
        """The models that can run here, each checked now."""
        return [bundle for name in self._entries if (bundle := self._or_none(name))]

    def refused(self) -> dict[str, str]:
        """The registered models that cannot run here, with the reason."""
        reasons = {}
        for name in self._entries:
            try:
                self.bundle(name)
            except BundleRefused as error:
                reasons[name] = error.message
        return reasons

    def bundle(self, name: str) -> Bundle:
        """The model under this name, checked from its digest to its last target."""
        if name not in self._entries:
            raise NotFound(f"No model is registered as '{name}'.")
        folder, entry = self._entries[name]
        try:
            return _open(name, folder / name, entry)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise BundleRefused(f"the bundle cannot be read: {error!r}") from error

    def _or_none(self, name: str) -> Bundle | None:
        try:
            return self.bundle(name)
        except BundleRefused:
            return None


def _open(name: str, folder: Path, entry: dict[str, Any]) -> Bundle:
    weights = tuple(_find_weights(key, folder, item) for key, item in entry["weights"].items())
    digest = bundle_digest(folder, weights)
    if digest != entry["digest"]:
        raise BundleRefused(f"its digest is {digest}, and {entry['digest']} is registered")
    for item in weights:
        check_format(item)
    metadata = json.loads((folder / "configs" / "metadata.json").read_bytes())
    segments = tuple(Segment.from_json(*item) for item in entry["segments"].items())
    _check_output(metadata, segments)
    return Bundle(
        name=name,
        title=entry["title"],
        version=str(metadata["version"]),
        digest=digest,
        intended_use=str(metadata["intended_use"]),
        authors=str(metadata["authors"]),
        cleared=entry["cleared"],
        config=runnable_part(json.loads((folder / "configs" / "inference.json").read_bytes())),
        needs=Needs(tuple(entry["modalities"]), entry["minimum_slices"]),
        segments=segments,
        weights=weights,
    )


def bundle_digest(folder: Path, weights: Iterable[Weights]) -> str:
    """SHA-256 over the names and digests of all files but the documents, and of the weights."""
    lines = [f"weights {item.name} {item.sha256}" for item in weights]
    registered = {item.path for item in weights}
    for path in _files(folder):
        if path not in registered:
            refuse_pickle(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"file {path.relative_to(folder).as_posix()} {digest}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise BundleRefused(f"it holds a symbolic link: {path.relative_to(folder)}")
        if path.is_file() and path.relative_to(folder).parts[0] not in NOT_IN_DIGEST:
            yield path


def _find_weights(name: str, folder: Path, item: dict[str, Any]) -> Weights:
    if item["format"] not in ("torchscript", "safetensors"):
        raise BundleRefused(f"weights in the format '{item['format']}' are not loaded")
    if "distribution" in item:
        path = _find_in_distribution(item["distribution"], item["sha256"])
    else:
        path = folder / item["file"]
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BundleRefused(f"the weights '{name}' lie outside the bundle")
    return Weights(name, item["format"], path, item["sha256"])


def _find_in_distribution(package: str, sha256: str) -> Path:
    """In an installed package, by digest: where the file lies is the package's own affair."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError as error:
        raise BundleRefused(f"the package {package} is not installed") from error
    for file in files:
        if file.suffix == ".pt":
            path = Path(str(file.locate()))
            if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
                return path
    raise BundleRefused(f"the package {package} holds no weights with the registered digest")


def _check_output(metadata: dict[str, Any], segments: tuple[Segment, ...]) -> None:
    """Only what can become a SEG is registered; the rest is refused here, not at run time."""
    outputs = metadata["network_data_format"]["outputs"]
    output = outputs.get("pred", {})
    if output.get("type") != "image" or output.get("format") not in ("segmentation", "labels"):
        raise BundleRefused("its output 'pred' is no segmentation")
    named = [name for name in output.get("channel_def", {}).values() if name != "background"]
    if named and len(named) != len(segments):
        raise BundleRefused(f"it names {len(named)} segments, and {len(segments)} have codes")
    if [segment.number for segment in segments] != list(range(1, len(segments) + 1)):
        raise BundleRefused("its segments are not numbered 1, 2, 3 and so on")

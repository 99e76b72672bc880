"""Nothing is loaded that is not the registered bytes, and nothing that is a pickle."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hounsfield.archive.errors import NotFound
from hounsfield.inference.bundle import Bundle
from hounsfield.inference.errors import BundleRefused
from hounsfield.inference.lint import runnable_part
from hounsfield.inference.registry import EMBEDDED, Registry

Change = Callable[[Path, dict[str, Any]], None]


@pytest.fixture
def altered(tmp_path: Path) -> Callable[[Change], str]:
    """A copy of the embedded bundles, changed; the reason why the model is refused then."""

    def alter(change: Change) -> str:
        shutil.copytree(EMBEDDED, tmp_path / "bundles")
        register = json.loads((tmp_path / "bundles" / "registry.json").read_text())
        change(tmp_path / "bundles" / "brain_mask", register["brain_mask"])
        (tmp_path / "bundles" / "registry.json").write_text(json.dumps(register))
        reasons = Registry([tmp_path / "bundles"]).refused()
        return reasons.get("brain_mask", "accepted")

    return alter


def test_the_embedded_model_is_accepted_as_it_is_registered(brain_mask: Bundle) -> None:
    assert brain_mask.needs.modalities == ("MR",)
    assert [segment.label for segment in brain_mask.segments] == ["Brain"]
    assert not brain_mask.cleared
    assert Registry().models() == [brain_mask]


def test_a_changed_configuration_is_another_bundle(
    brain_mask: Bundle, altered: Callable[[Change], str]
) -> None:
    def change(folder: Path, _entry: dict[str, Any]) -> None:
        path = folder / "configs" / "inference.json"
        path.write_text(path.read_text().replace("0.5", "0.4"))

    assert altered(change).startswith("its digest is")


def test_changed_documents_are_the_same_bundle(
    brain_mask: Bundle, altered: Callable[[Change], str]
) -> None:
    def change(folder: Path, _entry: dict[str, Any]) -> None:
        (folder / "docs" / "README.md").write_text("shorter")

    assert altered(change) == "accepted"


def test_a_file_that_was_added_is_noticed(
    brain_mask: Bundle, altered: Callable[[Change], str]
) -> None:
    def change(folder: Path, _entry: dict[str, Any]) -> None:
        (folder / "scripts").mkdir()
        (folder / "scripts" / "__init__.py").write_text("print('hello')")

    assert altered(change).startswith("its digest is")


class _Bomb:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, ("raise SystemExit('a pickle ran')",)


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors", "table.json"])
def test_a_pickle_is_refused_under_any_name_and_never_run(
    brain_mask: Bundle, altered: Callable[[Change], str], name: str
) -> None:
    def change(folder: Path, _entry: dict[str, Any]) -> None:
        (folder / name).write_bytes(pickle.dumps(_Bomb()))

    assert "holds a pickle" in altered(change)


def test_registered_weights_that_are_a_pickle_are_refused_before_they_are_loaded(
    brain_mask: Bundle, altered: Callable[[Change], str]
) -> None:
    import hashlib

    data = pickle.dumps(_Bomb())

    def change(folder: Path, entry: dict[str, Any]) -> None:
        (folder / "model.pt").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        entry["weights"] = {"network": {"file": "model.pt", "format": "torchscript"}}
        entry["weights"]["network"]["sha256"] = digest
        entry["digest"] = _digest_of(folder, entry)

    assert altered(change) == "the weights 'network' are not torchscript"


def test_a_state_dict_is_not_taken_for_torchscript(
    brain_mask: Bundle, altered: Callable[[Change], str]
) -> None:
    torch = pytest.importorskip("torch")

    def change(folder: Path, entry: dict[str, Any]) -> None:
        import hashlib

        torch.save({"weight": torch.zeros(2)}, folder / "model.pt")
        digest = hashlib.sha256((folder / "model.pt").read_bytes()).hexdigest()
        weights = {"file": "model.pt", "format": "torchscript", "sha256": digest}
        entry["weights"] = {"network": weights}
        entry["digest"] = _digest_of(folder, entry)

    assert altered(change) == "the weights 'network' are not torchscript"


def test_weights_with_another_digest_are_refused(
    brain_mask: Bundle, altered: Callable[[Change], str]
) -> None:
    def change(_folder: Path, entry: dict[str, Any]) -> None:
        entry["weights"]["segmenter"]["sha256"] = "0" * 64

    assert "no weights with the registered digest" in altered(change)


def test_weights_may_not_lie_outside_the_bundle(
    brain_mask: Bundle, altered: Callable[[Change], str]
) -> None:
    def change(_folder: Path, entry: dict[str, Any]) -> None:
        entry["weights"]["segmenter"] = {
            "file": "../../../etc/hostname",
            "format": "safetensors",
            "sha256": "0" * 64,
        }

    assert "outside the bundle" in altered(change)


def test_a_symbolic_link_is_refused(brain_mask: Bundle, altered: Callable[[Change], str]) -> None:
    def change(folder: Path, _entry: dict[str, Any]) -> None:
        (folder / "configs" / "more.json").symlink_to("/etc/hostname")

    assert "symbolic link" in altered(change)


def test_an_unknown_name_is_not_found() -> None:
    with pytest.raises(NotFound):
        Registry().bundle("../brain_mask")


@pytest.mark.parametrize(
    "section",
    [
        {"_target_": "subprocess.check_output", "args": ["id"]},
        {"_target_": "os.system", "command": "id"},
        {"_target_": "monai.bundle.download", "name": "x"},
        {"_target_": "monai.transforms.WriteFileMapping"},
        {"_target_": "Lambdad", "keys": "image", "func": "print"},
        {"_target_": "torch.load", "f": "x.pt"},
        {"_target_": "monai.transforms.Compose", "_mode_": "debug"},
        {"_target_": "Compose", "transforms": "$__import__('os').system('id')"},
        {"_target_": "Compose", "transforms": ["%other.json::x"]},
        {"_target_": "Compose", "transforms": ["@nowhere"]},
        {"_target_": ["os", "system"]},
    ],
)
def test_a_target_off_the_allow_list_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(BundleRefused):
        runnable_part({"preprocessing": {"_target_": "Compose", "transforms": [section]}})


def test_what_a_run_does_not_need_is_left_out() -> None:
    config = {
        "imports": ["$import os"],
        "device": "$torch.device('cuda')",
        "train": {"_target_": "subprocess.run"},
        "spacing": [1, 1, 1],
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "Spacingd", "keys": "image", "pixdim": "@spacing"},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "device": "@device"},
    }
    part = runnable_part(config)
    assert set(part) == {"preprocessing", "inferer", "spacing"}
    assert [t["_target_"] for t in part["preprocessing"]["transforms"]] == ["Spacingd"]


def test_the_register_is_read_without_torch() -> None:
    code = (
        "import sys; from hounsfield.inference.registry import Registry;"
        "import hounsfield.inference.runner; Registry().models();"
        "sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _digest_of(folder: Path, entry: dict[str, Any]) -> str:
    from hounsfield.inference.bundle import Weights
    from hounsfield.inference.registry import bundle_digest

    item = entry["weights"]["network"]
    weights = Weights("network", item["format"], folder / item["file"], item["sha256"])
    return bundle_digest(folder, [weights])

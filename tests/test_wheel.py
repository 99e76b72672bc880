"""The wheel: Hounsfield alone in it, the viewer inside, and it runs where the checkout is not."""

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what is tracked by git, and the viewer's build."""
    if not (ROOT / "viewer" / "build" / "web" / "index.html").is_file():
        pytest.fail("the viewer is not built: ./dev test builds it")
    # What an earlier build left would find its way into this wheel.
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", target, str(ROOT)], check=True, capture_output=True)
    return next(target.glob("*.whl"))


def test_the_wheel_holds_hounsfield_alone_with_the_viewer_inside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"hounsfield"}
    for wanted in (
        "hounsfield/viewer/build/web/index.html",
        "hounsfield/viewer/build/ohif/index.html",
        "hounsfield/viewer/build/ohif/hounsfield/index.js",
        "hounsfield/inference/bundles/brain_mask/configs/inference.json",
        "hounsfield/db/migrations/versions/0001_baseline.py",
        "hounsfield/conf/hounsfield.example.toml",
    ):
        assert wanted in names
    assert not [name for name in names if "node_modules" in name or "/tests/" in name]


def test_the_wheel_runs_from_an_environment_without_the_checkout(
    wheel: Path, tmp_path: Path
) -> None:
    """Dependencies are lent by this environment's folder; the editable install is not followed."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    lent = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "lent.pth").write_text(lent + "\n")
    code = (
        "import hounsfield.server.cli as cli, hounsfield.server.viewer as v;"
        "print(cli.__file__); print((v.viewer_folder() / 'web' / 'index.html').is_file())"
    )
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    where, has_viewer = done.stdout.split()
    assert where.startswith(str(site))
    assert has_viewer == "True"

"""The Python environment, the viewer's build and the tools of the tests: made once, then reused.

Each part has a stamp: the digest of what it was made from. A second run compares stamps and
starts at once.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tools.steps import StepFailedError, run_step, say

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
VIEWER = ROOT / "viewer"
LINKS = ROOT / ".dev" / "links" / "hounsfield"
ROOMS = ("archive", "conf", "db", "dicomweb", "dimse", "inference", "server")
TORCH = "torch==2.13.0"
# These two pull a GUI toolkit and a plotting stack that nothing here uses.
WITHOUT_DEPENDENCIES = ("deepbet==1.0.2", "nilearn==0.14.1")
VIEWER_SKIP = {"node_modules", "build", "out", ".next", "next-env.d.ts", "tsconfig.tsbuildinfo"}

DEBIAN_PACKAGES = {
    "storescu": "dcmtk",
    "dciodvfy": "dicom3tools",
    "chromium": "chromium",
    "Orthanc": "orthanc orthanc-dicomweb",
}


def digest(paths: Iterable[Path]) -> str:
    """One digest over the names and bytes of files."""
    total = hashlib.sha256(sys.version.encode())
    for path in sorted(paths):
        total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def is_current(stamp: Path, value: str) -> bool:
    """True where a part was made from just this."""
    return stamp.is_file() and stamp.read_text() == value


def make_python() -> None:
    """Make .venv with the pinned dependencies, and put this checkout into it."""
    value = digest([ROOT / "pyproject.toml", ROOT / "requirements.lock"])
    stamp = VENV / "hounsfield.stamp"
    if is_current(stamp, value):
        return
    say("Python environment (.venv)")
    if not PYTHON.exists():
        run_step("making it", [sys.executable, "-m", "venv", str(VENV)], cwd=ROOT)
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    run_step("PyTorch", [*pip, TORCH], cwd=ROOT)
    run_step("pinned dependencies", [*pip, "-r", "requirements.lock"], cwd=ROOT)
    run_step("model and demo data", [*pip, "--no-deps", *WITHOUT_DEPENDENCIES], cwd=ROOT)
    run_step("Hounsfield itself", [*pip, "--no-deps", "--editable", "."], cwd=ROOT)
    stamp.write_text(value)


def make_links() -> None:
    """Lay the rooms under one name for the type checker, which cannot follow the installed map."""
    LINKS.mkdir(parents=True, exist_ok=True)
    for room in ROOMS:
        link = LINKS / room
        if not link.exists():
            link.symlink_to(Path("../../..") / room, target_is_directory=True)


def viewer_sources() -> list[Path]:
    """Every file that the viewer is built from."""
    found = []
    for folder, folders, files in os.walk(VIEWER):
        folders[:] = [name for name in folders if name not in VIEWER_SKIP]
        found += [Path(folder) / name for name in files if name not in VIEWER_SKIP]
    return found


def make_viewer() -> None:
    """Install the front end's packages and build web app and OHIF."""
    make_node_modules()
    value = digest(viewer_sources())
    stamp = VIEWER / "build" / "hounsfield.stamp"
    if is_current(stamp, value):
        return
    say("Viewer")
    env = {"NEXT_TELEMETRY_DISABLED": "1"}
    run_step("web app", [npm(), "run", "build"], cwd=VIEWER, env=env)
    run_step("OHIF", [npm(), "run", "build:ohif"], cwd=VIEWER, env=env)
    stamp.write_text(value)


def make_node_modules() -> None:
    """Install what the lock file names, where that has changed."""
    value = digest([VIEWER / "package.json", VIEWER / "package-lock.json"])
    stamp = VIEWER / "node_modules" / "hounsfield.stamp"
    if is_current(stamp, value):
        return
    # Not `npm ci`: it refuses a lock file that leaves out other platforms' optional parts.
    install = [npm(), "install", "--no-save", "--no-audit", "--no-fund"]
    run_step("Viewer packages", install, cwd=VIEWER)
    stamp.write_text(value)


def npm() -> str:
    """The npm program."""
    found = shutil.which("npm")
    if found is None:
        say("npm is missing: install Node.js 20 or newer.")
        raise StepFailedError(1)
    return found


def need_tools(*programs: str) -> None:
    """Find Debian's tools, install them as root, or say in one line what to install."""
    missing = [name for name in programs if shutil.which(name) is None]
    if not missing:
        return
    packages = " ".join(DEBIAN_PACKAGES[name] for name in missing).split()
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        say(f"Missing: {', '.join(missing)}. On Debian: apt-get install {' '.join(packages)}")
        raise StepFailedError(1)
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    run_step("package list", ["apt-get", "update"], cwd=ROOT, env=env)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    run_step(f"Debian packages {' '.join(packages)}", install, cwd=ROOT, env=env)
    _keep_service_off("orthanc", packages)


def _keep_service_off(service: str, packages: list[str]) -> None:
    """Debian starts Orthanc once installed; the bench runs its own."""
    if service in packages and shutil.which("service"):
        subprocess.run(["service", service, "stop"], check=False, capture_output=True)

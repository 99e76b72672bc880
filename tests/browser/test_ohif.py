"""The unmodified OHIF, as a radiologist meets it: live results, and every study opens."""

import io
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from playwright.sync_api import Page
from process_tree import Tree
from pydicom.errors import InvalidDicomError

from hounsfield.server.demo.study import DemoStudy, make_demo_study

pytestmark = pytest.mark.browser

COLOURED = 40
OVERLAY_PIXELS = 3000
# What no open decoder in the browser reads, or what holds no image that OHIF shows as a stack.
NOT_SHOWN = {
    "1.2.840.10008.1.2.4.111": "JPEG XL: no decoder in OHIF 3.13",
}


def store(tree: Tree, *paths: Path) -> None:
    """Send by dcmtk's storescu."""
    address = ("127.0.0.1", str(tree.dimse_port))
    command = ["dcmsend", "-aec", "HOUNSFIELD", *address, "--no-uid-checks", *map(str, paths)]
    subprocess.run(command, check=True, capture_output=True)


def viewport_picture(page: Page) -> np.ndarray:
    """The active viewport as it is painted, (rows, columns, 3)."""
    png = page.locator(".viewport-element, [data-viewport-uid], canvas").first.screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def coloured_pixels(page: Page) -> int:
    """How many pixels are plainly not grey: an overlay on a grey image."""
    picture = viewport_picture(page)
    return int((picture.max(axis=2) - picture.min(axis=2) > COLOURED).sum())


def open_study(page: Page, base_url: str, study: str, **query: str) -> None:
    words = "".join(f"&{name}={value}" for name, value in query.items())
    page.goto(f"{base_url}/ohif/viewer?StudyInstanceUIDs={study}{words}")
    page.wait_for_selector("canvas")


def until_painted(page: Page, seconds: float = 40) -> None:
    """Wait until the viewport shows more than one grey level."""
    deadline = time.monotonic() + seconds
    while viewport_picture(page).std() < 3:
        assert time.monotonic() < deadline, "the viewport stays empty"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoStudy:
    return make_demo_study(tmp_path_factory.mktemp("demo"), voxel_mm=2)


def middle(demo: DemoStudy) -> str:
    dataset = pydicom.dcmread(demo.files[len(demo.files) // 2], stop_before_pixels=True)
    return str(dataset.SOPInstanceUID)


def test_the_brain_overlay_appears_after_a_c_store_without_a_reload(
    tree: Tree, base_url: str, page: Page, demo: DemoStudy
) -> None:
    store(tree, *demo.files)
    query = {
        "initialSeriesInstanceUID": demo.series_instance_uid,
        "initialSOPInstanceUID": middle(demo),
    }
    open_study(page, base_url, demo.study_instance_uid, **query)
    page.evaluate("window.sameDocument = true")
    until_painted(page)
    before = coloured_pixels(page)
    page.get_by_text("AI result stored (unverified)").first.wait_for(timeout=120_000)
    deadline = time.monotonic() + 30
    while coloured_pixels(page) - before < OVERLAY_PIXELS:
        assert time.monotonic() < deadline, "no overlay was painted"
        time.sleep(0.3)
    assert page.evaluate("window.sameDocument") is True


def test_run_ai_starts_an_analysis_and_its_progress_is_shown(
    tree: Tree, base_url: str, page: Page, demo: DemoStudy
) -> None:
    store(tree, *demo.files)
    open_study(page, base_url, demo.study_instance_uid)
    until_painted(page)
    page.locator('[data-cy="hounsfieldRunAI"]').click()
    page.get_by_text("AI analysis queued").first.wait_for()
    page.get_by_text("AI result stored (unverified)").first.wait_for(timeout=120_000)


def image_studies(folder: Path) -> dict[str, list[Path]]:
    """Files of every study with an image that the viewer has a decoder for, by study UID."""
    studies: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if (
            not path.is_file()
            or "broken" in path.parts
            or (path.suffix in {".md", ""}
            and path.name == "LICENSE")
        ):
            continue
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, OSError):
            continue
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        if "Rows" not in dataset or dataset.get("Modality") == "SEG" or syntax in NOT_SHOWN:
            continue
        if all(dataset.get(f"{level}InstanceUID") for level in ("Study", "Series", "SOP")):
            studies[dataset.StudyInstanceUID].append(path)
    return studies

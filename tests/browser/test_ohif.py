"""The unmodified OHIF, as a radiologist meets it: live results, and every study opens."""

import base64
import io
import subprocess
import time
import urllib.request
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
from factories import new_uid
from PIL import Image
from playwright.sync_api import Locator, Page
from process_tree import Tree
from pydicom.errors import InvalidDicomError

from hounsfield.server.demo.study import DemoStudy, make_demo_study

pytestmark = pytest.mark.browser

COLOURED = 40
OVERLAY_PIXELS = 3000
# What OHIF 3.13 does not paint, and why; the list is exact, so that it shrinks with OHIF's.
NOT_PAINTED = {
    "RG1_J2KI.dcm": "its Pixel Spacing is zero",
    "gdcm-US-ALOKA-16.dcm": "segmented palettes are not read",
    "CTImage.dcm_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm": "no decoder",
    "CTImage.dcm_JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm": "no decoder",
    "will-jxl.dcm": "no decoder",
}
SECONDS_TO_PAINT = 60


def store(tree: Tree, *paths: Path) -> None:
    """Send by dcmtk's storescu."""
    address = ("127.0.0.1", str(tree.dimse_port))
    command = ["dcmsend", "-aec", "HOUNSFIELD", *address, "--no-uid-checks", *map(str, paths)]
    subprocess.run(command, check=True, capture_output=True)


def upload(base_url: str, paths: list[Path]) -> None:
    """Send by STOW-RS: dcmtk's senders cannot offer some of the encodings."""
    boundary = "a-boundary-that-no-file-holds"
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + path.read_bytes() + b"\r\n" for path in paths)
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    request = urllib.request.Request(
        f"{base_url}/dicom-web/studies",
        data=body + f"--{boundary}--\r\n".encode(),
        headers={"Content-Type": kind, "Accept": "application/dicom+json"},
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 200


def viewport_picture(page: Page) -> np.ndarray:
    """The first viewport's pixels, (rows, columns, 3), without the text that lies over them."""
    return canvas_picture(page.locator("canvas").first)


def canvas_picture(canvas: Locator) -> np.ndarray:
    url = str(canvas.evaluate("canvas => canvas.toDataURL('image/png')"))
    png = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def coloured_pixels(page: Page) -> int:
    """How many pixels are plainly not grey: an overlay on a grey image."""
    picture = viewport_picture(page)
    return int((picture.max(axis=2) - picture.min(axis=2) > COLOURED).sum())


def open_study(page: Page, base_url: str, study: str, **query: str) -> None:
    words = "".join(f"&{name}={value}" for name, value in query.items())
    page.goto(f"{base_url}/ohif/viewer?StudyInstanceUIDs={study}{words}")
    page.wait_for_selector("canvas")


def until_painted(page: Page, seconds: float = SECONDS_TO_PAINT) -> None:
    """Wait until the viewport shows more than one grey level."""
    deadline = time.monotonic() + seconds
    while max(canvas_picture(canvas).std() for canvas in page.locator("canvas").all()) < 3:
        assert time.monotonic() < deadline, "the viewport stays empty"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoStudy:
    return make_demo_study(tmp_path_factory.mktemp("demo"), voxel_mm=2)


def at_the_middle(demo: DemoStudy) -> dict[str, str]:
    """Open at a slice with brain in it: the first ones are air."""
    middle = demo.files[len(demo.files) // 2]
    return {
        "initialSeriesInstanceUID": demo.series_instance_uid,
        "initialSOPInstanceUID": uid_of(middle, "SOP"),
    }


def test_the_brain_overlay_appears_after_a_c_store_without_a_reload(
    tree: Tree, base_url: str, page: Page, demo: DemoStudy
) -> None:
    store(tree, *demo.files)
    open_study(page, base_url, demo.study_instance_uid, **at_the_middle(demo))
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
    open_study(page, base_url, demo.study_instance_uid, **at_the_middle(demo))
    until_painted(page)
    page.locator('[data-cy="hounsfieldRunAI"]').click()
    page.get_by_text("AI analysis queued").first.wait_for()
    page.get_by_text("AI result stored (unverified)").first.wait_for(timeout=120_000)


def image_studies(folder: Path, into: Path) -> list[list[Path]]:
    """Files with an image that the viewer has a decoder for, by series.

    Where files share their UIDs (one image in many encodings), each becomes a study of its own.
    """
    series: dict[str, list[Path]] = defaultdict(list)
    seen: set[str] = set()
    encodings: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        dataset = None if "broken" in path.parts else read(path)
        if dataset is None or not is_shown(dataset):
            continue
        encoding = str(dataset.file_meta.TransferSyntaxUID)
        known = encodings.setdefault(dataset.SeriesInstanceUID, encoding)
        if dataset.SOPInstanceUID in seen or known != encoding:
            path = into / f"{len(series)}-{path.name}"  # noqa: PLW2901
            save_as_another(dataset, path)
        seen.add(dataset.SOPInstanceUID)
        series[dataset.SeriesInstanceUID].append(path)
    return list(series.values())


def read(path: Path) -> pydicom.Dataset | None:
    try:
        return pydicom.dcmread(path)
    except (InvalidDicomError, OSError):
        return None


def is_shown(dataset: pydicom.Dataset) -> bool:
    uids = all(dataset.get(f"{level}InstanceUID") for level in ("Study", "Series", "SOP"))
    return uids and "PixelData" in dataset and dataset.get("Modality") != "SEG"


def save_as_another(dataset: pydicom.Dataset, path: Path) -> None:
    for level in ("Study", "Series", "SOP"):
        setattr(dataset, f"{level}InstanceUID", new_uid())
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path)


def uid_of(path: Path, level: str) -> str:
    dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[f"{level}InstanceUID"])
    return str(dataset[f"{level}InstanceUID"].value)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ohif_lists_opens_and_scrolls_every_readable_image_study(
    base_url: str, page: Page, shared_data: Path, tmp_path: Path
) -> None:
    every = image_studies(shared_data, tmp_path)
    blank = set()
    for paths in every:
        upload(base_url, paths)
        middle = paths[len(paths) // 2]
        name = middle.name.partition("-CT")[2] and f"CT{middle.name.partition('-CT')[2]}"
        name = name or middle.name
        query = {f"initial{level}InstanceUID": uid_of(middle, level) for level in ("Series", "SOP")}
        open_study(page, base_url, uid_of(middle, "Study"), **query)
        try:
            until_painted(page, 8 if name in NOT_PAINTED else SECONDS_TO_PAINT)
        except AssertionError:
            blank.add(name)
            continue
        if len(paths) > 2:
            scroll(page)
    assert blank == set(NOT_PAINTED)
    assert len(every) > 40


def scroll(page: Page) -> None:
    """The next image is another picture."""
    before = viewport_picture(page)
    page.locator("canvas").first.hover()
    deadline = time.monotonic() + 90
    while np.array_equal(before, viewport_picture(page)):
        assert time.monotonic() < deadline, "scrolling changes nothing"
        page.mouse.wheel(0, 400)
        time.sleep(0.5)


def test_ohif_shows_mpr_of_a_volume(base_url: str, page: Page, shared_data: Path) -> None:
    paths = sorted((shared_data / "ct_chest_philips_64").glob("*.dcm"))
    upload(base_url, paths)
    open_study(page, base_url, uid_of(paths[0], "Study"), hangingProtocolId="mpr")
    page.locator("canvas").nth(2).wait_for()
    deadline = time.monotonic() + 60
    while painted_canvases(page) < 3:
        assert time.monotonic() < deadline, "the three planes are not all painted"
        time.sleep(0.5)


def painted_canvases(page: Page) -> int:
    return sum(canvas_picture(canvas).std() > 10 for canvas in page.locator("canvas").all())

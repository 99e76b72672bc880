"""Upload from the browser: folders, what is left out or refused, cancel, and sending again."""

import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from factories import ct_slice, encode, series
from playwright.sync_api import Locator, Page, Route, expect
from process_tree import Tree
from pydicom.dataset import Dataset
from web_app import open_list, row, write

pytestmark = pytest.mark.browser

WATCH_THE_BAR = """() => {
  window.bar = []
  const look = () => {
    const bar = document.querySelector('[data-testid="upload"] [role="progressbar"]')
    if (bar) window.bar.push(Number(bar.getAttribute('aria-valuenow')))
  }
  const all = { subtree: true, attributes: true, childList: true }
  new MutationObserver(look).observe(document.body, all)
}"""


def panel(page: Page) -> Locator:
    return page.get_by_test_id("upload")


def await_end(page: Page) -> None:
    expect(panel(page)).to_have_attribute("data-phase", "ended", timeout=60_000)


def choose_folder(page: Page, folder: Path) -> None:
    page.get_by_label("DICOM folder").set_input_files(folder)


def noise(count: int, size: int = 512) -> list[Dataset]:
    """Slices that do not compress, half a megabyte each."""
    pixels = np.random.default_rng(1).integers(0, 4096, size * size, dtype="<u2").tobytes()
    return series(count, Rows=size, Columns=size, PixelData=pixels)


def stored(base_url: str, study: str) -> int:
    """How many instances of a study the archive holds."""
    answer = httpx.get(f"{base_url}/api/studies/{study}")
    return int(answer.json()["instance_count"]) if answer.status_code == 200 else 0


def test_a_folder_is_stored_and_what_is_not_stored_is_named_with_the_reason(
    tree: Tree, base_url: str, page: Page, tmp_path: Path
) -> None:
    slices = series(70)
    study = slices[0].StudyInstanceUID
    write(tmp_path / "in" / "study", slices)
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    (tmp_path / "in" / "empty").write_bytes(b"")
    (tmp_path / "in" / "cut.dcm").write_bytes(encode(ct_slice(32, 32))[:-700])
    (tmp_path / "in" / "no-uid.dcm").write_bytes(encode(ct_slice(StudyInstanceUID=None)))
    other = ct_slice(
        StudyInstanceUID=study, SOPInstanceUID=slices[0].SOPInstanceUID, PatientName="Other^One"
    )
    open_list(page, base_url)
    page.evaluate(WATCH_THE_BAR)
    choose_folder(page, tmp_path / "in")
    await_end(page)
    expect(panel(page)).to_contain_text("70 of 72 confirmed")
    expect(panel(page)).to_contain_text("2 files refused · 2 files left out")
    expect(panel(page)).to_contain_text(re.compile(r"notes\.txt\s*Not a DICOM file"))
    expect(panel(page)).to_contain_text(re.compile(r"cut\.dcm.*cut short", re.DOTALL))
    row(page, study).wait_for()
    assert stored(base_url, study) == 70
    bar = page.evaluate("window.bar")
    assert bar == sorted(bar) and bar[-1] == 100

    panel(page).get_by_role("button", name="Close").click()
    write(tmp_path / "again", [*slices, other])
    choose_folder(page, tmp_path / "again")
    await_end(page)
    expect(panel(page)).to_contain_text("71 of 71 confirmed")
    expect(panel(page)).to_contain_text("1 file in quarantine")
    assert stored(base_url, study) == 70


def test_files_and_folders_dropped_on_the_window_are_searched_through_and_stored(
    tree: Tree, base_url: str, page: Page, tmp_path: Path
) -> None:
    slices = series(130)
    study = slices[0].StudyInstanceUID
    # More than a hundred entries: browsers list a folder in portions.
    write(tmp_path / "folder" / "deep" / "er", slices[:120])
    loose = write(tmp_path / "loose", slices[120:])
    open_list(page, base_url)
    session = page.context.new_cdp_session(page)
    data = {
        "items": [],
        "files": [str(tmp_path / "folder"), *map(str, loose)],
        "dragOperationsMask": 1,
    }
    for kind in ("dragEnter", "dragOver"):
        event = {"type": kind, "x": 400, "y": 400, "data": data}
        session.send("Input.dispatchDragEvent", event)
    expect(page.get_by_test_id("drop-zone")).to_contain_text("Drop DICOM files or folders")
    session.send("Input.dispatchDragEvent", {"type": "drop", "x": 400, "y": 400, "data": data})
    await_end(page)
    expect(panel(page)).to_contain_text("130 files stored")
    expect(page.get_by_test_id("drop-zone")).to_be_hidden()
    assert stored(base_url, study) == 130


def test_a_canceled_upload_is_taken_up_again_where_it_stood(
    tree: Tree, base_url: str, page: Page, tmp_path: Path
) -> None:
    slices = noise(60)
    study = slices[0].StudyInstanceUID
    write(tmp_path, slices)
    open_list(page, base_url)
    session = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 4e6}
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", slow)
    choose_folder(page, tmp_path)
    bar = panel(page).get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d$"))
    panel(page).get_by_role("button", name="Cancel").click()
    await_end(page)
    expect(panel(page)).to_contain_text("Canceled before everything was stored")
    assert stored(base_url, study) < 60
    session.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})
    panel(page).get_by_role("button", name=re.compile(r"Send \d+ files? again")).click()
    await_end(page)
    expect(panel(page)).to_contain_text("60 of 60 confirmed")
    assert stored(base_url, study) == 60


def test_a_broken_connection_is_tried_again_and_what_stays_unconfirmed_can_be_sent(
    tree: Tree, base_url: str, page: Page, tmp_path: Path
) -> None:
    slices = series(5)
    study = slices[0].StudyInstanceUID
    write(tmp_path, slices)
    tries: list[str] = []

    def break_off(route: Route) -> None:
        tries.append(route.request.method)
        route.abort("connectionreset")

    page.route("**/dicom-web/studies", break_off)
    open_list(page, base_url)
    choose_folder(page, tmp_path)
    await_end(page)
    expect(panel(page)).to_contain_text("Not everything was stored")
    expect(panel(page)).to_contain_text("The connection to the server was lost.")
    assert len(tries) == 4
    page.unroute("**/dicom-web/studies")
    panel(page).get_by_role("button", name="Send 5 files again").click()
    await_end(page)
    expect(panel(page)).to_contain_text("5 files stored")
    assert stored(base_url, study) == 5


def test_an_upload_goes_on_while_pages_change(
    tree: Tree, base_url: str, page: Page, tmp_path: Path
) -> None:
    slices = noise(40)
    study = slices[0].StudyInstanceUID
    write(tmp_path, slices)
    open_list(page, base_url)
    choose_folder(page, tmp_path)
    page.get_by_role("link", name="Server").click()
    page.wait_for_url("**/about/")
    await_end(page)
    expect(panel(page)).to_contain_text("40 files stored")
    assert stored(base_url, study) == 40

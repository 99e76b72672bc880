"""The study list and the study page: what arrives appears, live, and what it says is only text."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from factories import ct_slice, new_uid
from PIL import Image
from playwright.sync_api import ConsoleMessage, Page, WebSocketRoute, expect
from process_tree import Tree
from web_app import connection, open_list, row, send, write

from hounsfield.server.demo.study import DemoStudy, make_demo_study

pytestmark = pytest.mark.browser

COLOURED = 15


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoStudy:
    return make_demo_study(tmp_path_factory.mktemp("demo"), voxel_mm=2)


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser had to complain about: a blocked script, a failed request, an error."""
    found: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            found.append(message.text)

    page.on("console", note)
    yield found
    assert found == []


def coloured_share(page: Page, selector: str) -> float:
    """How much of a picture is plainly not grey."""
    png = page.locator(selector).screenshot()
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return float((picture.max(axis=2) - picture.min(axis=2) > COLOURED).mean())


@pytest.mark.usefixtures("complaints")
def test_a_study_sent_by_c_store_appears_is_analysed_and_can_be_read_without_a_reload(
    tree: Tree, base_url: str, page: Page, demo: DemoStudy
) -> None:
    open_list(page, base_url)
    page.evaluate("window.sameDocument = true")
    send(tree, *demo.files)
    arrived = row(page, demo.study_instance_uid)
    expect(arrived).to_contain_text("Demo, Head", timeout=20_000)
    expect(arrived).to_contain_text(f"1 / {len(demo.files)}")
    expect(arrived.get_by_role("progressbar")).to_be_visible(timeout=30_000)

    arrived.focus()
    page.keyboard.press("Enter")
    job = page.get_by_test_id("job")
    expect(job).to_have_attribute("data-label", "complete", timeout=120_000)
    expect(job).to_contain_text(re.compile(r"Brain volume\s*[\d,]+\s*ml"))
    expect(job).to_contain_text("AI result, unverified, research use")
    report = page.get_by_test_id("report")
    expect(report.get_by_role("row").nth(1)).to_contain_text(re.compile(r"Brain.*Volume.*ml"))
    assert page.evaluate("window.sameDocument") is True


@pytest.mark.usefixtures("complaints")
def test_the_segmentation_is_shown_over_the_image_slice_by_slice(
    tree: Tree, base_url: str, page: Page, demo: DemoStudy
) -> None:
    send(tree, *demo.files)
    page.goto(f"{base_url}/study/?uid={demo.study_instance_uid}")
    picture = '[data-testid="seg-picture"] img'
    page.wait_for_selector(picture, timeout=120_000)
    expect(page.locator(picture)).not_to_have_class(re.compile("opacity-0"))
    assert coloured_share(page, picture) > 0.1
    first = page.locator(picture).get_attribute("src")
    page.get_by_role("slider", name="Slice").focus()
    with page.expect_response(re.compile(r"/frames/1/rendered$")) as answer:
        page.keyboard.press("Home")
    assert answer.value.status == 200
    assert page.locator(picture).get_attribute("src") != first


def test_a_series_that_is_not_for_the_model_says_why(
    tree: Tree, base_url: str, page: Page, tmp_path: Path
) -> None:
    study = new_uid()
    send(tree, *write(tmp_path, [ct_slice(StudyInstanceUID=study)]))
    open_list(page, base_url)
    analysis = row(page, study).get_by_test_id("analysis")
    expect(analysis).to_have_attribute("data-label", "skipped", timeout=30_000)
    analysis.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("modality CT")
    row(page, study).click()
    expect(page.get_by_test_id("skipped")).to_contain_text("modality CT")


def test_what_a_sender_wrote_is_shown_as_text_and_runs_nowhere(
    tree: Tree, base_url: str, page: Page, complaints: list[str], tmp_path: Path
) -> None:
    study = new_uid()
    attack = "<img src=x onerror='window.hit=1'>"
    hostile = ct_slice(
        StudyInstanceUID=study,
        PatientName="<script>stolen()</script>^\u202eJane",
        StudyDescription=attack,
        SeriesDescription="javascript:window.hit=1",
        PatientID='"><svg onload=window.hit=1>',
    )
    send(tree, *write(tmp_path, [hostile]))
    open_list(page, base_url)
    expect(row(page, study)).to_contain_text("<script>stolen()</script>, \ufffdJane")
    row(page, study).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>")
    expect(page.get_by_text(attack)).to_be_visible()
    assert page.evaluate("window.hit") is None
    assert complaints == []


def test_no_page_of_the_app_lets_an_inline_script_of_a_stranger_run(base_url: str) -> None:
    for path in ("/", "/study/", "/about/", "/no-such-page"):
        policy = httpx.get(base_url + path).headers["content-security-policy"]
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src "))
        assert "'sha256-" in scripts
        assert "unsafe" not in scripts


def test_an_unknown_page_is_404_and_says_so(base_url: str, page: Page) -> None:
    answer = page.goto(f"{base_url}/no-such-page")
    assert answer is not None and answer.status == 404
    expect(page.get_by_role("heading")).to_contain_text("There is no such page")


def test_without_a_socket_the_list_still_fills_and_the_live_connection_comes_back(
    tree: Tree, base_url: str, page: Page, tmp_path: Path
) -> None:
    blocked = False
    sockets: list[WebSocketRoute] = []

    def gate(socket: WebSocketRoute) -> None:
        if blocked:
            socket.close()
        else:
            socket.connect_to_server()
            sockets.append(socket)

    page.route_web_socket("**/api/live**", gate)
    open_list(page, base_url)
    blocked = True
    sockets[-1].close()
    connection(page, "polling").wait_for()
    while_polling, afterwards = new_uid(), new_uid()
    send(tree, *write(tmp_path / "a", [ct_slice(StudyInstanceUID=while_polling)]))
    row(page, while_polling).wait_for()
    blocked = False
    connection(page, "live").wait_for()
    send(tree, *write(tmp_path / "b", [ct_slice(StudyInstanceUID=afterwards)]))
    row(page, afterwards).wait_for()


def test_what_came_while_the_web_processes_were_dead_is_there_when_they_are_back(
    tree: Tree, base_url: str, page: Page, tmp_path: Path
) -> None:
    asked: list[str] = []
    page.on("websocket", lambda socket: asked.append(socket.url))
    open_list(page, base_url)
    page.evaluate("window.sameDocument = true")
    study = new_uid()
    for process in tree.children("web"):
        process.kill()
    send(tree, *write(tmp_path, [ct_slice(StudyInstanceUID=study)]))
    row(page, study).wait_for()
    connection(page, "live").wait_for()
    assert page.evaluate("window.sameDocument") is True
    assert len(asked) > 1
    assert all(re.search(r"since=\d+$", url) for url in asked)


def test_the_list_is_searched_walked_and_opened_by_keys_and_back_returns_to_it(
    tree: Tree, base_url: str, page: Page, tmp_path: Path
) -> None:
    word = f"W{new_uid()[-12:]}"
    studies = [new_uid() for _ in range(2)]
    slices = [ct_slice(StudyInstanceUID=uid, PatientName=f"{word}^{uid[-4:]}") for uid in studies]
    send(tree, *write(tmp_path, slices))
    open_list(page, base_url)
    page.keyboard.press("/")
    page.keyboard.type(word)
    expect(page.get_by_role("status")).to_have_text("2 studies found")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    chosen = page.locator('[data-study-row][aria-selected="true"]').get_attribute("data-study-row")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/study/?uid={chosen}")
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value(word)
    expect(page.get_by_role("status")).to_have_text("2 studies found")


def test_an_analysis_is_asked_for_and_canceled_on_the_study_page(
    tree: Tree, base_url: str, page: Page, demo: DemoStudy
) -> None:
    send(tree, *demo.files)
    page.goto(f"{base_url}/study/?uid={demo.study_instance_uid}")
    complete = page.locator('[data-testid="job"][data-label="complete"]')
    complete.first.wait_for(timeout=120_000)
    page.get_by_role("button", name="Run again").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It stays; the new one names it as its predecessor")
    dialog.get_by_role("button", name="Run again").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.locator('[data-testid="job"][data-label="canceled"]').wait_for()

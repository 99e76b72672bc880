"""A whole server tree, and headless Chromium to look at it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from process_tree import Tree

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


@pytest.fixture(scope="session")
def tree() -> Iterator[Tree]:
    """`hounsfield serve` with the built viewer, for all browser tests."""
    for part in ("web", "ohif"):
        if not (ROOT / "viewer" / "build" / part / "index.html").is_file():
            pytest.fail(f"viewer/build/{part} is not built: ./dev test builds it")
    folder = Path(tempfile.mkdtemp(prefix="hb-"))
    folder.chmod(0o755)
    tree = Tree(
        folder,
        HOUNSFIELD_INFERENCE__SETTLE_SECONDS="3",
        HOUNSFIELD_INFERENCE__SETTLE_AFTER_RELEASE_SECONDS="1",
    )
    try:
        tree.await_ready()
        yield tree
    finally:
        tree.destroy()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def base_url(tree: Tree) -> str:
    """Where the web app answers."""
    return f"http://127.0.0.1:{tree.http_port}"


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Browser]]:
    """Starts Debian's Chromium, or the one that HOUNSFIELD_TEST_CHROMIUM names."""
    program = os.environ.get("HOUNSFIELD_TEST_CHROMIUM") or shutil.which("chromium")
    assert program, "Chromium is missing: ./dev test installs it or says how"
    with sync_playwright() as playwright:

        def start(*more: str) -> Browser:
            arguments = [*ARGUMENTS, *more]
            return playwright.chromium.launch(executable_path=program, args=arguments)

        yield start


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Browser]) -> Iterator[Browser]:
    """One browser for all tests that need nothing special of it."""
    browser = launch()
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own; what the browser finds wrong in it fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(60_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []

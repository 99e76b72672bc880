"""The web app as its tests use it: what is sent to it, and where things stand on its pages."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from factories import encode
from playwright.sync_api import Locator, Page, expect
from process_tree import Tree
from pydicom.dataset import Dataset

# A busy machine is no reason to fail.
expect.set_options(timeout=30_000)


def write(folder: Path, datasets: Iterable[Dataset]) -> list[Path]:
    """Each data set as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, dataset in enumerate(datasets):
        paths.append(folder / f"{number:04}.dcm")
        paths[-1].write_bytes(encode(dataset))
    return paths


def send(tree: Tree, *paths: Path) -> None:
    """As a modality would, by dcmtk's dcmsend."""
    address = ("127.0.0.1", str(tree.dimse_port))
    command = ["dcmsend", "-aec", "HOUNSFIELD", *address, "--no-uid-checks", *map(str, paths)]
    subprocess.run(command, check=True, capture_output=True)


def row(page: Page, study: str) -> Locator:
    """A study's row in the list."""
    return page.locator(f'[data-study-row="{study}"]')


def connection(page: Page, phase: str) -> Locator:
    """The sign of the live connection, once it says so."""
    return page.locator(f'[data-testid="connection"][data-phase="{phase}"]')


def open_list(page: Page, base_url: str, query: str = "") -> None:
    """The study list, live."""
    page.goto(f"{base_url}/{query}")
    connection(page, "live").wait_for()

"""The npm package dicomweb-client in Chromium, on a page of ours and on one that CORS lets in.

It is what OHIF and most viewers ask with. The whole of its methods, as a page calls them.
"""

import base64
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import ct_slice, encode, new_uid
from playwright.sync_api import Page
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage
from web_server import serving

from hounsfield.archive.archive import Archive

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
LIBRARY = HERE.parents[1] / "viewer/node_modules/dicomweb-client/build/dicomweb-client.js"
PAGE = "<!doctype html><title>client</title><script src='/client.js'></script>"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A folder with a page that loads the client, laid out as a viewer's build."""
    assert LIBRARY.is_file(), "viewer/node_modules is not installed: ./dev test does it"
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text(PAGE)
    (tmp_path / "web" / "client.js").write_bytes(LIBRARY.read_bytes())
    return tmp_path


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def elsewhere(pages: Path) -> Iterator[str]:
    """The same page on another origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(pages / "web")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def base_url(archive: Archive, pages: Path, elsewhere: str) -> Iterator[str]:
    """Our server, which lets the other page's origin in."""
    http = archive.settings.http.model_copy(update={"cors_origins": (elsewhere,)})
    archive.settings = archive.settings.model_copy(update={"http": http})
    with serving(archive, viewer=pages) as port:
        yield f"http://127.0.0.1:{port}"


def cine() -> Dataset:
    pixels = np.arange(3 * 256, dtype="<u2")
    name = {"PatientName": "Müller^Jörg", "PatientID": "P-7"}
    return ct_slice(NumberOfFrames=3, PixelData=pixels.tobytes(), **name)


def report(study: str) -> Dataset:
    dataset = ct_slice(SOPClassUID=BasicTextSRStorage, Modality="SR", StudyInstanceUID=study)
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel"):
        delattr(dataset, keyword)
    dataset.PatientName, dataset.PatientID = "Müller^Jörg", "P-7"
    title, item = Dataset(), Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = "1", "99TEST", "Findings"
    dataset.ValueType, dataset.ConceptNameCodeSequence = "CONTAINER", [title]
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence, item.TextValue = [title], "nothing of note"
    dataset.ContentSequence, dataset.CompletionFlag = [item], "COMPLETE"
    return dataset


def use(page: Page, base_url: str, datasets: list[Dataset]) -> dict[str, Any]:
    image, sr = datasets
    uids = {
        "study": image.StudyInstanceUID,
        "series": image.SeriesInstanceUID,
        "instance": image.SOPInstanceUID,
        "report": [sr.SeriesInstanceUID, sr.SOPInstanceUID],
    }
    files = [base64.b64encode(encode(dataset)).decode() for dataset in datasets]
    script = (HERE / "dicomweb_client.js").read_text()
    asked = {"url": f"{base_url}/dicom-web", "files": files, "uids": uids}
    said: dict[str, Any] = page.evaluate(script, asked)
    return said


def as_bytes(texts: list[str]) -> list[bytes]:
    return [base64.b64decode(text) for text in texts]


@pytest.mark.parametrize("page_of", ["ours", "another"])
def test_every_method_of_the_client_works(
    page: Page, base_url: str, elsewhere: str, page_of: str
) -> None:
    image = cine()
    datasets = [image, report(image.StudyInstanceUID)]
    page.goto(f"{base_url if page_of == 'ours' else elsewhere}/")
    said = use(page, base_url, datasets)
    frames = [image.PixelData[start : start + 512] for start in (0, 512, 1024)]
    file = encode(image)

    assert said["stored"] == said["storedAgain"] == 2
    assert [found["0020000D"]["Value"] for found in said["studies"]] == [[image.StudyInstanceUID]]
    assert said["studies"][0]["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert said["nobody"] == []
    assert [found["00080060"]["Value"] for found in said["series"]] == [["SR"]]
    assert [said[name] for name in ("anySeries", "anyInstances", "ofStudy", "ofSeries")] == [
        2, 2, 2, 1,
    ]  # fmt: skip
    assert [said["studyMetadata"], said["seriesMetadata"]] == [2, 1]
    assert said["metadata"]["00280008"]["Value"] == [3]

    assert sorted(as_bytes(said["study"])) == sorted(encode(dataset) for dataset in datasets)
    assert as_bytes([*said["seriesFiles"], said["instance"], said["wado"]]) == [file] * 3
    assert as_bytes(said["frames"]) == [frames[2], frames[0]]
    assert said["progress"] > 1024
    assert as_bytes(said["asStored"]) == [frames[1]]
    assert len(said["anyKind"]) == 1
    assert as_bytes(said["bulkdata"] + said["single"]) == [image.PixelData] * 2
    assert as_bytes(said["range"]) == [image.PixelData[2:6]]

    assert said["pictures"] == [[16, 16], [8, 8], [256, 256], [16, 16], [256, 256]]
    assert "nothing of note" in said["page"]
    assert said["failures"] == [404, 404, 400, 400]


def test_a_page_that_nobody_named_cannot_use_it(
    archive: Archive, page: Page, pages: Path, elsewhere: str
) -> None:
    image = ct_slice(StudyInstanceUID=new_uid())
    with serving(archive, viewer=pages) as port:
        page.goto(f"{elsewhere}/")
        with pytest.raises(Exception, match="request failed"):
            use(page, f"http://127.0.0.1:{port}", [image, report(image.StudyInstanceUID)])

"""A large instance goes in and out in constant memory (issue: 2 GB under 256 MB; A-07).

One goes in as a file in Implicit VR, which goes out rewritten; the other as metadata and bulk data.
"""

import os
import struct
import threading
from collections.abc import Iterator

import httpx
import orjson
import psutil
import pytest
from dicomweb_requests import STORE_HEADERS, multipart, serve, url_of
from factories import ct_slice, encode
from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from hounsfield.archive.archive import Archive

FRAME = 512 * 512 * 2
FRAMES = 600
MIB = 1024 * 1024
FRAMES_ACCEPT = "multipart/related; type=application/octet-stream; transfer-syntax=*"


class Peak:
    """The largest resident size of this process, server and client together."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.base = self.peak = self._process.memory_info().rss

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self.peak - self.base

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.peak = max(self.peak, self._process.memory_info().rss)


def object_in_pieces(dataset: Dataset, frame: bytes) -> Iterator[bytes]:
    """The multipart body of one instance, frame by frame."""
    before, behind = multipart([b"|"]).split(b"|")
    yield before + encode(dataset) + struct.pack("<HHI", 0x7FE0, 0x10, FRAMES * FRAME)
    for _ in range(FRAMES):
        yield frame
    yield behind


def bulk_in_pieces(dataset: Dataset, frame: bytes) -> Iterator[bytes]:
    """The same as metadata and bulk data (PS3.18 10.5.2)."""
    members = dataset.to_json_dict() | {"7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
    before, behind = multipart([b"|"], "application/dicom+json").split(b"|")
    kind = b"Content-Type: application/octet-stream\r\nContent-Location: pixels\r\n\r\n"
    yield before + orjson.dumps(members) + behind.replace(b"--\r\n", b"\r\n") + kind
    for _ in range(FRAMES):
        yield frame
    yield behind


def received(url: str, accept: str) -> int:
    """Bytes of an answer that nobody keeps."""
    with httpx.stream("GET", url, headers={"accept": accept}, timeout=120) as response:
        assert response.status_code == 200
        return sum(len(piece) for piece in response.iter_raw(MIB))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["application/dicom+json", "application/dicom"])
def test_memory_does_not_grow_with_the_instance(archive: Archive, kind: str) -> None:
    dataset = ct_slice(512, 512, NumberOfFrames=FRAMES)
    del dataset.PixelData
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    in_pieces = object_in_pieces if kind == "application/dicom" else bulk_in_pieces
    body = in_pieces(dataset, os.urandom(FRAME))
    headers = {"content-type": STORE_HEADERS["content-type"].replace("application/dicom", kind)}
    whole = FRAMES * FRAME
    with serve(archive) as base, Peak() as memory:
        answer = httpx.post(f"{base}/studies", content=body, headers=headers, timeout=120)
        assert answer.status_code == 200, answer.text
        url = base + url_of(dataset)
        assert received(url, 'multipart/related; type="application/dicom"') > whole
        assert received(url, "application/dicom; transfer-syntax=*") > whole
        assert received(f"{url}/bulkdata/7FE00010", "*/*") == whole
        assert received(url, "application/zip") > whole
        assert received(f"{url}/pixeldata", FRAMES_ACCEPT) > whole
        everything = ",".join(str(number + 1) for number in range(FRAMES))
        assert received(f"{url}/frames/{everything}", FRAMES_ACCEPT) > whole
    assert whole > 2 * 128 * MIB
    assert memory.growth < 128 * MIB

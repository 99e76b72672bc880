"""Images that lie about themselves (conformance S-08): a 4xx each, and nobody else's memory."""

import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_requests import store, url_of
from factories import ct_slice, encode
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, RLELossless

EIGHT = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
RAMP = np.arange(256, dtype=np.uint8).tobytes()


def lookup(count: int, bits: int, entries: bytes) -> list[Dataset]:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [count, 0, bits])
    item.add_new("LUTData", "OW", entries)
    return [item]


def palette(count: int, first: int, bits: int, entries: bytes) -> dict[str, Any]:
    made: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR", "PixelData": RAMP}
    for name in ("Red", "Green", "Blue"):
        made[f"{name}PaletteColorLookupTableDescriptor"] = [count, first, bits]
        made[f"{name}PaletteColorLookupTableData"] = entries
    return made


LIES = {
    "no bits": {"BitsAllocated": 0},
    "seven bits": {"BitsAllocated": 7},
    "more bits than there are": {"BitsStored": 17},
    "255 samples": {"SamplesPerPixel": 255},
    "no planar configuration": {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
    "65535 rows and columns": {"Rows": 65535, "Columns": 65535},
    "no rows": {"Rows": 0},
    "half of the pixels": {"PixelData": bytes(256)},
    "a VOI LUT too short": {"VOILUTSequence": lookup(4096, 12, bytes(20))},
    "a VOI LUT of no bits": {"VOILUTSequence": lookup(16, 0, bytes(32))},
    "a VOI LUT without entries": {"VOILUTSequence": lookup(0, 16, b"")},
    "a VOI LUT without a descriptor": {"VOILUTSequence": [Dataset()]},
    "a modality LUT too short": {"ModalityLUTSequence": lookup(4096, 16, bytes(20))},
    "a palette too short": EIGHT | palette(256, 0, 16, bytes(20)),
    "a palette of no bits": EIGHT | palette(256, 0, 0, bytes(512)),
}


async def test_an_image_that_lies_costs_a_4xx_and_keeps_its_tile(
    client: httpx.AsyncClient,
) -> None:
    """S-08. A data set that the store refuses for its lie is not rendered at all."""
    rendered = 0
    for name, attributes in LIES.items():
        dataset = ct_slice(**attributes)
        if (await store(client, encode(dataset))).status_code != 200:
            continue
        rendered += 1
        for resource in ("/rendered", "/frames/1/rendered", "/rendered?accept=image/gif"):
            response = await client.get(url_of(dataset) + resource)
            assert 400 <= response.status_code < 500, f"{name}: {response.status_code}"
        assert (await client.get(url_of(dataset) + "/thumbnail")).status_code == 200, name
    assert rendered > 10


async def test_a_palette_index_beyond_its_table_is_the_last_entry(
    client: httpx.AsyncClient,
) -> None:
    """S-08; PS3.3 C.7.6.3.1.5."""
    dataset = ct_slice(**EIGHT, **palette(4, 10, 8, b"\x01\x02\x03\x04"))
    await store(client, encode(dataset))
    response = await client.get(url_of(dataset) + "/rendered?accept=image/png")
    assert response.status_code == 200


async def test_frames_that_are_only_claimed_are_not_made(client: httpx.AsyncClient) -> None:
    """S-08: 2^31 - 1 frames, as a GIF and as a list."""
    dataset = ct_slice(NumberOfFrames=2**31 - 1)
    if (await store(client, encode(dataset))).status_code != 200:
        return
    for resource in ("/rendered", "/frames/2147483647/rendered", "/thumbnail"):
        assert (await client.get(url_of(dataset) + resource)).status_code < 500


def cut_streams(folder: Path) -> list[Dataset]:
    """Real compressed frames whose streams end too soon or go on with rubbish."""
    found = []
    for part in ("RLELossless", "JPEGProcess14T", "JPEGProcess2_4"):
        (path, *_) = sorted((folder / "transfer_syntaxes").glob(f"CTImage.dcm_{part}*"))
        dataset = pydicom.dcmread(path)
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
        for rest in (b"", bytes(4000)):
            dataset.PixelData = encapsulate([frame[: len(frame) // 3] + rest])
            found.append(deepcopy(dataset))
    return found


def lying_streams() -> list[Dataset]:
    """An RLE header that points outside, and JPEG 2000 of one tile of 2^31 pixels."""
    rle = (15).to_bytes(4, "little") + b"\xff\xff\xff\x7f" * 15 + bytes(64)
    size = b"\xff\x4f\xff\x51\x00\x29\x00\x00" + b"\x7f\xff\xff\xff" * 2 + bytes(8)
    tiles = b"\x7f\xff\xff\xff" * 2 + bytes(8) + b"\x00\x01\x0f\x01\x01"
    found = []
    for syntax, stream in ((RLELossless, rle), (JPEG2000Lossless, size + tiles + bytes(64))):
        dataset = ct_slice()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([stream])
        found.append(dataset)
    return found


CHILD = """
import hashlib, sys
from hounsfield.archive.transcoding.worker import limit_resources
from hounsfield.dicomweb.rendering.worker import TASKS
limit_resources()
for path in sys.argv[1:]:
    try:
        reply = TASKS["render"]({"path": path, "frame": 1, "format": "image/jpeg", "quality": 90})
        print(hashlib.sha256(reply.payload).hexdigest())
    except Exception:
        print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="MALLOC_PERTURB_ is of glibc")
def test_a_broken_stream_shows_nothing_of_the_heap(shared_data: Path, tmp_path: Path) -> None:
    """S-08: with fresh memory full of 55 or of AA, the pictures are the same."""
    paths = []
    for number, dataset in enumerate([*cut_streams(shared_data), *lying_streams()]):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(encode(dataset))
        paths.append(str(path))
    answers = []
    for filling in ("85", "170"):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *paths],
            env=os.environ | {"MALLOC_PERTURB_": filling},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        answers.append(done.stdout.split())
    assert len(answers[0]) == len(paths)
    assert answers[0] == answers[1]
    assert "refused" in answers[0]
    assert set(answers[0]) != {"refused"}

"""Pictures beside those of dcmtk's dcm2pnm: no level differs by more than one (W6).

Overlays are off on both sides. Where the two differ by design the case says why.
"""

import io
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_requests import store, url_of
from factories import ct_slice, encode
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

pytestmark = pytest.mark.skipif(not shutil.which("dcm2pnm"), reason="needs dcmtk's dcm2pnm")

RANDOM = np.random.default_rng(7)
WORDS = RANDOM.integers(0, 4096, (16, 16)).astype("<u2")
SIGNED = RANDOM.integers(-2000, 3000, (16, 16)).astype("<i2")
BYTES = RANDOM.integers(0, 256, (16, 16), dtype=np.uint8)
COLORS = RANDOM.integers(0, 256, (16, 16, 3), dtype=np.uint8)
CURVE = (np.arange(4096) ** 2 / 4095).astype("<u2")
OWN, OWN_LUT = ("+Wi", "1"), ("+Wl", "1")

TWELVE = {"BitsStored": 12, "HighBit": 11, "PixelData": WORDS.tobytes()}
WIDE = {"WindowCenter": 2000, "WindowWidth": 3000}
SOFT = {"WindowCenter": 40, "WindowWidth": 400}
INTS = {"PixelRepresentation": 1, "PixelData": SIGNED.tobytes()}
EIGHT = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": BYTES.tobytes()}
COLOR = {
    **EIGHT, "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0,
    "PixelData": COLORS.tobytes(),
}  # fmt: skip
MONO1 = {"PhotometricInterpretation": "MONOCHROME1"}


def table(first: int, bits: int, entries: NDArray[Any], **more: str) -> list[Dataset]:
    """A lookup table sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return [item]


def palette(bits: int, count: int, first: int = 0) -> dict[str, Any]:
    """Palette colour lookup tables."""
    made: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        entries = RANDOM.integers(0, 2**bits, count).astype("<u2" if bits == 16 else "u1")
        made[f"{name}PaletteColorLookupTableDescriptor"] = [count, first, bits]
        made[f"{name}PaletteColorLookupTableData"] = entries.tobytes()
    return made


@dataclass
class Case:
    """An image, what dcm2pnm is told of it, and how far the levels may lie apart."""

    attributes: dict[str, Any]
    options: tuple[str, ...] = OWN
    within: int = 1
    query: dict[str, str] = field(default_factory=dict)


MADE = {
    "unsigned": Case(TWELVE | WIDE),
    "inverse": Case(TWELVE | WIDE | MONO1),
    "inverse by shape": Case(TWELVE | WIDE | {"PresentationLUTShape": "INVERSE"}),
    "inverse twice told": Case(TWELVE | WIDE | MONO1 | {"PresentationLUTShape": "INVERSE"}),
    "not inverse by shape": Case(TWELVE | WIDE | MONO1 | {"PresentationLUTShape": "IDENTITY"}),
    "signed": Case(INTS | SOFT | {"RescaleSlope": 1, "RescaleIntercept": -100}),
    "falling slope": Case(INTS | SOFT | {"RescaleSlope": -2, "RescaleIntercept": 100}),
    "broken slope": Case(TWELVE | SOFT | {"RescaleSlope": "0.37", "RescaleIntercept": "-100.5"}),
    "twelve signed bits": Case(
        TWELVE | {"PixelRepresentation": 1, "WindowCenter": 0, "WindowWidth": 1000}
    ),
    "sigmoid": Case(TWELVE | WIDE | {"VOILUTFunction": "SIGMOID"}),
    "threshold": Case(TWELVE | {"WindowCenter": 2000, "WindowWidth": 1}),
    "two levels": Case(TWELVE | {"WindowCenter": 2000, "WindowWidth": 2}),
    "window asked for": Case(
        TWELVE | WIDE, ("+Ww", "1000", "700"), query={"window": "1000,700,linear"}
    ),
    "sigmoid asked for": Case(
        TWELVE | WIDE, ("+Ww", "1000", "700", "+Wfs"), query={"window": "1000,700,sigmoid"}
    ),
    "VOI LUT": Case(TWELVE | {"VOILUTSequence": table(0, 12, CURVE)}, OWN_LUT),
    "VOI LUT, inverse": Case(TWELVE | MONO1 | {"VOILUTSequence": table(0, 12, CURVE)}, OWN_LUT),
    "VOI LUT of bytes in words": Case(
        TWELVE | {"VOILUTSequence": table(0, 8, CURVE >> 4)}, OWN_LUT
    ),
    "VOI LUT, short": Case(
        TWELVE | {"VOILUTSequence": table(1000, 16, np.arange(1024) * 64)}, OWN_LUT
    ),
    "VOI LUT from below zero": Case(
        INTS | {"VOILUTSequence": table(-1000, 16, np.arange(2048) * 32)}, OWN_LUT
    ),
    "VOI LUT of rescaled values": Case(
        TWELVE
        | {"RescaleSlope": 2, "RescaleIntercept": -1000}
        | {"VOILUTSequence": table(-1000, 12, np.repeat(CURVE, 2))},
        OWN_LUT,
    ),
    "modality LUT": Case(
        TWELVE | WIDE | {"ModalityLUTSequence": table(0, 16, CURVE[::-1], ModalityLUTType="US")}
    ),
    "modality LUT, short": Case(
        TWELVE
        | WIDE
        | {"ModalityLUTSequence": table(100, 16, np.arange(256) * 16, ModalityLUTType="US")}
    ),
    "bits above the pixel": Case(TWELVE | WIDE | {"PixelData": (WORDS | 0x8000).tobytes()}),
    "pixels in the upper bits": Case(
        {"BitsStored": 12, "HighBit": 15, "PixelData": (WORDS << 4).tobytes()} | WIDE
    ),
    "bytes": Case(EIGHT | {"WindowCenter": 128, "WindowWidth": 100}),
    "signed bytes": Case(EIGHT | {"PixelRepresentation": 1, "WindowCenter": 0, "WindowWidth": 100}),
    "one bit": Case(
        {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelData": BYTES.tobytes()[:32]}
        | {"WindowCenter": 0.5, "WindowWidth": 1}
    ),
    "narrow window in 32 bits": Case(
        {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}
        | {"PixelData": (3_000_000_000 + BYTES.astype("<u4")).astype("<u4").tobytes()}
        | {"WindowCenter": 3_000_000_128, "WindowWidth": 256}
    ),
    "RGB": Case(COLOR, ()),
    "RGB by plane": Case(
        COLOR | {"PlanarConfiguration": 1, "PixelData": COLORS.transpose(2, 0, 1).tobytes()}, ()
    ),
    "RGB of 16 bits": Case(
        COLOR
        | {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
        | {"PixelData": (COLORS.astype("<u2") * 257).tobytes()},
        (),
    ),
    # dcm2pnm turns YBR into RGB by tables of whole numbers and is up to 1.9 off; these are exact.
    "YBR_FULL": Case(COLOR | {"PhotometricInterpretation": "YBR_FULL"}, (), within=2),
    "YBR_FULL_422": Case(
        COLOR | {"PhotometricInterpretation": "YBR_FULL_422", "PixelData": COLORS.tobytes()[:512]},
        (),
        within=2,
    ),
    "YBR_PARTIAL_422": Case(
        COLOR
        | {"PhotometricInterpretation": "YBR_PARTIAL_422", "PixelData": COLORS.tobytes()[:512]},
        (),
        within=2,
    ),
    "palette of bytes": Case(EIGHT | palette(8, 256), ()),
    "palette of words": Case(EIGHT | palette(16, 256), ()),
    "palette that begins late": Case(EIGHT | palette(16, 100, 50), ()),
    "palette of words for words": Case(TWELVE | palette(16, 4096), ()),
}

OTHER_TOOLS = {"4.80": "dcml2pnm", "4.81": "dcml2pnm"} | {
    f"4.{number}": "dcmj2pnm" for number in (50, 51, 53, 55, 57, 70)
}

NO_WINDOW = ("+Ww", "300", "800")
"""Without a VOI transformation of its own an image leaves the window open, and the two choose
apart. dcm2pnm does not see those of functional groups either."""

REAL = (
    "ct_chest_philips_64/1-01.dcm",
    "mr_t1_philips_384/N2D_0100.dcm",
    "seg_sr_rt/ct_3slice/01.dcm",
    "mg/OutOfBoundsOverlay.dcm",
    "nm/NM1_JPLL",
    "pt/2.dcm",
    "xa_cine/jpeg_baseline_8bit.dcm",
    "broken/gantry_tilt/IM-0001-0001.dcm",
    "enhanced/MOVEKNEE.dcm",
    "enhanced/eCT_Supplemental.dcm",
    "enhanced/emri_small_[RbB]*",
    "enhanced/emri_small_jpeg_ls_lossless.dcm",
    "us/US-PAL-8-10x-echo",
    "wsi/911f6cbd-a1ad-4e95-bdf5-4e4ea52d9977.dcm",
    "transfer_syntaxes/TestPattern_*",
    "transfer_syntaxes/CTImage*",
    "transfer_syntaxes/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm",
)
"""Left out: JPEG 2000, HTJ2K and JPEG XL, which dcmtk does not decode; Philips' enhanced MR, whose
slope stands in the functional groups; us/gdcm-US-ALOKA-16.dcm, whose palette is segmented;
pt/1.dcm, where dcm2pnm cuts 9.12329 times the value to a whole number and is two levels off."""


def dcm2pnm(path: Path, picture: Path, *options: str) -> NDArray[np.uint8]:
    """What dcmtk shows of the first frame."""
    syntax = pydicom.dcmread(path, specific_tags=[]).file_meta.TransferSyntaxUID
    tool = OTHER_TOOLS.get(syntax.removeprefix("1.2.840.10008.1.2."), "dcm2pnm")
    command = [tool, "--quiet", "-O", "+op", *options, str(path), str(picture)]
    subprocess.run(command, check=True, timeout=60)
    return np.asarray(Image.open(picture))


async def ours(client: httpx.AsyncClient, dataset: Dataset, **query: str) -> NDArray[np.uint8]:
    url = url_of(dataset) + "/frames/1/rendered"
    response = await client.get(url, params=query, headers={"accept": "image/png"})
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)))


def apart(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> int:
    assert ours.shape == theirs.shape
    return int(np.abs(ours.astype(int) - theirs).max())


def real_images(folder: Path) -> list[Path]:
    found = [path for pattern in REAL for path in sorted(folder.glob(pattern))]
    return [path for path in found if "JPEG2000" not in path.name]


async def test_made_images_have_the_grey_levels_of_dcm2pnm(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    path, wrong = tmp_path / "image.dcm", {}
    datasets = {name: ct_slice(**case.attributes) for name, case in MADE.items()}
    answer = await store(client, *(encode(dataset) for dataset in datasets.values()))
    assert answer.status_code == 200
    for name, case in MADE.items():
        path.write_bytes(encode(datasets[name]))
        theirs = dcm2pnm(path, tmp_path / "picture.pnm", *case.options)
        levels = apart(await ours(client, datasets[name], **case.query), theirs)
        if levels > case.within:
            wrong[name] = levels
        assert np.ptp(theirs) > 0, name
    assert not wrong


async def test_real_images_have_the_grey_levels_of_dcm2pnm(
    client: httpx.AsyncClient, shared_data: Path, tmp_path: Path
) -> None:
    wrong, compared = {}, 0
    for path in real_images(shared_data):
        assert (await store(client, path.read_bytes())).status_code in {200, 202}
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        options = () if dataset.PhotometricInterpretation[:4] != "MONO" else NO_WINDOW
        if options and "WindowCenter" in dataset:
            options = OWN
        query = {"window": "300,800,linear"} if options == NO_WINDOW else {}
        theirs = dcm2pnm(path, tmp_path / "picture.pnm", *options)
        levels = apart(await ours(client, dataset, **query), theirs)
        compared += 1
        if levels > 1:
            wrong[path.name] = levels
    assert not wrong
    assert compared > 30


async def test_padding_is_black_where_dcm2pnm_shows_its_value(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """PS3.3 C.7.5.1.1.2; dcm2pnm does not know of padding."""
    path = tmp_path / "image.dcm"
    limits = {"PixelPaddingValue": 3000, "PixelPaddingRangeLimit": 4095}
    dataset = ct_slice(**(TWELVE | WIDE | MONO1 | limits))
    path.write_bytes(encode(dataset))
    await store(client, path.read_bytes())
    shown, padding = await ours(client, dataset), WORDS >= 3000
    theirs = dcm2pnm(path, tmp_path / "picture.pnm", *OWN)
    assert apart(shown[~padding], theirs[~padding]) <= 1
    assert shown[padding].max() == 0


@pytest.mark.parametrize(("center", "width"), [(2000, 3000), (2000, 20), (1, 1), (2000.5, 0.5)])
async def test_linear_exact_is_the_formula_of_the_standard(
    client: httpx.AsyncClient, center: float, width: float
) -> None:
    """PS3.3 C.11.2.1.3.2; dcm2pnm takes it for linear."""
    dataset = ct_slice(**TWELVE)
    await store(client, encode(dataset))
    shown = await ours(client, dataset, window=f"{center},{width},linear-exact")
    expected = np.clip((WORDS.astype(float) - center) / width + 0.5, 0, 1) * 255
    assert np.abs(shown - expected).max() <= 0.5 + 1e-3

"""Encoders by transfer syntax (PS3.5 8.2): one frame of plain pixels to its compressed bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import imagecodecs
import jpeg_ls
import numpy as np
from rle.utils import encode_pixel_data

from hounsfield.archive.transcoding.decode import Pixels

JPEG_QUALITY = 90
LARGEST_ERROR = 2
"""By which JPEG-LS near-lossless may change a sample (its NEAR)."""
MOST_STEP_BITS = 12
"""Finer than this the wavelet coefficients of a lossy image are not told apart."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What the pixels of all frames of an image are."""

    bits: int
    signed: bool
    color: bool
    ybr: bool = False
    """Already YBR_FULL, as it was stored: it is not transformed once more."""


Encode = Callable[[Pixels, Samples], bytes]


@dataclass(frozen=True, slots=True)
class Encoder:
    """How a transfer syntax is made, and what the image then says of itself."""

    encode: Encode
    photometric_interpretation: str = "RGB"
    """Of what was RGB."""
    method: str = ""
    """LossyImageCompressionMethod (PS3.3 C.7.6.1.1.5.1); empty where nothing is lost."""
    whole_words: bool = False
    """The codestream has the precision of the container, not of BitsStored."""


def _shape(pixels: Pixels, samples: Samples) -> dict[str, Any]:
    return {
        "rows": pixels.shape[0],
        "columns": pixels.shape[1],
        "samples_per_pixel": 3 if samples.color else 1,
    }


def _rle(pixels: Pixels, samples: Samples) -> bytes:
    bits = 8 * pixels.itemsize
    shape = _shape(pixels, samples)
    return encode_pixel_data(pixels.tobytes(), bits_allocated=bits, byteorder="<", **shape)


def _jpeg_ls(pixels: Pixels, samples: Samples, error: int = 0) -> bytes:
    if error and samples.signed:
        # JPEG-LS knows no sign: an error across the ends of the range would turn it round.
        edge = 1 << (samples.bits - 1)
        pixels = pixels.clip(-edge + error, edge - 1 - error)
    options = _shape(pixels, samples) | {"bits_stored": samples.bits}
    if samples.color:
        options["planar_configuration"] = 0
    encoded = jpeg_ls.encode_pixel_data(pixels.tobytes(), lossy_error=error, **options)
    return bytes(encoded)


def _jpeg_ls_near(pixels: Pixels, samples: Samples) -> bytes:
    return _jpeg_ls(pixels, samples, LARGEST_ERROR)


def _jpeg_baseline(pixels: Pixels, samples: Samples) -> bytes:
    if not samples.color:
        return bytes(imagecodecs.jpeg8_encode(pixels, JPEG_QUALITY))
    return bytes(
        imagecodecs.jpeg8_encode(
            pixels, JPEG_QUALITY, colorspace="RGB", outcolorspace="YCBCR", subsampling="422"
        )
    )


def _jpeg_lossless(pixels: Pixels, samples: Samples) -> bytes:
    """Process 14, first-order prediction; the sign is only in the attributes."""
    unsigned = pixels.view(pixels.dtype.str.replace("i", "u"))
    if samples.signed:
        unsigned = unsigned & unsigned.dtype.type((1 << samples.bits) - 1)
    space: dict[str, Any] = {"colorspace": "RGB", "outcolorspace": "RGB"} if samples.color else {}
    encoded = imagecodecs.jpeg8_encode(
        unsigned, lossless=True, predictor=1, bitspersample=samples.bits, **space
    )
    return bytes(encoded)


def _jpeg_2000(pixels: Pixels, samples: Samples, **loss: Any) -> bytes:
    encoded = imagecodecs.jpeg2k_encode(
        pixels,
        codecformat="J2K",
        bitspersample=samples.bits,
        resolutions=min(6, min(pixels.shape[:2]).bit_length()),
        mct=samples.color and not samples.ybr,
        **loss or {"reversible": True},
    )
    return bytes(encoded)


def _jpeg_2000_lossy(pixels: Pixels, samples: Samples) -> bytes:
    """The error is about one step of an 8-bit image, and four of a 16-bit one."""
    decibels = 6 * min(samples.bits, MOST_STEP_BITS + 2)
    return _jpeg_2000(pixels, samples, reversible=False, level=decibels)


def _htj2k(pixels: Pixels, samples: Samples) -> bytes:
    """Reversible, in resolution order (RPCL) with tile-part lengths: right for 201 and 202."""
    mct = samples.color and not samples.ybr
    return bytes(imagecodecs.htj2k_encode(pixels, rgb=mct, reversible=True, tlm=True))


def _htj2k_lossy(pixels: Pixels, samples: Samples) -> bytes:
    step = 2.0 ** -min(samples.bits, MOST_STEP_BITS)
    return bytes(imagecodecs.htj2k_encode(pixels, step, rgb=samples.color, reversible=False))


_JPEG = "1.2.840.10008.1.2.4."
_HTJ2K = Encoder(_htj2k, "YBR_RCT", whole_words=True)

ENCODERS: dict[str, Encoder] = {
    "1.2.840.10008.1.2.5": Encoder(_rle),
    _JPEG + "50": Encoder(_jpeg_baseline, "YBR_FULL_422", "ISO_10918_1"),
    _JPEG + "70": Encoder(_jpeg_lossless),
    _JPEG + "80": Encoder(_jpeg_ls),
    _JPEG + "81": Encoder(_jpeg_ls_near, method="ISO_14495_1"),
    _JPEG + "90": Encoder(_jpeg_2000, "YBR_RCT"),
    _JPEG + "91": Encoder(_jpeg_2000_lossy, "YBR_ICT", "ISO_15444_1"),
    _JPEG + "201": _HTJ2K,
    _JPEG + "202": _HTJ2K,
    _JPEG + "203": Encoder(_htj2k_lossy, "YBR_ICT", "ISO_15444_15", whole_words=True),
}


def plain(pixels: Pixels, samples: Samples) -> Pixels:
    """Little-endian samples of the smallest container that holds their bits."""
    kind, size = ("i" if samples.signed else "u"), (samples.bits + 7) // 8
    size = {1: 1, 2: 2}.get(size, 4)
    return np.ascontiguousarray(pixels.astype(f"<{kind}{size}", copy=False))

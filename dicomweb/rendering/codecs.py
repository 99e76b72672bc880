"""Decoders that pydicom does not bring along, through its own plugin interface.

imagecodecs decodes 12-bit JPEG, the retired progressive JPEG processes and JPEG XL, for which
pydicom has no entry at all.
"""

import imagecodecs
import numpy as np
from pydicom.pixels.decoders import base
from pydicom.pixels.decoders.base import DecodeRunner, Decoder
from pydicom.uid import UID, JPEGExtended12Bit

OURS = "imagecodecs"
JPEG_SPECTRAL = UID("1.2.840.10008.1.2.4.53")
JPEG_PROGRESSIVE = UID("1.2.840.10008.1.2.4.55")
JPEG_XL = tuple(UID(f"1.2.840.10008.1.2.4.{number}") for number in ("110", "111", "112"))

DECODER_DEPENDENCIES = {
    uid: ("imagecodecs",) for uid in (JPEGExtended12Bit, JPEG_SPECTRAL, JPEG_PROGRESSIVE, *JPEG_XL)
}


def is_available(uid: str) -> bool:
    """True for what this module decodes."""
    return uid in DECODER_DEPENDENCIES


def _decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """One frame as little-endian pixels, plane by pixel."""
    if runner.transfer_syntax in JPEG_XL:
        decoded = imagecodecs.jpegxl_decode(source)
    else:
        decoded = imagecodecs.jpeg8_decode(source)
    pixels = np.ascontiguousarray(decoded)
    runner.set_option("bits_allocated", pixels.itemsize * 8)
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
        runner.set_option("photometric_interpretation", "RGB")
    return pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()


def install() -> None:
    """Make these decoders known to pydicom."""
    for uid in DECODER_DEPENDENCIES:
        if uid not in base._PIXEL_DATA_DECODERS:
            base._PIXEL_DATA_DECODERS[uid] = (Decoder(uid), "")
        decoder = base._PIXEL_DATA_DECODERS[uid][0]
        if OURS not in decoder.available_plugins:
            decoder.add_plugin(OURS, (__name__, "_decode_frame"))

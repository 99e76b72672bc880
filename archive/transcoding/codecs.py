"""Decoders that pydicom does not bring along, through its own plugin interface.

imagecodecs decodes 12-bit JPEG, HTJ2K, and two kinds for which pydicom has no entry at all: the
retired progressive JPEG processes and JPEG XL.
"""

import imagecodecs
import numpy as np
from pydicom._uid_dict import UID_dictionary
from pydicom.pixels.decoders import base
from pydicom.pixels.decoders.base import Decoder, DecodeRunner
from pydicom.uid import HTJ2K, UID, HTJ2KLossless, HTJ2KLosslessRPCL, JPEGExtended12Bit

OURS = "imagecodecs"
JPEG_SPECTRAL = UID("1.2.840.10008.1.2.4.53")
JPEG_PROGRESSIVE = UID("1.2.840.10008.1.2.4.55")
JPEG_XL = tuple(UID(f"1.2.840.10008.1.2.4.{number}") for number in ("110", "111", "112"))

HTJ2KS = (HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)

DECODER_DEPENDENCIES = dict.fromkeys(
    (JPEGExtended12Bit, JPEG_SPECTRAL, JPEG_PROGRESSIVE, *HTJ2KS, *JPEG_XL), ("imagecodecs",)
)


def is_available(uid: str) -> bool:
    """True for what this module decodes."""
    return uid in DECODER_DEPENDENCIES


def _decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """One frame as little-endian pixels, plane by pixel."""
    if runner.transfer_syntax in JPEG_XL:
        decoded = imagecodecs.jpegxl_decode(source)
    elif runner.transfer_syntax in HTJ2KS:
        decoded = imagecodecs.jpeg2k_decode(source)
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
    for uid in JPEG_XL:
        UID_dictionary.setdefault(uid, ("JPEG XL", "Transfer Syntax", "", "", "JPEGXL"))
    for uid in DECODER_DEPENDENCIES:
        if uid not in base._PIXEL_DATA_DECODERS:
            base._PIXEL_DATA_DECODERS[uid] = (Decoder(uid), "")
        decoder = base._PIXEL_DATA_DECODERS[uid][0]
        if OURS not in decoder.available_plugins:
            decoder.add_plugin(OURS, (__name__, "_decode_frame"))

"""ICC profiles of pictures (PS3.18 8.3.5.1, parameter ``iccprofile``; PS3.3 C.11.15).

A picture without a profile of its own is taken as sRGB, grey ones too.
"""

from functools import lru_cache
from io import BytesIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from pydicom import Dataset

from hounsfield.archive.transcoding.protocol import Refused

LONGEST = 16 * 1024 * 1024
CREATED = bytes((7, 232, 0, 1, 0, 1)) + bytes(6)
"""A date for profiles made here (ICC.1 7.2.8), so that equal pictures are equal bytes."""
D50, D65 = (0.3457, 0.3585), (0.3127, 0.3290)
SPACES = {
    "adobergb": (D65, (0.64, 0.33, 0.21, 0.71, 0.15, 0.06), 563 / 256),
    "rommrgb": (D50, (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001), 1.8),
    "displayp3": (D65, (0.680, 0.320, 0.265, 0.690, 0.150, 0.060), None),
}
"""White point, primaries and gamma; None is the curve of sRGB."""


def in_color_space(picture: Image.Image, asked: str | None, dataset: Dataset) -> Image.Image:
    """The picture with the profile that was asked for, its pixels turned into that space."""
    if asked in {None, "no"}:
        return picture
    source = _own_profile(dataset) if picture.mode == "RGB" else None
    picture = picture.convert("RGB")
    target = (source or well_known("srgb")) if asked == "yes" else well_known(str(asked))
    source = source or well_known("srgb")
    if source != target:
        picture = _transformed(picture, source, target)
    picture.info["icc_profile"] = target
    return picture


@lru_cache
def well_known(name: str) -> bytes:
    """The profile of a well-known space."""
    if name == "srgb":
        made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    else:
        white, primaries, gamma = SPACES[name]
        curve = None if gamma else _srgb_curve()
        made = imagecodecs.cms_profile(
            "rgb", whitepoint=white, primaries=primaries, gamma=gamma, transferfunction=curve
        )
    return bytes(made[:24]) + CREATED + bytes(made[36:])


def _transformed(picture: Image.Image, source: bytes, target: bytes) -> Image.Image:
    try:
        done = ImageCms.profileToProfile(
            picture,
            ImageCms.ImageCmsProfile(BytesIO(source)),
            ImageCms.ImageCmsProfile(BytesIO(target)),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError as error:
        raise Refused("the ICC profile of this image cannot be used") from error
    return done or picture


def _own_profile(dataset: Dataset) -> bytes | None:
    """ICC Profile of the image, or of its first optical path (C.8.12.5)."""
    paths = dataset.get("OpticalPathSequence") or []
    for holder in (dataset, *paths[:1]):
        if profile := holder.get("ICCProfile"):
            if not isinstance(profile, bytes) or not _is_rgb(profile):
                raise Refused("the ICC profile of this image cannot be used")
            return profile
    return None


def _is_rgb(profile: bytes) -> bool:
    return len(profile) <= LONGEST and profile[16:20] == b"RGB " and profile[36:40] == b"acsp"


def _srgb_curve() -> NDArray[np.uint16]:
    levels = np.linspace(0, 1, 1024)
    curve = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    words: NDArray[np.uint16] = np.rint(curve * 65535).astype(np.uint16)
    return words

"""Pictures of frames: colour or grey, cropped, flipped, fitted, annotated, encoded."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ImplicitVRLittleEndian

from hounsfield.archive.transcoding.decode import Pixels, decode, read_attributes
from hounsfield.archive.transcoding.protocol import Arguments, Reply
from hounsfield.dicomweb.rendering.animation import frame_milliseconds, gif_frame
from hounsfield.dicomweb.rendering.annotation import annotate
from hounsfield.dicomweb.rendering.color import in_color_space
from hounsfield.dicomweb.rendering.grey import Levels, Window, to_grey

TILE, TILE_TEXT, TILE_EDGE = (24, 27, 31), (148, 163, 184), (51, 58, 67)
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/jp2": "JPEG2000"}


def render(arguments: Arguments) -> Reply:
    """Task: one frame of an image as a picture."""
    path, frame = arguments["path"], arguments["frame"]
    dataset = read_attributes(path)
    levels = frame_levels(dataset, path, frame, window_of(arguments))
    return finished(dataset, frame, levels, arguments)


def finished(dataset: Dataset, frame: int, levels: Levels, arguments: Arguments) -> Reply:
    """The picture as asked for; as a frame of an animation where it is one."""
    picture = in_color_space(Image.fromarray(levels), arguments.get("iccprofile"), dataset)
    if viewport := arguments.get("viewport"):
        picture = _fit(_crop(picture, viewport), _bounds(arguments, picture.size))
    annotate(picture, dataset, frame, arguments.get("annotation") or [])
    if animation := arguments.get("animation"):
        duration = frame_milliseconds(dataset)
        return Reply({}, gif_frame(picture, duration, first=animation["first"]))
    return Reply({}, _encoded(picture, arguments))


def placeholder(arguments: Arguments) -> Reply:
    """Task: a tile that names the modality of an object that has no picture."""
    width, height = _bounds(arguments, (256, 256))
    tile = Image.new("RGB", (width, height), TILE)
    draw = ImageDraw.Draw(tile)
    draw.rectangle((0, 0, width - 1, height - 1), outline=TILE_EDGE)
    text = arguments["text"]
    size = min(height // 5, 5 * width // (4 * max(len(text), 4)))
    font = ImageFont.load_default(max(8, size))
    draw.text((width / 2, height / 2), text, fill=TILE_TEXT, font=font, anchor="mm")
    return Reply({}, _encoded(tile, arguments))


def window_of(arguments: Arguments) -> Window | None:
    """The window that the client asked for."""
    asked = arguments.get("window")
    return Window(*asked) if asked else None


def frame_levels(dataset: Dataset, path: str, frame: int, window: Window | None) -> Levels:
    """Eight-bit pixels of a frame: grey, or RGB."""
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric == "YBR_PARTIAL_422":
        as_full = {"photometric_interpretation": "YBR_FULL_422", "as_rgb": False}
        return _from_partial(decode(dataset, path, frame, **as_full))
    pixels = stored_pixels(dataset, path, frame)
    if photometric == "PALETTE COLOR":
        colors = apply_color_lut(pixels, dataset)
        return _eight_bits(colors, 8 * colors.itemsize)
    if pixels.ndim == 3:
        return _eight_bits(pixels, int(dataset.get("BitsStored", 8)))
    return to_grey(dataset, frame, pixels, window)


def _from_partial(pixels: Pixels) -> Levels:
    """RGB of luminance from 16 to 235 (ITU-R BT.601; PS3.3 C.7.6.3.1.2, retired)."""
    y, cb, cr = (pixels[..., n].astype(np.float32) for n in range(3))
    y, cb, cr = (y - 16) * (255 / 219), cb - 128, cr - 128
    channels = (y + 1.5960 * cr, y - 0.3918 * cb - 0.8130 * cr, y + 2.0172 * cb)
    levels: Levels = np.rint(np.clip(np.stack(channels, axis=2), 0, 255)).astype(np.uint8)
    return levels


def stored_pixels(dataset: Dataset, path: str, frame: int) -> Pixels:
    """Pixels of old images lie in the upper bits of their words (PS3.5 8.1.1 says otherwise)."""
    used, high = dataset.get("BitsStored"), dataset.get("HighBit")
    if not (isinstance(used, int) and isinstance(high, int) and 0 < used <= high):
        return decode(dataset, path, frame)
    if dataset.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian).is_compressed:
        return decode(dataset, path, frame)
    pixels: Pixels = decode(dataset, path, frame, bits_stored=high + 1) >> (high + 1 - used)
    return pixels


def _encoded(picture: Image.Image, arguments: Arguments) -> bytes:
    buffer = BytesIO()
    kind = FORMATS[arguments["format"]]
    options: dict[str, Any] = {}
    if kind == "JPEG":
        options = {"quality": arguments["quality"]}
    elif kind == "JPEG2000" and arguments["quality"] < 100:
        options = {"quality_layers": [_ratio(arguments["quality"])], "irreversible": True}
    picture.save(buffer, kind, **options, icc_profile=picture.info.get("icc_profile"))
    return buffer.getvalue()


def _ratio(quality: int) -> float:
    """How far JPEG 2000 compresses: 10:1 at 90, which looks like the JPEG of that quality."""
    return float(max(2.0, 100.0 - quality))


def _eight_bits(pixels: Pixels, bits: int) -> Levels:
    return np.ascontiguousarray(pixels >> max(bits - 8, 0)).astype(np.uint8)


def _crop(picture: Image.Image, viewport: dict[str, float | None]) -> Image.Image:
    """The source region; a negative width or height flips it (PS3.18 8.3.5.1.4)."""
    left, top = viewport.get("sx") or 0, viewport.get("sy") or 0
    width = viewport.get("sw") or picture.width - left
    height = viewport.get("sh") or picture.height - top
    box = (left, top, left + abs(width), top + abs(height))
    bounded = (
        max(0, min(box[0], picture.width - 1)),
        max(0, min(box[1], picture.height - 1)),
        max(1, min(box[2], picture.width)),
        max(1, min(box[3], picture.height)),
    )
    whole = (0, 0, picture.width, picture.height)
    if bounded != whole:
        picture = picture.crop(tuple(round(edge) for edge in bounded))  # type: ignore[arg-type]
    if width < 0:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if height < 0 else picture


def _bounds(arguments: Arguments, default: tuple[int, int]) -> tuple[int, int]:
    viewport = arguments.get("viewport")
    return (viewport["width"], viewport["height"]) if viewport else default


def _fit(picture: Image.Image, bounds: tuple[int, int]) -> Image.Image:
    """As large as the bounds allow, in the proportions of the source."""
    scale = min(bounds[0] / picture.width, bounds[1] / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    if size == picture.size:
        return picture
    method = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    return picture.resize(size, method)

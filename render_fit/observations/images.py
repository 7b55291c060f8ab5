"""Reading of photos, as upright RGB images in [0, 1], and of stored pixels of masks and label maps.

Read with Pillow, not through imageio's layer over it, which has no reduced decoding of JPEGs and no EXIF focal length,
drops repeated colours of palettes, and rotates mirrored greyscale images wrongly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from render_fit.core.cameras import focal_px_from_35mm
from render_fit.core.errors import InputError

MIN_SIDE_PX = 32
"""Smallest image side that is read, pixels. The networks of the observer have an input of 256 px."""

MAX_SIDE_PX = 4096
"""Longer images are reduced to this side while reading, pixels. A fit works on crops of a few hundred pixels, and a
float image of 20,000 px takes gigabytes."""

MAX_PIXELS = 500_000_000
"""Largest image that is decoded, pixels (1.5 GB as 8-bit RGB)."""

# EXIF tag numbers: Exif 2.32, section 4.6.5
_EXIF_IFD = 0x8769
_FOCAL_LENGTH_MM = 0x920A
_FOCAL_PLANE_X_RESOLUTION = 0xA20E
_FOCAL_PLANE_RESOLUTION_UNIT = 0xA210
_FOCAL_LENGTH_35MM = 0xA405
_PIXEL_X_DIMENSION = 0xA002
_MM_PER_RESOLUTION_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# Lenses range from 8 mm (fisheye) to 1200 mm (35 mm equivalent); some phones write 0 or 65535.
_PLAUSIBLE_35MM = (5.0, 2000.0)


@dataclass(frozen=True)
class Photo:
    """Photo as it was read.

    Attributes:
        image: (3, H, W) RGB in [0, 1], upright (EXIF rotation applied).
        scale: Pixels of ``image`` per pixel of the upright file; below 1 if the photo was reduced while reading.
        file_size: (H, W) of the upright image in the file, pixels.
        focal_px: Focal length from EXIF, pixels of ``image``; None if EXIF contains no usable one.
        path: Path of the file.
    """

    image: Float[Tensor, "3 h w"]
    scale: float
    file_size: tuple[int, int]
    focal_px: float | None
    path: Path


def read_photo(path: str | Path, max_side_px: int = MAX_SIDE_PX) -> Photo:
    """Reads a photo.

    Greyscale, palette, 16-bit, CMYK and transparent images (over white) are converted to RGB. The EXIF rotation is
    applied. The first frame of an animation is read.

    Args:
        path: Image file.
        max_side_px: Longer images are reduced to this side, pixels; see `Photo.scale`.

    Returns:
        Photo.

    Raises:
        InputError: If the file is missing, not readable as an image, truncated, too small or too large.
    """
    path = Path(path)
    with _opened(path) as file:
        width, height = file.size
        if min(width, height) < MIN_SIDE_PX:
            raise InputError(f"{path}: the image is {width}×{height} px; at least {MIN_SIDE_PX} px a side are needed")
        if file.format == "JPEG":
            # decodes at a reduced size: 400 megapixels in 1.4 s and 1.7 GB instead of 15 s and 5.7 GB
            file.draft(None, (max_side_px, max_side_px))
        _load(file, path)  # before EXIF, which may stand at the end of a PNG: a damaged file fails here
        exif = file.getexif()
        decoded = _decoded(file, path)
    if max(decoded.size) > max_side_px:
        ratio = max_side_px / max(decoded.size)
        size = (max(1, round(decoded.width * ratio)), max(1, round(decoded.height * ratio)))
        decoded = decoded.resize(size, Image.Resampling.BOX)
    upright = ImageOps.exif_transpose(decoded)
    if exif.get(0x0112, 1) in (5, 6, 7, 8):
        width, height = height, width
    array = np.asarray(upright, dtype=np.float32) / 255.0
    image = torch.from_numpy(array).permute(2, 0, 1).contiguous()
    scale = image.shape[2] / width
    focal_px = _focal_px(exif, height, width)
    return Photo(
        image=image,
        scale=scale,
        file_size=(height, width),
        focal_px=None if focal_px is None else focal_px * scale,
        path=path,
    )


def read_pixels(path: str | Path) -> np.ndarray:
    """Reads the stored values of a mask or label map, without colour conversion or rotation.

    Args:
        path: Image file.

    Returns:
        (H, W) or (H, W, C) array in the type of the file; the indices of a palette image.

    Raises:
        InputError: If the file is missing, not readable as an image, or truncated.
    """
    path = Path(path)
    with _opened(path) as file:
        _load(file, path)
        return np.asarray(file)


def read_palette(path: str | Path) -> np.ndarray | None:
    """Reads the (N, 3) 8-bit RGB palette of a palette image; None for any other image."""
    with _opened(Path(path)) as file:
        if file.mode != "P":
            return None
        palette = file.getpalette("RGB") or []
        return np.asarray(palette, dtype=np.uint8).reshape(-1, 3)


def _opened(path: Path) -> Image.Image:
    """Opens an image file without decoding it; raises InputError if that fails."""
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected an image file")
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty (0 bytes); copy or download it again")
        file = _open_any_size(path)
    except PermissionError as error:
        raise InputError(f"{path}: not allowed to read this file") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not an image in a known format (JPEG, PNG, TIFF, WebP, BMP, GIF)") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as an image ({error})") from error
    if file.size[0] * file.size[1] > MAX_PIXELS:
        file.close()
        raise InputError(
            f"{path}: the image is {file.size[0]}×{file.size[1]} px; at most {MAX_PIXELS // 10**6} megapixels are "
            "read: reduce it first"
        )
    return file


def _open_any_size(path: Path) -> Image.Image:
    """Opens an image without Pillow's limit of 179 megapixels, whose error does not name the file; see `MAX_PIXELS`."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        return Image.open(path)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _load(file: Image.Image, path: Path) -> None:
    """Decodes an opened image; raises InputError if it is truncated."""
    try:
        file.load()
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{path}: the image is damaged or cut off ({error}); copy or download it again") from error


def _decoded(file: Image.Image, path: Path) -> Image.Image:
    """Decodes an image to 8-bit RGB, keeping the EXIF rotation."""
    _load(file, path)
    if file.mode.startswith(("I", "F")):
        values = np.asarray(file, dtype=np.float64)
        # 16-bit greyscale, or floating point either in [0, 1] or in 8-bit units
        top = 65535.0 if file.mode.startswith("I") else (1.0 if np.nanmax(values) <= 1.0 else 255.0)
        grey = np.nan_to_num(np.clip(values / top, 0.0, 1.0)) * 255.0
        rgb = Image.fromarray(grey.round().astype(np.uint8), "L").convert("RGB")
    elif file.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in file.info:
        rgba = file.convert("RGBA")
        rgb = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        rgb.alpha_composite(rgba)
        rgb = rgb.convert("RGB")
    else:
        rgb = file.convert("RGB")
    rgb.info["exif"] = file.info.get("exif", b"")
    rgb.getexif()[0x0112] = file.getexif().get(0x0112, 1)
    return rgb


def _focal_px(exif: Image.Exif, height: int, width: int) -> float | None:
    """Focal length from EXIF, pixels of the file, or None."""
    tags = exif.get_ifd(_EXIF_IFD)

    def number(tag: int) -> float:
        try:
            value = float(tags.get(tag, 0))
        except (TypeError, ValueError, ZeroDivisionError):
            return 0.0
        return value if math.isfinite(value) else 0.0

    focal_35mm = number(_FOCAL_LENGTH_35MM)
    if _PLAUSIBLE_35MM[0] <= focal_35mm <= _PLAUSIBLE_35MM[1]:
        return focal_px_from_35mm(focal_35mm, height, width)
    unit_mm = _MM_PER_RESOLUTION_UNIT.get(int(number(_FOCAL_PLANE_RESOLUTION_UNIT)) or 2)
    resolution = number(_FOCAL_PLANE_X_RESOLUTION)
    focal_mm = number(_FOCAL_LENGTH_MM)
    if unit_mm is None or resolution <= 0 or focal_mm <= 0:
        return None
    # the resolution is that of the original image; an image that was resized later keeps the tag
    taken_width = number(_PIXEL_X_DIMENSION) or max(height, width)
    focal_px = focal_mm / unit_mm * resolution * max(height, width) / max(taken_width, 1.0)
    equivalent = focal_px / math.hypot(height, width) * math.hypot(36.0, 24.0)
    return focal_px if _PLAUSIBLE_35MM[0] <= equivalent <= _PLAUSIBLE_35MM[1] else None

"""Reading of photos, as upright RGB images in [0, 1], and of stored pixels of masks and label maps.

Read with Pillow, not through imageio's layer over it, which has no reduced decoding of JPEGs and no EXIF focal length,
drops repeated colours of palettes, and rotates mirrored greyscale images wrongly.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from render_fit.core.c_streams import quiet_c_libraries
from render_fit.core.cameras import FULL_FRAME_DIAGONAL_MM, focal_px_from_35mm
from render_fit.core.errors import InputError
from render_fit.core.file_kinds import what_it_is
from render_fit.core.plausibility import is_focal_35mm

MIN_SIDE_PX = 32
"""Smallest image side that is read, pixels. The networks of the observer have an input of 256 px."""

MAX_SIDE_PX = 4096
"""Longer images are reduced to this side while reading, pixels. A fit works on crops of a few hundred pixels, and a
float image of 20,000 px takes gigabytes."""

MAX_PIXELS = 500_000_000
"""Largest image that is decoded, pixels (1.5 GB as 8-bit RGB)."""

MAX_BYTES = 1_200_000_000
"""Largest decoded image, bytes: 300 megapixels in colour. With the libraries, a fit stays below 2 GB."""

_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""Bytes per pixel of Pillow's modes; 4 for all others."""

FULL_SCALES = (1, 100, 255, 1023, 4095, 16383, 65535)
"""Largest values of images: shares, per cent, and 8, 10, 12, 14 and 16 bits."""

# EXIF tag numbers: Exif 2.32, section 4.6.5
_ORIENTATION = 0x0112
_EXIF_IFD = 0x8769
_FOCAL_LENGTH_MM = 0x920A
_FOCAL_PLANE_X_RESOLUTION = 0xA20E
_FOCAL_PLANE_RESOLUTION_UNIT = 0xA210
_FOCAL_LENGTH_35MM = 0xA405
_PIXEL_X_DIMENSION = 0xA002
_MM_PER_RESOLUTION_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by EXIF's orientation."""


@dataclass(frozen=True)
class Photo:
    """Photo as it was read.

    Attributes:
        image: (3, H, W) RGB in [0, 1], upright (EXIF rotation applied).
        scale: Pixels of ``image`` per pixel of the upright file; below 1 if the photo was reduced while reading.
        file_size: (H, W) of the upright image in the file, pixels.
        focal_px: Focal length from EXIF, pixels of ``image``; None if EXIF contains no usable one.
        path: Path of the file.
        notes: What is odd about the file, sentences.
    """

    image: Float[Tensor, "3 h w"]
    scale: float
    file_size: tuple[int, int]
    focal_px: float | None
    path: Path
    notes: tuple[str, ...] = ()


def read_photo(path: str | Path, max_side_px: int = MAX_SIDE_PX) -> Photo:
    """Reads a photo.

    Greyscale, palette, 16-bit, CMYK and transparent images (over white) are converted to RGB. The EXIF rotation is
    applied. The first frame of an animation is read. Metadata that cannot be read are left: they are not the picture.

    Args:
        path: Image file.
        max_side_px: Longer images are reduced to this side, pixels; see `Photo.scale`.

    Returns:
        Photo.

    Raises:
        InputError: If the file is missing, not readable as an image, truncated, too small or too large.
    """
    path = Path(path)
    with _opened(path) as file, _without_warnings():
        width, height = file.size
        if min(width, height) < MIN_SIDE_PX:
            raise InputError(f"{path}: the image is {width}×{height} px; at least {MIN_SIDE_PX} px a side are needed")
        if file.format == "JPEG":
            # decodes at a reduced size: 400 megapixels in 1.4 s and 1.7 GB instead of 15 s and 5.7 GB
            file.draft(None, (max_side_px, max_side_px))
        _load(file, path)  # before EXIF, which may stand at the end of a PNG: a damaged file fails here
        orientation, exif = _exif(file)
        decoded = _decoded(file, max(file.size) // max_side_px)
    if max(decoded.size) > max_side_px:
        ratio = max_side_px / max(decoded.size)
        size = (max(1, round(decoded.width * ratio)), max(1, round(decoded.height * ratio)))
        decoded = decoded.resize(size, Image.Resampling.BOX)
    notes = ()
    if decoded.getcolors(3) is not None:
        notes = (f"{path.name} has at most 3 colours: is it a mask, not the photo?",)
    upright = decoded.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else decoded
    if orientation in (5, 6, 7, 8):
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
        notes=notes,
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
    with _opened(path) as file, _without_warnings():
        _load(file, path)
        return np.asarray(file)


def read_palette(path: str | Path) -> np.ndarray | None:
    """Reads the (N, 3) 8-bit RGB palette of a palette image; None for any other image."""
    with _opened(Path(path)) as file:
        if file.mode != "P":
            return None
        palette = file.getpalette("RGB") or []
        return np.asarray(palette, dtype=np.uint8).reshape(-1, 3)


def full_scale(values: np.ndarray) -> float:
    """The value of `FULL_SCALES` that stands for white, by the largest value: a type of 16 bits often holds fewer."""
    largest = float(np.nanmax(values)) if values.size else 0.0
    return float(next((scale for scale in FULL_SCALES if largest <= scale), largest))


def _opened(path: Path) -> Image.Image:
    """Opens an image file without decoding it; raises InputError if that fails."""
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected an image file")
    try:
        with _without_warnings():
            file = _open_any_size(path)
    except PermissionError as error:
        raise InputError(f"{path}: not allowed to read this file") from error
    except UnidentifiedImageError as error:
        found = what_it_is(path)
        reason = f"is {found}" if found else "not an image in a known format (JPEG, PNG, TIFF, WebP, BMP, GIF)"
        raise InputError(f"{path}: {reason}") from error
    except Exception as error:  # decoders fail in many ways
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
    n_bytes = file.width * file.height * _BYTES.get(file.mode, 4)
    if n_bytes > MAX_BYTES:
        raise InputError(
            f"{path}: the image is {file.width}×{file.height} px, which take {n_bytes / 1e9:.1f} GB; at most "
            f"{MAX_BYTES / 1e9:.1f} GB are read: reduce it first, or write it as JPEG, which is reduced when read"
        )
    try:
        with quiet_c_libraries() if file.format == "TIFF" else nullcontext():
            file.load()
    except MemoryError as error:
        raise InputError(f"{path}: {file.width}×{file.height} px take more memory than there is; reduce it") from error
    except Exception as error:  # decoders fail in many ways
        raise InputError(f"{path}: the image is damaged or cut off ({error}); copy or download it again") from error


def _decoded(file: Image.Image, reduction: int) -> Image.Image:
    """8-bit RGB of a loaded image. One that is reduced twice or more is converted in strips: a copy of it in another
    mode takes gigabytes."""
    white = 255.0
    if file.mode.startswith(("I", "F")):
        top = max((full_scale(np.asarray(strip)) for strip in _strips(file, 256)), default=0.0)
        # floating point is either in [0, 1] or in 8-bit units
        white = 1.0 if file.mode.startswith("F") and top <= 1.0 else max(top, 255.0)
    if reduction < 2:
        return _as_rgb(file, white)
    reduced = Image.new("RGB", (-(-file.width // reduction), -(-file.height // reduction)))
    for number, strip in enumerate(_strips(file, 64 * reduction)):
        reduced.paste(_as_rgb(strip, white).reduce(reduction), (0, 64 * number))
    return reduced


def _strips(file: Image.Image, height: int) -> Iterator[Image.Image]:
    """Strips of an image from top to bottom, ``height`` pixels high but for the last."""
    for top in range(0, file.height, height):
        yield file.crop((0, top, file.width, min(file.height, top + height)))


def _as_rgb(file: Image.Image, white: float) -> Image.Image:
    """An image in 8-bit RGB; ``white``: the value that stands for white in images of numbers."""
    if file.mode.startswith(("I", "F")):
        grey = np.nan_to_num(np.clip(np.asarray(file, dtype=np.float64) / white, 0.0, 1.0)) * 255.0
        rgb = Image.fromarray(grey.round().astype(np.uint8), "L").convert("RGB")
    elif file.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in file.info:
        rgba = file.convert("RGBA")
        rgb = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        rgb.alpha_composite(rgba)
        rgb = rgb.convert("RGB")
    else:
        rgb = file.convert("RGB")
    return rgb


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Hides Pillow's warnings about metadata, which are no matter of the person who gives the photo."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _exif(file: Image.Image) -> tuple[int, Mapping[int, Any]]:
    """EXIF's orientation, and the tags of its own directory; 1 and none if the block is broken."""
    try:
        exif = file.getexif()
        orientation = exif.get(_ORIENTATION, 1)
        return (orientation if orientation in _UPRIGHT else 1), exif.get_ifd(_EXIF_IFD)
    except Exception:  # whatever is wrong with metadata, the picture is there
        return 1, {}


def _focal_px(tags: Mapping[int, Any], height: int, width: int) -> float | None:
    """Focal length from EXIF, pixels of the file, or None."""

    def number(tag: int) -> float:
        try:
            value = float(tags.get(tag, 0))
        except (TypeError, ValueError, ZeroDivisionError):
            return 0.0
        return value if math.isfinite(value) else 0.0

    focal_35mm = number(_FOCAL_LENGTH_35MM)
    if is_focal_35mm(focal_35mm):
        return focal_px_from_35mm(focal_35mm, height, width)
    unit_mm = _MM_PER_RESOLUTION_UNIT.get(int(number(_FOCAL_PLANE_RESOLUTION_UNIT)) or 2)
    resolution = number(_FOCAL_PLANE_X_RESOLUTION)
    focal_mm = number(_FOCAL_LENGTH_MM)
    if unit_mm is None or resolution <= 0 or focal_mm <= 0:
        return None
    # the resolution is that of the original image; an image that was resized later keeps the tag
    taken_width = number(_PIXEL_X_DIMENSION) or max(height, width)
    focal_px = focal_mm / unit_mm * resolution * max(height, width) / max(taken_width, 1.0)
    return focal_px if is_focal_35mm(focal_px / math.hypot(height, width) * FULL_FRAME_DIAGONAL_MM) else None

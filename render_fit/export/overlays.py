"""Images of fits (overlay, panels, contact sheets), and writing of PNG, JPEG and GIF."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from jaxtyping import Float, Int64, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.files import write_bytes
from render_fit.export.shading import shaded
from render_fit.renderers.base import Renderer

MAX_SIDE_PX = 1024
"""Longest side of an overlay; enough for visual inspection."""

OUTLINE_COLOUR = np.array([0.07, 0.12, 0.32])
PAPER = np.array([0.97, 0.97, 0.96])

Pixels = UInt8[np.ndarray, "_ _ 3"]
"""(H, W, 3) RGB, 0–255."""


def overlay(
    image: Float[Tensor, "3 h w"],
    vertices_camera: Float[Tensor, "v 3"],
    faces: Int64[Tensor, "f 3"],
    camera: Camera,
    renderer: Renderer,
    *,
    max_side_px: int = MAX_SIDE_PX,
    opacity: float = 0.82,
    colours: Float[np.ndarray, "v 3"] | None = None,
    face_parts: Int64[Tensor, "f"] | None = None,
) -> Pixels:
    """Renders the body over its photo, with its outline.

    Args:
        image: (3, H, W) RGB 0–1.
        vertices_camera: (V, 3) metres.
        faces: (F, 3) vertex indices.
        camera: One camera, of any size; it is resized with the image.
        renderer: Renderer, any backend.
        max_side_px: Longest side of the result; smaller images are not enlarged.
        opacity: Opacity of the body, 0–1.
        colours: (V, 3) RGB 0–1 per vertex; light blue if not given.
        face_parts: (F,) SMPL part of each face, to shade a body as a mannequin.

    Returns:
        (h, w, 3) RGB 0–255.
    """
    background = fitted(image, max_side_px)
    height, width = background.shape[:2]
    resized = camera.resize(height, width)
    picture = shaded(vertices_camera, faces, resized, renderer, colours=colours, face_parts=face_parts)
    line = picture.outline(max(height, width) / 700)[..., None]
    return to_pixels(picture.over(background, opacity) * (1 - line) + OUTLINE_COLOUR * line)


def panel(pictures: Sequence[Pixels], *, height_px: int = 512, captions: Sequence[str] | None = None) -> Pixels:
    """Places images side by side at one height, with an optional caption above each."""
    widths = [max(1, round(picture.shape[1] * height_px / picture.shape[0])) for picture in pictures]
    scaled = [
        Image.fromarray(picture).resize((width, height_px), Image.Resampling.LANCZOS)
        for picture, width in zip(pictures, widths, strict=True)
    ]
    gap = max(4, height_px // 64)
    top = max(16, height_px // 18) if captions is not None else 0
    width = sum(picture.width for picture in scaled) + gap * (len(scaled) - 1)
    sheet = Image.new("RGB", (width, height_px + top), tuple(int(255 * channel) for channel in PAPER))
    draw = ImageDraw.Draw(sheet)
    left = 0
    for index, picture in enumerate(scaled):
        sheet.paste(picture, (left, top))
        if captions is not None:
            with suppress(ImportError, OSError, ValueError):  # Pillow without FreeType, or a letter that its font lacks
                font = ImageFont.load_default(size=max(9, int(top * 0.62)))
                draw.text((left + 4, top // 2), captions[index], fill=(40, 40, 40), font=font, anchor="lm")
        left += picture.width + gap
    return np.asarray(sheet)


def contact_sheet(rows: Sequence[tuple[str, Sequence[Pixels]]], *, height_px: int = 224, columns: int = 4) -> Pixels:
    """Places many fits on one sheet.

    Args:
        rows: One entry per person: a caption and the person's images (input, overlay, side view, …).
        height_px: Height of each image.
        columns: People per line.

    Returns:
        (h, w, 3) RGB 0–255.
    """
    cells = [
        panel(pictures, height_px=height_px, captions=[caption, *[""] * (len(pictures) - 1)])
        for caption, pictures in rows
    ]
    lines = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    gap = 8
    width = max(sum(cell.shape[1] + gap for cell in line) for line in lines) if lines else gap
    heights = [max(cell.shape[0] for cell in line) + gap for line in lines]
    sheet = np.full((max(sum(heights), gap), width, 3), 255, dtype=np.uint8)
    top = 0
    for line, height in zip(lines, heights, strict=True):
        left = 0
        for cell in line:
            sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
            left += cell.shape[1] + gap
        top += height
    return sheet


def around_box(pixels: Pixels, box_xywh: Sequence[float], *, margin: float = 1.3) -> Pixels:
    """Crops the square around a box (left, top, width, height, pixels of this image).

    Its side is ``margin`` times the longer side of the box; outside the image it is filled with `PAPER`.
    """
    x, y, width, height = box_xywh
    side = max(2, round(margin * max(width, height)))
    left, top = round(x + width / 2 - side / 2), round(y + height / 2 - side / 2)
    square = Image.new("RGB", (side, side), tuple(int(255 * channel) for channel in PAPER))
    square.paste(Image.fromarray(pixels), (-left, -top))
    return np.asarray(square)


def fitted(image: Float[Tensor, "3 h w"], max_side_px: int) -> Float[np.ndarray, "_ _ 3"]:
    """Reduces an image to a longest side, without enlarging it: (h, w, 3) RGB 0–1."""
    pixels = to_pixels(image.detach().cpu().permute(1, 2, 0).numpy())
    scale = min(1.0, max_side_px / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX), dtype=np.float32) / 255


def to_pixels(picture: Float[np.ndarray, "h w 3"]) -> Pixels:
    """Converts colours 0–1 to bytes."""
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def write_image(path: Path | str, pixels: Pixels | UInt8[np.ndarray, "h w"]) -> Path:
    """Writes PNG or JPEG, in colour or grey, by the suffix, atomically.

    PNG's third level of compression takes less than half of the sixth's time, for files that are 5 % larger.
    """
    if Path(path).suffix.lower() in (".jpg", ".jpeg"):
        content = iio.imwrite("<bytes>", pixels, plugin="pillow", extension=".jpg", quality=88)
    else:
        content = png_bytes(pixels)
    return write_bytes(path, content)


def png_bytes(pixels: Pixels | UInt8[np.ndarray, "h w"]) -> bytes:
    """Content of a PNG file."""
    return iio.imwrite("<bytes>", pixels, plugin="pillow", extension=".png", compress_level=3)


def write_gif(path: Path | str, frames: Sequence[Pixels], *, seconds_per_frame: float = 0.1) -> Path:
    """Writes a looping animation of 128 colours, atomically. The last frame is shown for one second."""
    duration = [round(1000 * seconds_per_frame)] * (len(frames) - 1) + [1000]
    options = {"duration": duration, "loop": 0, "bits": 7, "save_all": True}
    return write_bytes(path, iio.imwrite("<bytes>", list(frames), plugin="pillow", extension=".gif", **options))

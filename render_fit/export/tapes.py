"""Picture of a measured body: tapes drawn on it, from front, side and back, with names and values."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from render_fit.core.cameras import camera_from_focal
from render_fit.export.overlays import PAPER, Pixels, to_pixels
from render_fit.export.shading import BODY_COLOUR, shaded
from render_fit.renderers.base import Renderer

THICKNESS_M = 0.0035
"""Radius of a drawn tape, metres."""

STEP_M = 0.01
"""Longest straight piece of a drawn tape, metres: the body in front hides a part of it, not all or nothing."""

CORNERS = 6
"""Corners of a drawn tape's cross-section."""

DISTANCE_M = 40.0
"""Distance of the camera, metres: near and far points differ by at most 1 % in size."""

PALETTE = ((0.86, 0.16, 0.16), (0.10, 0.45, 0.20), (0.13, 0.25, 0.75), (0.85, 0.45, 0.0), (0.50, 0.10, 0.60))

Lines = Mapping[str, tuple[Float[np.ndarray, "_ 3"], bool]]
"""Points of each tape (N, 3), metres, and whether it is closed."""


def tape_picture(
    vertices: Float[Tensor, "v 3"],
    faces: Int[Tensor, "f 3"],
    lines: Lines,
    labels: Mapping[str, str],
    renderer: Renderer,
    *,
    height_px: int = 1000,
) -> Pixels:
    """Draws a body with tapes on it.

    Args:
        vertices: (V, 3) body in the measuring pose, metres, y up, facing z.
        faces: (F, 3) vertex indices.
        lines: The tapes.
        labels: Text beside each tape in the front view.
        renderer: Renderer, any backend.
        height_px: Height of the picture.

    Returns:
        (h, w, 3) RGB 0–255: the body from the front with the labels, from the side and from the back.
    """
    colours = {name: np.array(PALETTE[index % len(PALETTE)]) for index, name in enumerate(lines)}
    body = vertices.double().numpy()
    mesh = _with_tapes(body, faces.numpy(), lines, colours)
    pixels_per_m = 0.92 * height_px / float(np.ptp(body[:, 1]))
    front, side, back = (_view(mesh, np.deg2rad(turn), pixels_per_m, height_px, renderer) for turn in (0, 90, 180))
    middle = (mesh[0].min(0) + mesh[0].max(0)) / 2
    seen: dict[bool, dict[str, tuple[float, float]]] = {False: {}, True: {}}
    for name, (points, _) in lines.items():
        if name in labels:
            right = points[points[:, 0].argmin()] - middle  # the end at the person's right
            behind = bool((points[:, 2] < middle[2]).all())
            across = -right[0] if behind else right[0]
            seen[behind][name] = (float(pixels_per_m * across), height_px / 2 - float(pixels_per_m * right[1]))
    size = max(9, height_px // 48)
    widths = {behind: _text_width([labels[name] for name in seen[behind]], size) for behind in seen}
    gap = 4 * size
    sheet = Image.new(
        "RGB",
        (widths[False] + widths[True] + 2 * gap + sum(part.shape[1] for part in (front, side, back)), height_px),
        tuple(int(255 * channel) for channel in PAPER),
    )
    left = widths[False] + gap
    for part in (front, side, back):
        sheet.paste(Image.fromarray(part), (left, 0))
        left += part.shape[1]
    front_middle = widths[False] + gap + front.shape[1] / 2
    _write_labels(sheet, seen[False], front_middle, labels, colours, size, size // 2, widths[False])
    _write_labels(sheet, seen[True], left - back.shape[1] / 2, labels, colours, size, left + gap, widths[True])
    return np.asarray(sheet)


def _with_tapes(
    vertices: np.ndarray, faces: np.ndarray, lines: Lines, colours: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, faces and colours of the body and of a tube along each tape."""
    all_vertices, all_faces = [vertices], [faces]
    all_colours = [np.broadcast_to(BODY_COLOUR, vertices.shape)]
    count = len(vertices)
    for name, (points, closed) in lines.items():
        along, sides = tube(points, closed)
        all_vertices.append(along)
        all_faces.append(sides + count)
        all_colours.append(np.broadcast_to(colours[name], along.shape))
        count += len(along)
    return np.concatenate(all_vertices), np.concatenate(all_faces), np.concatenate(all_colours)


def tube(
    points: np.ndarray, closed: bool, radius_m: float = THICKNESS_M, step_m: float = STEP_M
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of a thin tube along a polyline.

    Args:
        points: (N, 3) metres.
        closed: Whether the last point is joined with the first.
        radius_m: Metres.
        step_m: Longest straight piece, metres.
    """
    ends = np.concatenate([points[1:], points[:1]]) if closed else points[1:]
    pieces = []
    for start, end in zip(points, ends, strict=False):
        n = max(1, int(np.ceil(np.linalg.norm(end - start) / step_m)))
        pieces.append(start + np.arange(n)[:, None] / n * (end - start))
    path = np.concatenate([*pieces, points[:1] if closed else points[-1:]])
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True).clip(1e-9)
    helper = np.where(np.abs(along[:, 1:2]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    first = np.cross(along, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True).clip(1e-9)
    second = np.cross(along, first)
    angles = 2 * np.pi * np.arange(CORNERS) / CORNERS
    rings = path[:, None] + radius_m * (
        np.cos(angles)[None, :, None] * first[:, None] + np.sin(angles)[None, :, None] * second[:, None]
    )
    here = (np.arange(len(path) - 1)[:, None] * CORNERS + np.arange(CORNERS)[None]).ravel()
    beside = (np.arange(len(path) - 1)[:, None] * CORNERS + (np.arange(CORNERS)[None] + 1) % CORNERS).ravel()
    faces = np.concatenate(
        [np.stack([here, beside, here + CORNERS], 1), np.stack([beside, beside + CORNERS, here + CORNERS], 1)]
    )
    return rings.reshape(-1, 3), faces


def _view(
    mesh: tuple[np.ndarray, np.ndarray, np.ndarray], yaw: float, pixels_per_m: float, height: int, renderer: Renderer
) -> Pixels:
    """The mesh turned about its vertical axis, by a distant camera; camera axes are x right, y down, z ahead."""
    vertices, faces, colours = mesh
    middle = (vertices.min(0) + vertices.max(0)) / 2
    x, y, z = (vertices - middle).T
    across, depth = np.cos(yaw) * x + np.sin(yaw) * z, -np.sin(yaw) * x + np.cos(yaw) * z
    width = max(round(pixels_per_m * float(np.ptp(across)) + 0.08 * height), round(0.3 * height))
    seen = np.stack([across, -y, DISTANCE_M - depth], 1)
    camera = camera_from_focal(pixels_per_m * DISTANCE_M, height, width)
    picture = shaded(
        torch.from_numpy(seen.astype(np.float32)), torch.from_numpy(faces.astype(np.int64)), camera, renderer,
        colours=colours.astype(np.float32), supersampling=3,
    )  # fmt: skip
    return to_pixels(picture.over(np.broadcast_to(PAPER, (height, width, 3)).copy()))


def _text_width(texts: list[str], size: int) -> int:
    """Width of the longest text, pixels."""
    with suppress(ImportError, OSError, ValueError):  # Pillow without FreeType, or a letter that its font lacks
        font = ImageFont.load_default(size=size)
        return round(max((font.getlength(text) for text in texts), default=0.0)) + size
    return 0


def _write_labels(
    sheet: Image.Image,
    places: Mapping[str, tuple[float, float]],
    middle: float,
    labels: Mapping[str, str],
    colours: Mapping[str, np.ndarray],
    size: int,
    column: int,
    width: int,
) -> None:
    """Writes a column of labels beside a view, each with a line to its tape.

    Args:
        sheet: Picture to write on.
        places: Where each tape is seen: pixels to the right of the view's middle, and from the top.
        middle: Middle of the view.
        labels: Texts.
        colours: Colours of the tapes.
        size: Size of the letters.
        column: Left edge of the column; right of the view's middle if it stands on its right.
        width: Width of the column.
    """
    draw = ImageDraw.Draw(sheet)
    order = sorted(places, key=lambda name: places[name][1])
    rows = _spread([places[name][1] for name in order], 1.5 * size, 0.8 * size, sheet.height - 0.8 * size)
    with suppress(ImportError, OSError, ValueError):  # as above
        font = ImageFont.load_default(size=size)
        for name, row in zip(order, rows, strict=True):
            colour = tuple(int(255 * channel) for channel in colours[name])
            draw.text((column, row), labels[name], fill=colour, font=font, anchor="lm")
            edge, beside = column - 4.0, column - 2.0 * size
            if column < middle:
                edge, beside = column + font.getlength(labels[name]) + 4, column + width + size
            across, down = places[name]
            draw.line([(edge, row), (beside, row), (middle + across, down)], fill=colour, width=1)


def _spread(rows: list[float], gap: float, low: float, high: float) -> list[float]:
    """Rows moved apart to a least distance, in order, within limits where there is room."""
    placed: list[float] = []
    for row in rows:
        placed.append(max(row, placed[-1] + gap if placed else low))
    limit = high
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - gap
    return placed

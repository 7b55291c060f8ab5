"""Pictures of what a regressor sees of a person: photo, or silhouette, part map and keypoints in one picture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from render_fit.core.parts import SMPL_24_PARTS
from render_fit.core.skeletons import CANONICAL_KEYPOINTS, SMPL_24
from render_fit.export.overlays import Pixels
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.inputs import RegressorInputs

BACKGROUND, PERSON, UNKNOWN = (0.90, 0.90, 0.89), (0.45, 0.47, 0.50), (0.76, 0.76, 0.80)
"""Colours (RGB 0–1) of a silhouette and of what is neither person nor background."""

KEYPOINT = (214, 40, 40)
"""Colour (RGB 0–255) of keypoints; the pale ones have a low confidence."""

BONES = tuple(
    pair
    for side in ("left", "right")
    for chain in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle", "big_toe"))
    for pair in pairwise(CANONICAL_KEYPOINTS.index(f"{side}_{point}") for point in chain)
)
"""Pairs of keypoints that are joined by a line."""


def input_pictures(inputs: RegressorInputs, config: RegressorConfig, size_px: int) -> list[Pixels]:
    """Draws the inputs of each person, those that a network uses. Their pixels are enlarged, not smoothed.

    Args:
        inputs: Inputs of N people.
        config: Configuration of the network.
        size_px: Side of the pictures, pixels.

    Returns:
        N pictures, (size, size, 3) RGB 0–255.
    """
    shows_points = "keypoints" in config.input_kinds
    pictures = []
    for number in range(len(inputs)):
        if config.uses("photo") and inputs.photo is not None:
            pixels = inputs.photo[number].movedim(0, -1).numpy() / 2 + 0.5
        else:
            pixels = _maps(inputs, config, number)
        image = Image.fromarray((255 * pixels.clip(0, 1) + 0.5).astype(np.uint8))
        image = image.resize((size_px, size_px), Image.Resampling.NEAREST)
        if shows_points:
            _draw_keypoints(image, inputs, number)
        pictures.append(np.asarray(image))
    return pictures


def _maps(inputs: RegressorInputs, config: RegressorConfig, number: int) -> np.ndarray:
    """(S, S, 3) RGB 0–1: silhouette, and over it the colours of the parts where there is a label."""
    silhouette = inputs.silhouette[number].numpy()
    size = len(silhouette)
    pixels = np.broadcast_to(np.array(BACKGROUND), (size, size, 3)).copy()
    if config.uses("silhouette"):
        share = np.abs(silhouette)[..., None]
        known = np.where(silhouette[..., None] > 0, np.array(PERSON), np.array(BACKGROUND))
        pixels = share * known + (1 - share) * np.array(UNKNOWN)
    if config.uses("parts"):
        parts = inputs.parts[number].numpy()
        on_person = parts.sum(0)[..., None]  # probability that the label is on the person
        colours = np.einsum("pyx,pc->yxc", parts, part_palette()) / np.maximum(on_person, 1e-6)
        pixels = on_person * colours + (1 - on_person) * pixels
    return pixels


def part_palette() -> np.ndarray:
    """(24, 3) RGB 0–1: pale colours of SMPL's parts, by joint."""
    colours = [SMPL_24_PARTS.colours[SMPL_24_PARTS.labels.index(joint)] for joint in SMPL_24.joints]
    return 0.35 + 0.65 * np.array(colours) / 255


def _draw_keypoints(image: Image.Image, inputs: RegressorInputs, number: int) -> None:
    """Draws keypoints and limbs into a picture, paler where the confidence is lower."""
    draw = ImageDraw.Draw(image, "RGBA")
    points = ((inputs.keypoints[number].numpy() + 1) * image.width / 2).tolist()
    opacity = [round(255 * float(value)) for value in inputs.confidence[number].clamp(0, 1)]
    radius = max(1.5, image.width / 90)
    for first, second in BONES:
        alpha = min(opacity[first], opacity[second])
        if alpha:
            ends = (*points[first], *points[second])
            draw.line(ends, fill=(*KEYPOINT, alpha // 2), width=max(1, round(radius / 2)))
    for (x, y), alpha in zip(points, opacity, strict=True):
        if alpha:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*KEYPOINT, alpha))

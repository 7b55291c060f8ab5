"""Maps of body-part or clothing labels: label numbers, palettes, colours, and DensePose's three channels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.core.parts import DENSEPOSE_24, PART_SPACES, PartSpace, part_space_named, voc_colours
from render_fit.observations.image_sizes import fitted_to
from render_fit.observations.images import read_palette, read_pixels
from render_fit.observations.mask_images import VOID, VOID_COLOUR

COLOUR_TOLERANCE = 8
"""Tolerance for colours of a label map, per channel (of 255): some writers round (254 for 255)."""

NOBODY = -1
"""Stands for pixels that nobody labelled, until they are made background that is not valid."""


@dataclass(frozen=True)
class LabelMap:
    """Labels of a photo's pixels.

    Attributes:
        labels: (H, W) index into ``part_space.labels``; 0 where nobody labelled.
        part_space: Label space.
        valid: (H, W) pixels that have a label.
        notes: How the file was understood, where it is not plain; sentences.
    """

    labels: Int[Tensor, "h w"]
    part_space: PartSpace
    valid: Bool[Tensor, "h w"]
    notes: tuple[str, ...] = ()


def read_labels(path: str | Path, part_space: PartSpace | str, image_size: tuple[int, int]) -> LabelMap:
    """Reads a map of body-part or clothing labels.

    Args:
        path: Image file: label numbers (any bit depth, or palette indices), colours of the label space or of PASCAL
            VOC, or DensePose's part, U and V in three channels of either order.
        part_space: Label space, or its name (`part_space_named`).
        image_size: (H, W) of the upright photo, pixels.

    Returns:
        Labels. Pixels with 255 (65535 in 16 bits, or VOC's void colour) are not valid: nobody labelled them.

    Raises:
        InputError: If the file cannot be read, has another shape, or contains labels or colours that are not in the
            label space; or if the name of the label space is unknown.
    """
    path = Path(path)
    space = part_space_named(part_space) if isinstance(part_space, str) else part_space
    pixels, notes = fitted_to(path, "label map", read_pixels(path), image_size)
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8)
    count = len(space)
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        pixels = pixels[..., :-1]
    if pixels.ndim == 3 and bool((pixels == pixels[..., :1]).all()):
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        labels = _part_channel(pixels) if space is DENSEPOSE_24 else None
        labels = _labels_from_colours(path, pixels, space) if labels is None else labels
    else:
        if not bool(np.isfinite(pixels).all()) or bool((pixels != np.round(pixels)).any()):
            raise InputError(f"{path}: expected label numbers 0 to {count - 1}, found fractions")
        labels = pixels.astype(np.int64)
        labels = np.where(np.isin(labels, [v for v in VOID if v >= count]), NOBODY, labels)
        palette = read_palette(path)
        if palette is not None:
            labels = _through_palette(path, labels, palette, space)
    if labels.min() < NOBODY or labels.max() >= count:
        raise InputError(
            f"{path}: has label {labels.max()}, but {space.name} has labels 0 to {count - 1}; "
            f"choose another label space ({', '.join(PART_SPACES)})"
        )
    if not (labels > 0).any():
        raise InputError(f"{path}: the label map is empty (background only)")
    unlabelled = labels == NOBODY
    return LabelMap(torch.from_numpy(np.where(unlabelled, 0, labels)), space, torch.from_numpy(~unlabelled), notes)


def _through_palette(path: Path, labels: np.ndarray, palette: np.ndarray, space: PartSpace) -> np.ndarray:
    """Labels of a palette image: its indices, or where these are too large or only number colours, its colours."""
    indices = np.where(labels == NOBODY, 255, labels)
    used = np.unique(indices)
    known = palette[used[used < len(palette)]].astype(np.int64)
    grey = len(known) == len(used) and bool((known.max(axis=1) == known.min(axis=1)).all())
    if grey and len(np.unique(known[:, 0])) == len(used) and int(known[known < VOID[0]].max(initial=0)) < len(space):
        greys = palette[indices][..., 0].astype(np.int64)
        return np.where(greys == VOID[0], NOBODY, greys)
    if labels.max() >= len(space) and labels.max() < len(palette):
        return _labels_from_colours(path, palette[indices.clip(max=len(palette) - 1)], space)
    return labels


def _part_channel(pixels: np.ndarray) -> np.ndarray | None:
    """The parts of a DensePose picture of part, U and V: its first channel, or the last if OpenCV wrote it as BGR."""
    for channel in (0, pixels.shape[2] - 1):
        parts, others = pixels[..., channel], np.delete(pixels, channel, axis=2)
        if 0 < parts.max() < len(DENSEPOSE_24) <= others.max() and not bool(others[parts == 0].any()):
            return parts.astype(np.int64)
    return None


def _labels_from_colours(path: Path, rgb: np.ndarray, part_space: PartSpace) -> np.ndarray:
    """Converts colours to labels, by the colours of the label space or else PASCAL VOC's, which many tools write."""
    codes = (rgb.astype(np.int64) * (65536, 256, 1)).sum(axis=2)
    present, inverse = np.unique(codes, return_inverse=True)
    colours = np.stack([present >> 16, present >> 8 & 255, present & 255], axis=1)
    void = present == VOID_COLOUR
    for palette in (part_space.colours, voc_colours(len(part_space.labels))):
        distance = np.abs(colours[:, None] - np.array(palette)[None]).max(axis=2)
        if ((distance.min(axis=1) <= COLOUR_TOLERANCE) | void).all():
            labels = np.where(void & (distance.min(axis=1) > 0), NOBODY, distance.argmin(axis=1))
            return labels[inverse].reshape(codes.shape)
    strange = colours[~void][-1] if (~void).any() else colours[-1]
    raise InputError(
        f"{path}: has colours that are not {part_space.name}'s, such as {tuple(strange.tolist())}; expected label "
        f"numbers 0 to {len(part_space.labels) - 1} or its colours, without smoothing"
    )

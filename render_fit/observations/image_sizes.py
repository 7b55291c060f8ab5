"""Images that belong to a photo, brought to its size: a few pixels more or less, or the same picture reduced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from render_fit.core.errors import InputError

Size = tuple[int | float, int | float]
"""Height and width, pixels."""

PADDED_PX = 2
"""Difference in size that padding to even sizes or rounding leaves, pixels."""

SAME_ASPECT = 0.01
"""Relative difference between width and height ratios up to which two images have one shape."""


def same_shape(size: Size, other: Size, *, turned: bool = False) -> bool:
    """Whether two sizes (height, width) are one picture's at other resolutions; ``turned``: after a quarter turn."""
    (h, w), (other_h, other_w) = size, other
    h, w = (w, h) if turned else (h, w)
    # a pixel of rounding on the smaller side of the smaller image
    tolerance = SAME_ASPECT + 1.0 / max(1.0, min(h, w, other_h, other_w))
    return abs((w / other_w) / (h / other_h) - 1) <= tolerance


def fitted_to(
    path: Path, what: str, pixels: Shaped[np.ndarray, "h w *c"], image_size: tuple[int, int]
) -> tuple[Shaped[np.ndarray, "h2 w2 *c"], tuple[str, ...]]:
    """Brings the stored pixels of a mask or label map to the photo's size.

    Args:
        path: The file, for messages.
        what: What it is, for messages: ``"mask"``.
        pixels: Its pixels.
        image_size: (H, W) of the upright photo, pixels.

    Returns:
        Pixels of the photo's size, the nearest one where the sizes differ; and a sentence if it was enlarged or
        reduced.

    Raises:
        InputError: if it has another shape than the photo.
    """
    size = (pixels.shape[0], pixels.shape[1])
    if size == image_size:
        return pixels, ()
    if max(abs(a - b) for a, b in zip(size, image_size, strict=True)) <= PADDED_PX:
        kept = pixels[: image_size[0], : image_size[1]]
        missing = [(0, image_size[0] - kept.shape[0]), (0, image_size[1] - kept.shape[1])]
        return np.pad(kept, missing + [(0, 0)] * (pixels.ndim - 2), mode="edge"), ()
    sizes = f"{size[1]}×{size[0]} px but the image is {image_size[1]}×{image_size[0]} px"
    if not same_shape(size, image_size):
        turned = (
            " (the image is rotated by its EXIF data, this file is not)"
            if same_shape(size, image_size, turned=True)
            else ""
        )
        raise InputError(f"{path}: the {what} is {sizes}{turned}; expected the same size")
    rows = ((np.arange(image_size[0]) + 0.5) * size[0] / image_size[0]).astype(int)
    columns = ((np.arange(image_size[1]) + 0.5) * size[1] / image_size[1]).astype(int)
    return pixels[rows][:, columns], (f"{path.name}: the {what} is {sizes}; it was scaled",)

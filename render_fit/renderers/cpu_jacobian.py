"""Image Jacobian of the cpu renderer's ``contour`` outputs, from the results of its forward passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from render_fit.core.parts import N_PARTS
from render_fit.renderers.image_jacobian import Motion
from render_fit.renderers.kernels.contour_jacobian import contour_rows
from render_fit.renderers.kernels.part_borders import beyond

LEAST_SLOPE = 2e-3
"""alpha (1 − alpha) below which a pixel has no row: 6.2 σ from the line, where it contributes to a sum of squares
less than 10⁻⁴ of what a pixel on the line does."""


def contour_motion(outline: tuple[Any, ...], borders: tuple[Any, ...] | None, dtype: torch.dtype) -> Motion:
    """Jacobian rows of pixels at the outline and at borders between parts.

    Args:
        outline: Arguments of ``contour_backward`` after the gradient: alpha, nearest piece, face index, projected
            vertices, edges, pieces and σ of the outline.
        borders: The same arguments for the borders, then the visible part of every pixel and its nearest border's
            pair; None if no parts were rendered.
        dtype: Floating-point type of the result.
    """
    alpha = outline[0].reshape(-1)
    pixel, vertices, slopes = contour_rows(LEAST_SLOPE, *outline)
    silhouette, parts = np.ones(len(pixel)), None
    if borders is not None:
        *lines, own, pair = borders
        keep, own, pair = (values.reshape(-1) for values in (lines[0], own, pair))
        other = beyond(own, pair)
        at_border, border_vertices, border_slopes = contour_rows(LEAST_SLOPE, *lines)
        useful = (other[at_border] >= 0) & (alpha[at_border] > LEAST_SLOPE)
        at_border = at_border[useful]
        kept = np.where(other[pixel] >= 0, keep[pixel], 1.0)
        height = alpha[at_border]
        pixel = np.concatenate([pixel, at_border])
        vertices = np.concatenate([vertices, border_vertices[useful]])
        slopes = np.concatenate([slopes, border_slopes[useful]])
        silhouette = np.concatenate([silhouette, np.zeros(len(at_border))])
        rows = np.arange(len(pixel))
        change = np.zeros((len(pixel), N_PARTS + 1), np.float32)  # the last column is for changes of no part
        change[rows, own[pixel]] = np.concatenate([kept, height])
        change[rows, other[pixel]] += np.concatenate([1 - kept, -height])
        parts = torch.from_numpy(change[:, :N_PARTS]).to(dtype)
    area = outline[0][0].size
    return Motion(
        torch.from_numpy(pixel // area),
        torch.from_numpy(pixel % area),
        torch.from_numpy(vertices),
        torch.from_numpy(slopes).to(dtype),
        torch.from_numpy(silhouette).to(dtype),
        parts,
    )

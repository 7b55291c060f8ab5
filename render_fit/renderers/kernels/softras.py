"""The ``softras`` silhouette, 1 − Π (1 − sigmoid(± d² / σ²)) over every face within the blur radius.

Nothing is kept per pair of pixel and face: the backward pass computes the pairs again.
"""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.grid import CELL
from render_fit.renderers.kernels.nearest import (
    gather_cell,
    longest_list,
    nearest_on_triangle,
    pull_distance2,
    scatter_cell,
)
from render_fit.renderers.kernels.rasterize import BANDS, TIE_PX2

SATURATED = 1e8
# Where 1 / (1 − alpha) passes this, the rest of the faces is skipped: alpha is 1 to float32, its gradient 0.


@kernel
def _one_over_clear(px, py, n, corners, boxes, sigma2, radius2, is_covered):
    """Π (1 + exp(± d² / σ²)) = 1 / (1 − alpha) over a cell's faces, and the nearest to an uncovered pixel.

    The nearest is a place in the list; −1 for a covered pixel or if there is none.
    """
    product = 1.0
    least = np.inf
    nearest = -1
    for m in range(n):
        if px < boxes[m, 0] or px > boxes[m, 1] or py < boxes[m, 2] or py > boxes[m, 3]:
            continue
        inside, d2, _, _ = nearest_on_triangle(px, py, corners[m])
        if not inside and d2 > radius2:
            continue
        product *= 1.0 + np.exp(min(d2 / sigma2, 30.0) if inside else -d2 / sigma2)
        if is_covered:
            if product > SATURATED:
                break
        elif d2 < least - TIE_PX2 or nearest < 0:
            least = d2
            nearest = m
    return product, nearest


@kernel(parallel=True)
def softras_forward(xy, z, faces, start, offset, members, sigma, radius, face_index):
    """What alpha follows from.

    Args:
        xy: (B, V, 2) pixels.
        z: (B, V) metres.
        faces: (F, 3).
        start: Of ``bin_soft_faces``, with the same radius.
        offset: Of ``bin_soft_faces``.
        members: Of ``bin_soft_faces``.
        sigma: Pixels.
        radius: Pixels.
        face_index: (B, H, W) int32 of the hard pass.

    Returns:
        (B, H, W) float64: 1 / (1 − alpha).
        (B, H, W) int32: the face nearest in the image to a pixel centre that no face covers; −1 elsewhere.
    """
    n_batch, height, width = face_index.shape
    n_rows, n_columns = (height + CELL - 1) // CELL, (width + CELL - 1) // CELL
    product = np.ones((n_batch, height, width))
    owner = np.full((n_batch, height, width), -1, np.int32)
    for task in prange(n_batch * BANDS):
        b = np.int64(task) // BANDS
        band = np.int64(task) % BANDS
        most = longest_list(start[b])
        corners, depths, boxes = np.empty((most, 9)), np.empty((most, 3)), np.empty((most, 5))
        for row in range(band, n_rows, BANDS):
            for column in range(n_columns):
                cell = row * n_columns + column
                first, end = offset[b] + start[b, cell], offset[b] + start[b, cell + 1]
                if first == end:
                    continue
                gather_cell(xy[b], z[b], faces, members[first:end], corners, depths, boxes, radius)
                for i in range(row * CELL, min(row * CELL + CELL, height)):
                    for j in range(column * CELL, min(column * CELL + CELL, width)):
                        product[b, i, j], nearest = _one_over_clear(
                            j + 0.5, i + 0.5, end - first, corners, boxes, sigma * sigma, radius * radius,
                            face_index[b, i, j] >= 0,
                        )  # fmt: skip
                        if nearest >= 0:
                            owner[b, i, j] = members[first + nearest]
    return product, owner


@kernel(parallel=True)
def softras_backward(grad_alpha, product, xy, z, faces, start, offset, members, sigma, radius):
    """Gradient with respect to ``xy`` and z, (B, BANDS, V, 3) float64, to be summed over the bands."""
    n_batch, height, width = product.shape
    n_rows, n_columns = (height + CELL - 1) // CELL, (width + CELL - 1) // CELL
    grad = np.zeros((n_batch, BANDS, xy.shape[1], 3))
    for task in prange(n_batch * BANDS):
        b = np.int64(task) // BANDS
        band = np.int64(task) % BANDS
        most = longest_list(start[b])
        corners, depths, boxes = np.empty((most, 9)), np.empty((most, 3)), np.empty((most, 5))
        corner_grad = np.empty((most, 9))
        for row in range(band, n_rows, BANDS):
            for column in range(n_columns):
                cell = row * n_columns + column
                first, end = offset[b] + start[b, cell], offset[b] + start[b, cell + 1]
                if first == end:
                    continue
                gather_cell(xy[b], z[b], faces, members[first:end], corners, depths, boxes, radius)
                corner_grad[: end - first] = 0.0
                for i in range(row * CELL, min(row * CELL + CELL, height)):
                    for j in range(column * CELL, min(column * CELL + CELL, width)):
                        g = grad_alpha[b, i, j] / product[b, i, j]
                        if product[b, i, j] > SATURATED or g == 0:
                            continue
                        _pull_pixel(
                            j + 0.5, i + 0.5, end - first, corners, boxes, sigma * sigma, radius * radius,
                            g, corner_grad,
                        )  # fmt: skip
                scatter_cell(faces, members[first:end], corner_grad, grad[b, band])
    return grad


@kernel
def _pull_pixel(px, py, n, corners, boxes, sigma2, radius2, g, corner_grad):
    """Add the gradient of one pixel; ``g`` is its gradient in the log-sum of (1 + exp)."""
    for m in range(n):
        if px < boxes[m, 0] or px > boxes[m, 1] or py < boxes[m, 2] or py > boxes[m, 3]:
            continue
        inside, d2, side, t = nearest_on_triangle(px, py, corners[m])
        if not inside and d2 > radius2:
            continue
        x = d2 / sigma2 if inside else -d2 / sigma2
        slope = g / (1.0 + np.exp(-x)) / sigma2
        pull_distance2(px, py, corners[m], side, t, slope if inside else -slope, corner_grad[m])

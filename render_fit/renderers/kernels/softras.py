"""The ``softras`` silhouette, 1 − Π (1 − sigmoid(± d² / σ²)) over every face within the blur radius.

Nothing is stored per pair of pixel and face: the backward pass recomputes the pairs. Both passes iterate over cells
and faces, with the cell's pixels in SIMD lanes (``simd``).
"""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.grid import CELL
from render_fit.renderers.kernels.rasterize import BANDS, TIE_PX2
from render_fit.renderers.kernels.simd import (
    LANES,
    MOST_EXPONENT,
    RECORD,
    exponential,
    gather_in_reach,
    nearest_point,
    place_lanes,
    signed_distance2,
)
from render_fit.renderers.kernels.triangle_distance import longest_list

SATURATED = 1e7
# Where 1 / (1 − alpha) exceeds this, the other faces are skipped: alpha is within 1e-7 of 1, float32's resolution,
# and its gradient likewise of 0.

LOOK_EVERY = 8
# Number of faces after which a cell is checked for saturation of all its pixels.


@kernel(simd=True)
def _multiply(scratch, n, found, per_sigma2, radius2):
    """Write Π (1 + exp(± d² / σ²)) = 1 / (1 − alpha) of a cell's pixels, from 2 · LANES in the scratch array."""
    for m in range(n):
        for lane in range(LANES):
            distance2, side = signed_distance2(scratch[lane], scratch[LANES + lane], found[m])
            factor = 1.0 + exponential(side * min(distance2 * per_sigma2, MOST_EXPONENT))
            scratch[2 * LANES + lane] *= factor if (side > 0) | (distance2 <= radius2) else 1.0
        if m % LOOK_EVERY == LOOK_EVERY - 1:
            least = scratch[2 * LANES]
            for lane in range(1, LANES):
                least = min(least, scratch[2 * LANES + lane])
            if least > SATURATED:
                break


@kernel(simd=True)
def _pull(scratch, n, found, per_sigma2, radius2, corner_grad):
    """Fill ``corner_grad`` (≥ N, 6) with the gradient from a cell's pixels with respect to the corners' x and y.

    From 2 · LANES, the scratch array contains each pixel's gradient with respect to log Π, times 2 / σ².
    """
    for m in range(n):
        for lane in range(LANES):
            distance2, side, x, y, first, last = nearest_point(scratch[lane], scratch[LANES + lane], found[m])
            e = exponential(side * min(distance2 * per_sigma2, MOST_EXPONENT))
            slope = side * scratch[2 * LANES + lane] * e / (1.0 + e)
            slope = slope if (side > 0) | (distance2 <= radius2) else 0.0
            # The nearest point slides along its side at right angles to the offset: only the side's motion counts.
            scratch[3 * LANES + lane] = slope * x
            scratch[4 * LANES + lane] = slope * y
            scratch[5 * LANES + lane] = first
            scratch[6 * LANES + lane] = last
        x_sum, y_sum, x_first, y_first, x_last, y_last = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for lane in range(LANES):
            x, y = scratch[3 * LANES + lane], scratch[4 * LANES + lane]
            x_sum += x
            y_sum += y
            x_first += scratch[5 * LANES + lane] * x
            y_first += scratch[5 * LANES + lane] * y
            x_last += scratch[6 * LANES + lane] * x
            y_last += scratch[6 * LANES + lane] * y
        corner_grad[m, 0], corner_grad[m, 1] = x_first, y_first
        corner_grad[m, 2], corner_grad[m, 3] = x_sum - x_first - x_last, y_sum - y_first - y_last
        corner_grad[m, 4], corner_grad[m, 5] = x_last, y_last


@kernel(parallel=True)
def softras_forward(records, start, offset, members, sigma, radius, height, width):
    """Product over faces from which alpha is computed; moves each cell's faces in reach of a pixel to the front.

    Returns:
        (B, H, W) float64 1 / (1 − alpha).
        (B, cells) int32 number of each cell's faces in reach.
    """
    n_batch = records.shape[0]
    n_rows, n_columns = (height + CELL - 1) // CELL, (width + CELL - 1) // CELL
    product = np.ones((n_batch, height, width))
    in_reach = np.zeros((n_batch, n_rows * n_columns), np.int32)
    for task in prange(n_batch * BANDS):
        b, band = np.int64(task) // BANDS, np.int64(task) % BANDS
        found = np.empty((longest_list(start[b]), RECORD))
        scratch = np.empty(3 * LANES)
        place_lanes(scratch)
        for row in range(band, n_rows, BANDS):
            for column in range(n_columns):
                cell = row * n_columns + column
                first, end = offset[b] + start[b, cell], offset[b] + start[b, cell + 1]
                if first == end:
                    continue
                cx, cy = (column + 0.5) * CELL, (row + 0.5) * CELL
                n = gather_in_reach(records[b], members[first:end], cx, cy, radius, found)
                in_reach[b, cell] = n
                scratch[2 * LANES :] = 1.0
                _multiply(scratch, n, found, 1.0 / (sigma * sigma), radius * radius)
                for lane in range(LANES):
                    i, j = row * CELL + lane // CELL, column * CELL + lane % CELL
                    if i < height and j < width:
                        product[b, i, j] = scratch[2 * LANES + lane]
    return product, in_reach


@kernel(parallel=True)
def softras_backward(grad_alpha, product, in_reach, faces, n_vertices, records, start, offset, members, sigma, radius):
    """Gradient with respect to x and y of the vertices, (B, V, 2) float64, of the sum of ``grad_alpha`` · alpha."""
    n_batch, height, width = product.shape
    n_rows, n_columns = (height + CELL - 1) // CELL, (width + CELL - 1) // CELL
    of_bands = np.zeros((n_batch, BANDS, n_vertices, 2))
    for task in prange(n_batch * BANDS):
        b, band = np.int64(task) // BANDS, np.int64(task) % BANDS
        most = longest_list(start[b])
        found, corner_grad = np.empty((most, RECORD)), np.empty((most, 6))
        scratch = np.empty(7 * LANES)
        place_lanes(scratch)
        for row in range(band, n_rows, BANDS):
            for column in range(n_columns):
                cell = row * n_columns + column
                if in_reach[b, cell] == 0:
                    continue
                is_wanted = False
                for lane in range(LANES):
                    i, j = row * CELL + lane // CELL, column * CELL + lane % CELL
                    g = 0.0
                    if i < height and j < width and product[b, i, j] <= SATURATED:
                        g = 2.0 * grad_alpha[b, i, j] / (product[b, i, j] * sigma * sigma)
                    scratch[2 * LANES + lane] = g
                    is_wanted = is_wanted or g != 0
                if not is_wanted:
                    continue
                first = offset[b] + start[b, cell]
                here = members[first : first + in_reach[b, cell]]
                cx, cy = (column + 0.5) * CELL, (row + 0.5) * CELL
                n = gather_in_reach(records[b], here, cx, cy, radius, found)
                _pull(scratch, n, found, 1.0 / (sigma * sigma), radius * radius, corner_grad)
                for m in range(n):
                    for k in range(3):
                        of_bands[b, band, faces[here[m], k], 0] += corner_grad[m, 2 * k]
                        of_bands[b, band, faces[here[m], k], 1] += corner_grad[m, 2 * k + 1]
    grad = np.empty((n_batch, n_vertices, 2))
    for task in prange(n_batch * BANDS):
        b, band = np.int64(task) // BANDS, np.int64(task) % BANDS
        for v in range(n_vertices * band // BANDS, n_vertices * (band + 1) // BANDS):
            for k in range(2):
                total = 0.0
                for other in range(BANDS):
                    total += of_bands[b, other, v, k]
                grad[b, v, k] = total
    return grad


@kernel(simd=True)
def _find_nearest(scratch, n, found, radius2):
    """Least squared distance of a cell's pixels to a face in reach, and that face's position; 1e30 and −1 if none."""
    for lane in range(LANES):
        scratch[2 * LANES + lane] = 1e30
        scratch[3 * LANES + lane] = -1.0
    for m in range(n):
        for lane in range(LANES):
            distance2, side = signed_distance2(scratch[lane], scratch[LANES + lane], found[m])
            least, place = scratch[2 * LANES + lane], scratch[3 * LANES + lane]
            closer = ((side > 0) | (distance2 <= radius2)) & (distance2 < least - TIE_PX2)
            scratch[2 * LANES + lane] = distance2 if closer else least
            scratch[3 * LANES + lane] = float(m) if closer else place


@kernel(parallel=True)
def nearest_faces(in_reach, records, start, offset, members, radius, face_index):
    """The face nearest in the image to each pixel centre that no face covers; −1 elsewhere.

    ``members`` are those that ``softras_forward`` reordered.

    Returns:
        (B, H, W) int32 faces; of equally near ones the first.
    """
    n_batch, height, width = face_index.shape
    n_rows, n_columns = (height + CELL - 1) // CELL, (width + CELL - 1) // CELL
    owner = np.full((n_batch, height, width), -1, np.int32)
    for task in prange(n_batch * BANDS):
        b, band = np.int64(task) // BANDS, np.int64(task) % BANDS
        found = np.empty((longest_list(start[b]), RECORD))
        scratch = np.empty(4 * LANES)
        place_lanes(scratch)
        for row in range(band, n_rows, BANDS):
            for column in range(n_columns):
                cell = row * n_columns + column
                here = face_index[b, row * CELL : row * CELL + CELL, column * CELL : column * CELL + CELL]
                if in_reach[b, cell] == 0 or here.min() >= 0:
                    continue
                first = offset[b] + start[b, cell]
                mine = members[first : first + in_reach[b, cell]]
                cx, cy = (column + 0.5) * CELL, (row + 0.5) * CELL
                n = gather_in_reach(records[b], mine, cx, cy, radius, found)
                _find_nearest(scratch, n, found, radius * radius)
                for lane in range(LANES):
                    i, j = row * CELL + lane // CELL, column * CELL + lane % CELL
                    place = int(scratch[3 * LANES + lane])
                    if i < height and j < width and face_index[b, i, j] < 0 and place >= 0:
                        owner[b, i, j] = mine[place]
    return owner

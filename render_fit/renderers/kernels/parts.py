"""Part maps: alpha divided among the parts by a softmax over the depth of all faces near each pixel.

share(part) = Σ_{faces of the part} w / Σ_{all faces} w,  w = D · exp(−z / γ),  D = sigmoid(± d² / σ²)

with d the distance to the nearest side of the projected face and z the face's depth by the pixel centre's barycentric
coordinates, affine on the image, clipped at 0 and normalised, as in PyTorch3D (SoftRas, Liu et al. 2019, eq. 3,
with depth in metres and without background, which is given by the silhouette).
"""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.grid import CELL
from render_fit.renderers.kernels.rasterize import BANDS
from render_fit.renderers.kernels.triangle_distance import (
    clipped_depth,
    gather_cell,
    longest_list,
    nearest_on_triangle,
    pull_clipped_depth,
    pull_distance2,
    scatter_cell,
)

BEHIND = 16.0
# Faces this many γ behind the nearest are skipped: their relative weight, below exp(−16) = 1e-7, is float32's rounding.

N_PARTS = 24

NONE, SEVERAL = -1, -2


@kernel
def _weigh(px, py, n, corners, depths, boxes, sigma2, radius2, gamma, limit, found, side, at, inside, weight, z):
    """Find the faces with a weight at a pixel: their list positions and the inputs of their gradient; their number.

    ``weight`` sums to one.
    """
    k = 0
    nearest = np.inf
    for m in range(n):
        if px < boxes[m, 0] or px > boxes[m, 1] or py < boxes[m, 2] or py > boxes[m, 3]:
            continue
        if boxes[m, 4] > limit:
            continue
        is_in, d2, s, t = nearest_on_triangle(px, py, corners[m])
        if not is_in and d2 > radius2:
            continue
        depth = clipped_depth(px, py, corners[m], depths[m])
        nearest = min(nearest, depth)
        found[k], side[k], at[k], inside[k], z[k] = m, s, t, is_in, depth
        weight[k] = d2 / sigma2 if is_in else -d2 / sigma2
        k += 1
    kept = 0
    total = 0.0
    # The nearest face may be at the edge of the radius, where its own D is exp(−R² / σ²).
    behind = (BEHIND + radius2 / sigma2) * gamma
    for m in range(k):
        if z[m] - nearest > behind:
            continue
        w = np.exp((nearest - z[m]) / gamma) / (1.0 + np.exp(-weight[m]))
        found[kept], side[kept], at[kept], inside[kept] = found[m], side[m], at[m], inside[m]
        z[kept] = weight[m]
        weight[kept] = w
        total += w
        kept += 1
    for m in range(kept):
        weight[m] /= total
    return kept


@kernel
def _listed_part(members, face_parts):
    """The common part of all faces of a cell, or ``SEVERAL`` or ``NONE``."""
    part = NONE
    for m in range(members.shape[0]):
        if part >= 0 and face_parts[members[m]] != part:
            return SEVERAL
        part = face_parts[members[m]]
    return part


@kernel
def _only_part(px, py, n, corners, boxes, radius2, limit, is_covered, listed_parts):
    """The common part of all faces in reach of a pixel, if there is one: that part then has all of alpha.

    Returns:
        The part; ``SEVERAL`` if there may be more than one; ``NONE`` if no face is in reach.
    """
    part = NONE
    reached = is_covered
    for m in range(n):
        if px < boxes[m, 0] or px > boxes[m, 1] or py < boxes[m, 2] or py > boxes[m, 3]:
            continue
        if boxes[m, 4] > limit:
            continue
        if part >= 0 and listed_parts[m] != part:
            return SEVERAL
        part = listed_parts[m]
        if not reached:
            inside, d2, _, _ = nearest_on_triangle(px, py, corners[m])
            reached = inside or d2 <= radius2
    return part if reached else NONE


@kernel
def _depth_limit(px, py, f, xy, z, faces, gamma):
    """Depth beyond which a face has no weight at a pixel where ``f`` is nearest, metres; infinite if ``f`` is negative.

    Computed from the affine depth of ``f``, which for a large face exceeds the hard pass's perspective-correct depth.
    """
    if f < 0:
        return np.inf
    corner, depths = np.empty(6), np.empty(3)
    for k in range(3):
        v = faces[f, k]
        corner[2 * k], corner[2 * k + 1], depths[k] = xy[v, 0], xy[v, 1], z[v]
    return clipped_depth(px, py, corner, depths) + BEHIND * gamma


@kernel(parallel=True)
def parts_forward(
    alpha, owner, face_index, xy, z, faces, face_parts, start, offset, members, sigma, radius, gamma, parts
):
    """Fill ``parts`` (B, 24, H, W), initially zero, in the dtype of the result.

    ``owner``: (B, H, W) int32 face whose part has all of alpha where no face is within the radius; −1: none.
    ``sigma``: σ of D, pixels. ``gamma``: temperature γ, metres.
    """
    n_batch, height, width = alpha.shape
    n_rows, n_columns = (height + CELL - 1) // CELL, (width + CELL - 1) // CELL
    for task in prange(n_batch * BANDS):
        b = np.int64(task) // BANDS
        band = np.int64(task) % BANDS
        most = longest_list(start[b])
        corners, depths, boxes = np.empty((most, 9)), np.empty((most, 3)), np.empty((most, 5))
        found, side, at = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)
        inside, weight, depth = np.empty(most, np.bool_), np.empty(most), np.empty(most)
        share, listed = np.zeros(N_PARTS), np.empty(most, np.int64)
        for row in range(band, n_rows, BANDS):
            for column in range(n_columns):
                cell = row * n_columns + column
                first, end = offset[b] + start[b, cell], offset[b] + start[b, cell + 1]
                in_cell = _listed_part(members[first:end], face_parts)
                is_gathered = False
                for i in range(row * CELL, min(row * CELL + CELL, height)):
                    for j in range(column * CELL, min(column * CELL + CELL, width)):
                        a = alpha[b, i, j]
                        if a == 0:
                            continue
                        px, py, is_covered, limit = j + 0.5, i + 0.5, face_index[b, i, j] >= 0, np.inf
                        beside = NONE
                        if owner[b, i, j] >= 0:
                            beside = face_parts[owner[b, i, j]]
                        part = in_cell
                        if in_cell != NONE and not (in_cell >= 0 and (is_covered or beside == in_cell)):
                            if not is_gathered:
                                gather_cell(xy[b], z[b], faces, members[first:end], corners, depths, boxes, radius)
                                for m in range(end - first):
                                    listed[m] = face_parts[members[first + m]]
                                is_gathered = True
                            limit = _depth_limit(px, py, face_index[b, i, j], xy[b], z[b], faces, gamma)
                            part = _only_part(
                                px, py, end - first, corners, boxes, radius * radius, limit, is_covered, listed
                            )
                        n = 0
                        if part == SEVERAL:
                            n = _weigh(
                                px, py, end - first, corners, depths, boxes, sigma * sigma, radius * radius,
                                gamma, limit, found, side, at, inside, weight, depth,
                            )  # fmt: skip
                        if n == 0:
                            if part < 0:
                                part = beside
                            if part >= 0:
                                parts[b, part, i, j] = a
                            continue
                        for m in range(n):
                            share[listed[found[m]]] += weight[m]
                        for p in range(N_PARTS):
                            if share[p] > 0:
                                parts[b, p, i, j] = a * share[p]
                                share[p] = 0.0


@kernel(parallel=True)
def parts_backward(
    grad_parts, alpha, owner, face_index, xy, z, faces, face_parts, start, offset, members, sigma, radius, gamma
):
    """Gradients with respect to alpha, (B, H, W), and to xy and z, (B, BANDS, V, 3), to be summed over bands."""
    n_batch, height, width = alpha.shape
    n_rows, n_columns = (height + CELL - 1) // CELL, (width + CELL - 1) // CELL
    grad = np.zeros((n_batch, BANDS, xy.shape[1], 3))
    grad_alpha = np.zeros(alpha.shape)
    for task in prange(n_batch * BANDS):
        b = np.int64(task) // BANDS
        band = np.int64(task) % BANDS
        most = longest_list(start[b])
        corners, depths, boxes = np.empty((most, 9)), np.empty((most, 3)), np.empty((most, 5))
        found, side, at = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)
        inside, weight, level = np.empty(most, np.bool_), np.empty(most), np.empty(most)
        corner_grad, listed = np.empty((most, 9)), np.empty(most, np.int64)
        for row in range(band, n_rows, BANDS):
            for column in range(n_columns):
                cell = row * n_columns + column
                first, end = offset[b] + start[b, cell], offset[b] + start[b, cell + 1]
                in_cell = _listed_part(members[first:end], face_parts)
                is_gathered = False
                for i in range(row * CELL, min(row * CELL + CELL, height)):
                    for j in range(column * CELL, min(column * CELL + CELL, width)):
                        a = alpha[b, i, j]
                        if a == 0:
                            continue
                        px, py, is_covered, limit = j + 0.5, i + 0.5, face_index[b, i, j] >= 0, np.inf
                        beside = NONE
                        if owner[b, i, j] >= 0:
                            beside = face_parts[owner[b, i, j]]
                        part = in_cell
                        if in_cell != NONE and not (in_cell >= 0 and (is_covered or beside == in_cell)):
                            if not is_gathered:
                                gather_cell(xy[b], z[b], faces, members[first:end], corners, depths, boxes, radius)
                                for m in range(end - first):
                                    listed[m] = face_parts[members[first + m]]
                                corner_grad[: end - first] = 0.0
                                is_gathered = True
                            limit = _depth_limit(px, py, face_index[b, i, j], xy[b], z[b], faces, gamma)
                            part = _only_part(
                                px, py, end - first, corners, boxes, radius * radius, limit, is_covered, listed
                            )
                        n = 0
                        if part == SEVERAL:
                            n = _weigh(
                                px, py, end - first, corners, depths, boxes, sigma * sigma, radius * radius,
                                gamma, limit, found, side, at, inside, weight, level,
                            )  # fmt: skip
                        if n == 0:
                            if part < 0:
                                part = beside
                            if part >= 0:
                                grad_alpha[b, i, j] = grad_parts[b, part, i, j]
                            continue
                        mean = 0.0
                        for m in range(n):
                            mean += weight[m] * grad_parts[b, listed[found[m]], i, j]
                        grad_alpha[b, i, j] = mean
                        for m in range(n):
                            k = found[m]
                            g = a * weight[m] * (grad_parts[b, listed[k], i, j] - mean)
                            # With one part in reach, its gradient equals the mean up to rounding.
                            if abs(g) <= 1e-14 * abs(mean):
                                continue
                            slope = g / (1.0 + np.exp(level[m])) / (sigma * sigma)
                            pull_distance2(
                                px, py, corners[k], side[m], at[m], slope if inside[m] else -slope, corner_grad[k]
                            )
                            pull_clipped_depth(px, py, corners[k], depths[k], -g / gamma, corner_grad[k])
                if is_gathered:
                    scatter_cell(faces, members[first:end], corner_grad, grad[b, band])
    return grad_alpha, grad

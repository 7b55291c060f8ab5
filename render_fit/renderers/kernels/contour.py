"""The ``contour`` silhouette: sigmoid of the signed distance to the outline of the union of faces.

The nearest piece is found tile by tile: of all pieces only those can be nearest to a pixel of a tile whose
distance from the tile's centre exceeds the least one by no more than twice the tile's radius. The cost
therefore hardly grows with σ.
"""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.parts import N_PARTS
from render_fit.renderers.kernels.rasterize import TIE_PX2

TILE = 32
SUBTILE = 8
# Sides of the tiles, pixels; the second divides the first.

STRANGE = N_PARTS * N_PARTS
# More than the name of any pair of parts.

LEAST_CROSSING = 0.1
# Sine of the angle between two edges below which the motion of their crossing is taken to follow the first
# edge alone: the crossing of nearly parallel lines moves without bounds.


@kernel(inline=True)
def _distance2(px, py, place, k):
    """Squared distance from a point to piece ``k``, pixels²."""
    dx, dy = place[k, 4] - place[k, 2], place[k, 5] - place[k, 3]
    x, y = px - place[k, 2], py - place[k, 3]
    length2 = dx * dx + dy * dy
    s = (x * dx + y * dy) / length2
    s = min(max(s, 0.0), 1.0)
    x -= s * dx
    y -= s * dy
    return x * x + y * y


@kernel
def _select(cx, cy, extent, radius, place, among, n_among, selected, distance):
    """Pieces that can be nearest to a pixel centre within ``extent`` of (cx, cy), and within ``radius``."""
    least = np.inf
    for m in range(n_among):
        distance[m] = np.sqrt(_distance2(cx, cy, place, among[m]))
        least = min(least, distance[m])
    # The slack keeps rounding from deciding ties here.
    limit = min(least + 2 * extent, radius + extent) + 1e-6
    n = 0
    for m in range(n_among):
        if distance[m] <= limit:
            selected[n] = among[m]
            n += 1
    return n


@kernel(parallel=True)
def contour_forward(face_index, own, piece, place, count, sigma, radius):
    """Alpha and the nearest outline piece of each pixel.

    Args:
        face_index: (B, H, W) int32 of the hard pass; −1 where the centre is in no face.
        own: (B, H, W) int64 part that a pixel shows; −1 where it does not matter, as for the outline.
        piece: (B, N, 4) of ``trace_outline``.
        place: (B, N, 6) of ``trace_outline``.
        count: (B,) of ``trace_outline``.
        sigma: Pixels.
        radius: Pixels from the outline beyond which alpha is 0 or 1.

    Returns:
        (B, H, W) float64 alpha; (B, H, W) int32 index of the nearest piece, and the least
        name (face or pair of parts) of those there, both −1 beyond the radius. Where pieces between several
        pairs of parts meet, pairs with the pixel's own part go first: the others' names grow by ``STRANGE``.
    """
    n_batch, height, width = face_index.shape
    alpha = np.empty((n_batch, height, width))
    nearest = np.empty((n_batch, height, width), np.int32)
    owner = np.empty((n_batch, height, width), np.int32)
    n_rows, n_columns = (height + TILE - 1) // TILE, (width + TILE - 1) // TILE
    tile_extent = (TILE - 1) / 2 * np.sqrt(2.0)
    subtile_extent = (SUBTILE - 1) / 2 * np.sqrt(2.0)
    for task in prange(n_batch * n_rows * n_columns):
        b = np.int64(task) // (n_rows * n_columns)
        # Neighbouring tiles go to different threads: a person covers few of them.
        tile = np.int64(task) % (n_rows * n_columns)
        top, left = tile // n_columns * TILE, tile % n_columns * TILE
        n = count[b]
        everything = np.arange(n)
        distance = np.empty(n)
        here = np.empty(n, np.int64)
        near = np.empty(n, np.int64)
        n_here = _select(left + TILE / 2, top + TILE / 2, tile_extent, radius, place[b], everything, n, here, distance)
        for sub in range((TILE // SUBTILE) ** 2):
            y0 = top + sub // (TILE // SUBTILE) * SUBTILE
            x0 = left + sub % (TILE // SUBTILE) * SUBTILE
            if y0 >= height or x0 >= width:
                continue
            n_near = _select(
                x0 + SUBTILE / 2,
                y0 + SUBTILE / 2,
                subtile_extent,
                radius,
                place[b],
                here,
                n_here,
                near,
                distance,
            )
            for i in range(y0, min(y0 + SUBTILE, height)):
                for j in range(x0, min(x0 + SUBTILE, width)):
                    least = radius * radius
                    found, face = -1, -1
                    for m in range(n_near):
                        d2 = _distance2(j + 0.5, i + 0.5, place[b], near[m])
                        if d2 < least + TIE_PX2:
                            at = np.int64(piece[b, near[m], 3])
                            if own[b, i, j] >= 0 and own[b, i, j] != at // N_PARTS and own[b, i, j] != at % N_PARTS:
                                at += STRANGE
                            face = at if d2 < least - TIE_PX2 or found < 0 else min(face, at)
                            if d2 < least:
                                least = d2
                                found = near[m]
                    nearest[b, i, j] = found
                    owner[b, i, j] = face if found >= 0 else -1
                    inside = face_index[b, i, j] >= 0
                    if found < 0:
                        alpha[b, i, j] = 1.0 if inside else 0.0
                    else:
                        d = np.sqrt(least) if inside else -np.sqrt(least)
                        alpha[b, i, j] = 1.0 / (1.0 + np.exp(-d / sigma))
    return alpha, nearest, owner


@kernel
def _pull_edge(xy, edges, e, t, gx, gy, grad):
    """Add the gradient of the point at parameter ``t`` of edge ``e`` to the edge's two vertices."""
    grad[edges[e, 0], 0] += (1 - t) * gx
    grad[edges[e, 0], 1] += (1 - t) * gy
    grad[edges[e, 1], 0] += t * gx
    grad[edges[e, 1], 1] += t * gy


@kernel
def _pull_crossing(xy, edges, e, o, t, gx, gy, grad):
    """Add the gradient of the point where edge ``o`` cuts edge ``e`` (at its ``t``) to their four vertices.

    The crossing moves so that it stays on both lines: with unit normals n and m, g · dp = α n · de + β m · do
    where g = α n + β m, and de, do are the motions of the two edges' own points there.
    """
    ax, ay = xy[edges[e, 0], 0], xy[edges[e, 0], 1]
    dx, dy = xy[edges[e, 1], 0] - ax, xy[edges[e, 1], 1] - ay
    cx, cy = xy[edges[o, 0], 0], xy[edges[o, 0], 1]
    ex, ey = xy[edges[o, 1], 0] - cx, xy[edges[o, 1], 1] - cy
    d_length, e_length = np.sqrt(dx * dx + dy * dy), np.sqrt(ex * ex + ey * ey)
    nx, ny = dy / d_length, -dx / d_length
    mx, my = ey / e_length, -ex / e_length
    turn = nx * my - ny * mx
    if abs(turn) < LEAST_CROSSING:
        _pull_edge(xy, edges, e, t, gx, gy, grad)
        return
    a = (gx * my - gy * mx) / turn
    c = (nx * gy - ny * gx) / turn
    px, py = ax + t * dx - cx, ay + t * dy - cy
    s = min(max((px * ex + py * ey) / (e_length * e_length), 0.0), 1.0)
    _pull_edge(xy, edges, e, t, a * nx, a * ny, grad)
    _pull_edge(xy, edges, o, s, c * mx, c * my, grad)


@kernel(parallel=True)
def contour_backward(grad_alpha, alpha, nearest, face_index, xy, edges, piece, place, sigma):
    """Gradient with respect to ``xy``, (B, V, 2) float64, of the sum of ``grad_alpha`` · alpha.

    Zero for a pixel centre exactly on the outline, where the direction is undefined.
    """
    n_batch, height, width = alpha.shape
    grad = np.zeros(xy.shape)
    for task in prange(n_batch):
        b = np.int64(task)
        for i in range(height):
            for j in range(width):
                k = nearest[b, i, j]
                if k < 0 or grad_alpha[b, i, j] == 0:
                    continue
                px, py = j + 0.5, i + 0.5
                sx, sy = place[b, k, 2], place[b, k, 3]
                dx, dy = place[b, k, 4] - sx, place[b, k, 5] - sy
                s = ((px - sx) * dx + (py - sy) * dy) / (dx * dx + dy * dy)
                s = min(max(s, 0.0), 1.0)
                ox, oy = px - sx - s * dx, py - sy - s * dy
                d = np.sqrt(ox * ox + oy * oy)
                if d == 0:
                    continue
                slope = grad_alpha[b, i, j] * alpha[b, i, j] * (1 - alpha[b, i, j]) / sigma
                # d grows as the outline moves away: inside against o, outside along it.
                pull = (-slope if face_index[b, i, j] >= 0 else slope) / d
                gx, gy = pull * ox, pull * oy
                e = piece[b, k, 0]
                t = place[b, k, 0] + s * (place[b, k, 1] - place[b, k, 0])
                if s == 0 and piece[b, k, 1] >= 0:
                    _pull_crossing(xy[b], edges, e, piece[b, k, 1], t, gx, gy, grad[b])
                elif s == 1 and piece[b, k, 2] >= 0:
                    _pull_crossing(xy[b], edges, e, piece[b, k, 2], t, gx, gy, grad[b])
                else:
                    _pull_edge(xy[b], edges, e, t, gx, gy, grad[b])
    return grad

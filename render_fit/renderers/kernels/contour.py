"""The ``contour`` silhouette: sigmoid of the signed distance to the outline of the union of faces.

The nearest piece is found tile by tile: of all pieces only those can be nearest to a pixel of a tile whose distance
from the tile's centre exceeds the least one by no more than twice the tile's radius. The cost therefore hardly grows
with σ. In the smallest tiles the pixels are processed in SIMD lanes.
"""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.grid import CELL
from render_fit.renderers.kernels.parts import N_PARTS
from render_fit.renderers.kernels.rasterize import BANDS, TIE_PX2
from render_fit.renderers.kernels.simd import LANES, place_lanes

TILE = 32
SUBTILE = 8
# Sides of the tiles, pixels; each divides the previous one, and CELL divides the last.

STRANGE = N_PARTS * N_PARTS
# Greater than the name of any pair of parts.

LEAST_CROSSING = 0.1
# Sine of the angle between two edges below which their crossing is assumed to move with the first edge alone:
# the motion of the crossing of nearly parallel lines is unbounded.

ROWS = 6
# Rows of an array of pieces: start x and y, direction x and y, 1 / length², and the piece's index.


@kernel(simd=True)
def _distance2(px, py, pieces, k):
    """Squared distance from a point to piece ``k``, pixels²."""
    x, y = px - pieces[0, k], py - pieces[1, k]
    s = min(max((x * pieces[2, k] + y * pieces[3, k]) * pieces[4, k], 0.0), 1.0)
    x -= s * pieces[2, k]
    y -= s * pieces[3, k]
    return x * x + y * y


@kernel(simd=True)
def _arrange(place, n, pieces):
    """Fill ``pieces`` (ROWS, ≥ n) from ``place`` (N, 6) of ``trace_outline``."""
    for k in range(n):
        dx, dy = place[k, 4] - place[k, 2], place[k, 5] - place[k, 3]
        pieces[0, k], pieces[1, k] = place[k, 2], place[k, 3]
        pieces[2, k], pieces[3, k] = dx, dy
        pieces[4, k] = 1.0 / (dx * dx + dy * dy)
        pieces[5, k] = k


@kernel(simd=True)
def _select(cx, cy, side, radius, among, n_among, selected, distance):
    """Copy the pieces that can be nearest to a pixel centre of a square tile and within ``radius``; their number."""
    for m in range(n_among):
        distance[m] = _distance2(cx, cy, among, m)
    least = np.inf
    for m in range(n_among):
        least = min(least, distance[m])
    extent = (side - 1) / 2 * np.sqrt(2.0)
    # The slack makes this independent of rounding in ties.
    limit = (min(np.sqrt(least) + 2 * extent, radius + extent) + 1e-6) ** 2
    n = 0
    for m in range(n_among):
        if distance[m] <= limit:
            for r in range(ROWS):
                selected[r, n] = among[r, m]
            n += 1
    return n


@kernel(simd=True)
def _nearest(scratch, near, n_near, radius2):
    """Least squared distance of a cell's pixels (relative to ``near``'s origin), and its piece's place in ``near``.

    They are ``radius2`` and −1 where no piece is nearer, and stored after the lanes' x and y in ``scratch``.
    """
    for lane in range(LANES):
        scratch[2 * LANES + lane] = radius2
        scratch[3 * LANES + lane] = -1.0
    for m in range(n_near):
        for lane in range(LANES):
            d2 = _distance2(scratch[lane], scratch[LANES + lane], near, m)
            found = scratch[3 * LANES + lane]
            scratch[3 * LANES + lane] = float(m) if d2 < scratch[2 * LANES + lane] else found
            scratch[2 * LANES + lane] = min(d2, scratch[2 * LANES + lane])


@kernel
def _name(px, py, least, near, n_near, piece, own):
    """The least name (face or pair of parts) of the nearest pieces; pairs with the pixel's own part first."""
    name = -1
    for m in range(n_near):
        if _distance2(px, py, near, m) < least + TIE_PX2:
            at = np.int64(piece[int(near[5, m]), 3])
            if own >= 0 and own != at // N_PARTS and own != at % N_PARTS:
                at += STRANGE
            name = at if name < 0 else min(name, at)
    return name


@kernel
def _draw_cell(
    top, left, height, width, near, n_near, scratch, sigma, radius, face_index, own, piece, alpha, nearest, name
):
    """Compute alpha, nearest piece and its name for one cell's pixels."""
    for m in range(n_near):
        near[0, m] -= left + CELL / 2
        near[1, m] -= top + CELL / 2
    _nearest(scratch, near, n_near, radius * radius)
    for lane in range(LANES):
        i, j = top + lane // CELL, left + lane % CELL
        if i >= height or j >= width:
            continue
        inside = face_index[i, j] >= 0
        found = int(scratch[3 * LANES + lane])
        if found < 0:
            alpha[i, j] = 1.0 if inside else 0.0
            nearest[i, j] = -1
            if name.shape[0] > 0:
                name[i, j] = -1
            continue
        least = scratch[2 * LANES + lane]
        d = np.sqrt(least) if inside else -np.sqrt(least)
        alpha[i, j] = 1.0 / (1.0 + np.exp(-d / sigma))
        nearest[i, j] = int(near[5, found])
        if name.shape[0] > 0:
            mine = own[i, j] if own.shape[0] > 0 else -1
            name[i, j] = _name(scratch[lane], scratch[LANES + lane], least, near, n_near, piece, mine)


@kernel(parallel=True)
def contour_forward(face_index, own, piece, place, count, sigma, radius, names):
    """Alpha and the nearest outline piece of each pixel.

    ``own``: (B, H, W) int64 visible part of a pixel, −1 where it is not used; (B, 0, 0) for the outline. ``names``:
    whether to compute the third output.

    Returns:
        (B, H, W) float64 alpha.
        (B, H, W) int32 index of the nearest piece; −1 beyond the radius.
        (B, H, W) int32 the least name (face or pair of parts) of the pieces there, −1 beyond the radius; (B, 0, 0) if
        not computed. Where pieces between several pairs of parts meet, pairs with the pixel's own part have priority:
        ``STRANGE`` is added to the names of the others.
    """
    n_batch, height, width = face_index.shape
    alpha = np.empty((n_batch, height, width))
    nearest = np.empty((n_batch, height, width), np.int32)
    name = np.empty((n_batch, height, width) if names else (n_batch, 0, 0), np.int32)
    n_rows, n_columns = (height + TILE - 1) // TILE, (width + TILE - 1) // TILE
    for task in prange(n_batch * BANDS):
        b, band = np.int64(task) // BANDS, np.int64(task) % BANDS
        n = count[b]
        pieces, here = np.empty((ROWS, n)), np.empty((ROWS, n))
        beside, near = np.empty((ROWS, n)), np.empty((ROWS, n))
        distance, scratch = np.empty(n), np.empty(4 * LANES)
        place_lanes(scratch)
        _arrange(place[b], n, pieces)
        # Neighbouring tiles are given to different threads: a person covers few of them.
        for tile in range(band, n_rows * n_columns, BANDS):
            top, left = tile // n_columns * TILE, tile % n_columns * TILE
            n_here = _select(left + TILE / 2, top + TILE / 2, TILE, radius, pieces, n, here, distance)
            for sub in range((TILE // SUBTILE) ** 2):
                y0 = top + sub // (TILE // SUBTILE) * SUBTILE
                x0 = left + sub % (TILE // SUBTILE) * SUBTILE
                if y0 >= height or x0 >= width:
                    continue
                n_beside = _select(x0 + SUBTILE / 2, y0 + SUBTILE / 2, SUBTILE, radius, here, n_here, beside, distance)
                for cell in range((SUBTILE // CELL) ** 2):
                    y = y0 + cell // (SUBTILE // CELL) * CELL
                    x = x0 + cell % (SUBTILE // CELL) * CELL
                    n_near = _select(x + CELL / 2, y + CELL / 2, CELL, radius, beside, n_beside, near, distance)
                    _draw_cell(
                        y, x, height, width, near, n_near, scratch, sigma, radius,
                        face_index[b], own[b], piece[b], alpha[b], nearest[b], name[b],
                    )  # fmt: skip
    return alpha, nearest, name


@kernel
def _pull_edge(edges, e, t, gx, gy, grad):
    """Add the gradient of the point at parameter ``t`` of edge ``e`` to the edge's two vertices."""
    grad[edges[e, 0], 0] += (1 - t) * gx
    grad[edges[e, 0], 1] += (1 - t) * gy
    grad[edges[e, 1], 0] += t * gx
    grad[edges[e, 1], 1] += t * gy


@kernel
def crossing_shares(xy, edges, e, o, t, gx, gy):
    """Shares of two edges in a gradient (gx, gy) at the point where edge ``o`` cuts edge ``e`` (at its ``t``).

    The crossing moves so that it stays on both lines: with unit normals n and m, g · dp = α n · de + β m · do
    where g = α n + β m, and de, do are the motions of the two edges' own points there.

    Returns:
        α n and β m, x and y; the parameter of the crossing along ``o``. Of nearly parallel edges the first has all.
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
        return gx, gy, 0.0, 0.0, 0.0
    a = (gx * my - gy * mx) / turn
    c = (nx * gy - ny * gx) / turn
    px, py = ax + t * dx - cx, ay + t * dy - cy
    s = min(max((px * ex + py * ey) / (e_length * e_length), 0.0), 1.0)
    return a * nx, a * ny, c * mx, c * my, s


@kernel
def outline_pull(i, j, grad_alpha, alpha, inside, place, sigma):
    """Gradient of ``grad_alpha`` · alpha at pixel (i, j) with respect to the nearest point of its nearest piece.

    Returns:
        Parameter of the point on the piece, 0 to 1; the gradient's x and y, zero where the direction is undefined.
    """
    px, py = j + 0.5, i + 0.5
    sx, sy = place[2], place[3]
    dx, dy = place[4] - sx, place[5] - sy
    s = ((px - sx) * dx + (py - sy) * dy) / (dx * dx + dy * dy)
    s = min(max(s, 0.0), 1.0)
    ox, oy = px - sx - s * dx, py - sy - s * dy
    d = np.sqrt(ox * ox + oy * oy)
    if d == 0:
        return s, 0.0, 0.0
    slope = grad_alpha * alpha * (1 - alpha) / sigma
    # d grows as the outline moves away: inside against o, outside along it.
    pull = (-slope if inside else slope) / d
    return s, pull * ox, pull * oy


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
                s, gx, gy = outline_pull(
                    i, j, grad_alpha[b, i, j], alpha[b, i, j], face_index[b, i, j] >= 0, place[b, k], sigma
                )
                e = piece[b, k, 0]
                t = place[b, k, 0] + s * (place[b, k, 1] - place[b, k, 0])
                o = piece[b, k, 1] if s == 0 else piece[b, k, 2] if s == 1 else -1
                if o < 0:
                    _pull_edge(edges, e, t, gx, gy, grad[b])
                else:
                    ax, ay, cx, cy, u = crossing_shares(xy[b], edges, e, o, t, gx, gy)
                    _pull_edge(edges, e, t, ax, ay, grad[b])
                    _pull_edge(edges, o, u, cx, cy, grad[b])
    return grad

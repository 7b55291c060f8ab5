"""The Jacobian of a ``contour`` sigmoid as rows: pixel, edge, and derivative by the edge's vertices."""

import numpy as np

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.contour import crossing_shares, outline_pull


@kernel
def _note(n, at, edges, e, t, gx, gy, pixel, vertices, slopes):
    pixel[n] = at
    for k in range(2):
        share = t if k == 1 else 1 - t
        vertices[n, k] = edges[e, k]
        slopes[n, k, 0], slopes[n, k, 1] = share * gx, share * gy
    return n + 1


@kernel
def contour_rows(least, alpha, nearest, face_index, xy, edges, piece, place, sigma):
    """Rows of the Jacobian of ``alpha`` in ``xy``, for pixels with alpha (1 − alpha) of at least ``least``.

    Returns:
        (R,) int64 pixels, row-major over the batch; (R, 2) int64 vertices; (R, 2, 2) change of alpha per pixel of each.
        A pixel nearest to a crossing of two edges has a row with each.
    """
    n_batch, height, width = alpha.shape
    room = 0
    for b in range(n_batch):
        for i in range(height):
            for j in range(width):
                if nearest[b, i, j] >= 0 and alpha[b, i, j] * (1 - alpha[b, i, j]) >= least:
                    room += 2
    pixel, vertices, slopes = np.empty(room, np.int64), np.empty((room, 2), np.int64), np.empty((room, 2, 2))
    n = 0
    for b in range(n_batch):
        for i in range(height):
            for j in range(width):
                k = nearest[b, i, j]
                if k < 0 or alpha[b, i, j] * (1 - alpha[b, i, j]) < least:
                    continue
                s, gx, gy = outline_pull(i, j, 1.0, alpha[b, i, j], face_index[b, i, j] >= 0, place[b, k], sigma)
                if gx == 0 and gy == 0:
                    continue
                at = (b * height + i) * width + j
                e = np.int64(piece[b, k, 0])
                t = place[b, k, 0] + s * (place[b, k, 1] - place[b, k, 0])
                o = np.int64(-1)
                if s == 0:
                    o = np.int64(piece[b, k, 1])
                elif s == 1:
                    o = np.int64(piece[b, k, 2])
                if o < 0:
                    n = _note(n, at, edges, e, t, gx, gy, pixel, vertices, slopes)
                    continue
                ax, ay, cx, cy, u = crossing_shares(xy[b], edges, e, o, t, gx, gy)
                n = _note(n, at, edges, e, t, ax, ay, pixel, vertices, slopes)
                if cx != 0 or cy != 0:
                    n = _note(n, at, edges, o, u, cx, cy, pixel, vertices, slopes)
    return pixel[:n], vertices[:n], slopes[:n]

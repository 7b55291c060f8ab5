"""The hard pass: the nearest face at each pixel centre, and the gradient of its depth."""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel

DROPPED = 2
"""Orientation of a face that is not rendered: a vertex is too near, not finite, or too far off the image."""

BANDS = 4
"""Pieces into which the work on one image is split. Fixed, so that sums do not depend on the thread count."""

TIE_PX2 = 1e-9
"""Squared distances that differ by less, pixels², count as equal: sides that meet at the nearest point differ by
rounding. The first of the faces there is used."""

FAR_OFF_PX = 1e6
"""Coordinate, pixels, beyond which a vertex is treated like one behind the camera: its face is dropped."""


@kernel(parallel=True)
def orient(xy, z, faces, near):
    """Sign of each face's projected area: 1, 0 (degenerate), −1, or ``DROPPED``; (B, F) int8."""
    n_batch = xy.shape[0]
    n_faces = faces.shape[0]
    orientation = np.empty((n_batch, n_faces), np.int8)
    for task in prange(n_batch * BANDS):
        b = np.int64(task) // BANDS
        band = np.int64(task) % BANDS
        for f in range(n_faces * band // BANDS, n_faces * (band + 1) // BANDS):
            drawn = True
            for k in range(3):
                v = faces[f, k]
                # This form is false for NaN.
                drawn = drawn and z[b, v] >= near
                drawn = drawn and z[b, v] < np.inf
                drawn = drawn and abs(xy[b, v, 0]) < FAR_OFF_PX
                drawn = drawn and abs(xy[b, v, 1]) < FAR_OFF_PX
            if not drawn:
                orientation[b, f] = DROPPED
                continue
            i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
            area = (xy[b, i1, 0] - xy[b, i0, 0]) * (xy[b, i2, 1] - xy[b, i0, 1]) - (xy[b, i1, 1] - xy[b, i0, 1]) * (
                xy[b, i2, 0] - xy[b, i0, 0]
            )
            orientation[b, f] = 1 if area > 0 else (-1 if area < 0 else 0)
    return orientation


@kernel(parallel=True)
def hard_pass(xy, z, faces, orientation, height, width):
    """Nearest face at each pixel centre.

    Returns:
        (B, H, W) int32 face index, −1 where there is none; of equally near faces the first.
        (B, H, W) float64 inverse depth, 1/m, interpolated linearly (perspective-correct); 0 where none.
    """
    n_batch = xy.shape[0]
    face_index = np.empty((n_batch, height, width), np.int32)
    inverse_depth = np.empty((n_batch, height, width), np.float64)
    for task in prange(n_batch * BANDS):
        b = np.int64(task) // BANDS
        band = np.int64(task) % BANDS
        first_row = height * band // BANDS
        end_row = height * (band + 1) // BANDS
        face_index[b, first_row:end_row] = -1
        inverse_depth[b, first_row:end_row] = 0.0
        for f in range(faces.shape[0]):
            if orientation[b, f] == 0 or orientation[b, f] == DROPPED:
                continue
            i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
            x0, y0 = xy[b, i0, 0], xy[b, i0, 1]
            x1, y1 = xy[b, i1, 0], xy[b, i1, 1]
            x2, y2 = xy[b, i2, 0], xy[b, i2, 1]
            top = max(first_row, int(np.ceil(min(y0, y1, y2) - 0.5)))
            bottom = min(end_row - 1, int(np.floor(max(y0, y1, y2) - 0.5)))
            if top > bottom:
                continue
            left = max(0, int(np.ceil(min(x0, x1, x2) - 0.5)))
            right = min(width - 1, int(np.floor(max(x0, x1, x2) - 0.5)))
            if left > right:
                continue
            area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
            sign = orientation[b, f]
            u0, u1, u2 = 1.0 / z[b, i0], 1.0 / z[b, i1], 1.0 / z[b, i2]
            for i in range(top, bottom + 1):
                py = i + 0.5
                for j in range(left, right + 1):
                    px = j + 0.5
                    w0 = (x1 - px) * (y2 - py) - (y1 - py) * (x2 - px)
                    w1 = (x2 - px) * (y0 - py) - (y2 - py) * (x0 - px)
                    w2 = (x0 - px) * (y1 - py) - (y0 - py) * (x1 - px)
                    # Inclusive, so that a pixel centre on a shared edge is in at least one of the two faces.
                    if w0 * sign >= 0 and w1 * sign >= 0 and w2 * sign >= 0:
                        u = (w0 * u0 + w1 * u1 + w2 * u2) / area
                        if u > inverse_depth[b, i, j]:
                            inverse_depth[b, i, j] = u
                            face_index[b, i, j] = f
    return face_index, inverse_depth


@kernel(inline=True)
def _pull_depth(px, py, corner, z, g, grad):
    """Add ``g`` times the gradient of a triangle's depth at a pixel centre inside it to ``grad``: per corner x, y, z.

    Interpolated linearly in 1 / z (perspective-correct). ``z`` contains the corners' depths, metres.
    """
    x0, y0, x1, y1, x2, y2 = corner[0], corner[1], corner[2], corner[3], corner[4], corner[5]
    area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
    u0, u1, u2 = 1.0 / z[0], 1.0 / z[1], 1.0 / z[2]
    w0 = (x1 - px) * (y2 - py) - (y1 - py) * (x2 - px)
    w1 = (x2 - px) * (y0 - py) - (y2 - py) * (x0 - px)
    w2 = (x0 - px) * (y1 - py) - (y0 - py) * (x1 - px)
    depth = (w0 + w1 + w2) / (w0 * u0 + w1 * u1 + w2 * u2)
    # Image gradient of the inverse depth u, which is linear on the image.
    ux = ((u1 - u0) * (y2 - y0) - (u2 - u0) * (y1 - y0)) / area
    uy = ((u2 - u0) * (x1 - x0) - (u1 - u0) * (x2 - x0)) / area
    for k in range(3):
        share = (w0 if k == 0 else (w1 if k == 1 else w2)) / area
        grad[3 * k] += g * depth * depth * share * ux
        grad[3 * k + 1] += g * depth * depth * share * uy
        grad[3 * k + 2] += g * depth * depth * share / (z[k] * z[k])


@kernel(parallel=True)
def depth_backward(grad_depth, face_index, xy, z, faces):
    """Gradient with respect to xy and z, (B, V, 3), of 1 / inverse depth at each covered pixel centre.

    ``grad_depth``: (B, H, W) gradient of the loss with respect to depth.
    """
    n_batch, height, width = face_index.shape
    grad = np.zeros((n_batch, xy.shape[1], 3))
    for task in prange(n_batch):
        b = np.int64(task)
        corner, depth, corner_grad = np.empty(6), np.empty(3), np.empty(9)
        for i in range(height):
            for j in range(width):
                f = face_index[b, i, j]
                if f < 0 or grad_depth[b, i, j] == 0:
                    continue
                for k in range(3):
                    v = faces[f, k]
                    corner[2 * k], corner[2 * k + 1] = xy[b, v, 0], xy[b, v, 1]
                    depth[k] = z[b, v]
                corner_grad[:] = 0.0
                _pull_depth(j + 0.5, i + 0.5, corner, depth, grad_depth[b, i, j], corner_grad)
                for k in range(9):
                    grad[b, faces[f, k // 3], k % 3] += corner_grad[k]
    return grad

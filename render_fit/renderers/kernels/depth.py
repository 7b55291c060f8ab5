"""Depth of the nearest face and its gradient."""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel


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

    Args:
        grad_depth: (B, H, W) gradient of the loss with respect to depth.
        face_index: (B, H, W) faces of the hard pass.
        xy: (B, V, 2) projected vertices, pixels.
        z: (B, V) depths of the vertices, metres.
        faces: (F, 3) vertex indices.
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

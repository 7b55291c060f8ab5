"""Depth of the nearest face and its gradient."""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.nearest import pull_depth


@kernel(parallel=True)
def depth_backward(grad_depth, face_index, xy, z, faces):
    """Gradient with respect to xy and z, (B, V, 3), of 1 / inverse depth at each covered pixel centre.

    Args:
        grad_depth: (B, H, W).
        face_index: (B, H, W) of the hard pass.
        xy: (B, V, 2) pixels.
        z: (B, V) metres.
        faces: (F, 3).
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
                pull_depth(j + 0.5, i + 0.5, corner, depth, True, 0, 0.0, grad_depth[b, i, j], corner_grad)
                for k in range(9):
                    grad[b, faces[f, k // 3], k % 3] += corner_grad[k]
    return grad

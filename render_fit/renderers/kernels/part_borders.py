"""Part maps from the distance to the borders between visible parts, analogous to the contour silhouette.

A pixel whose visible part is a, at a distance d from the nearest border, between a and b, has

    P(a) = alpha · sigmoid(d / σ),  P(b) = alpha · (1 − sigmoid(d / σ)).

A pixel outside the body has the part of the nearest face.
"""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.contour import STRANGE
from render_fit.renderers.kernels.parts import N_PARTS


@kernel
def _other(part, pair):
    """The other part of a border's pair than ``part``; −1 if there is no border or it is between other parts."""
    if pair < 0 or pair >= STRANGE:
        return -1
    first, second = pair // N_PARTS, pair % N_PARTS
    return second if part == first else first


@kernel
def beyond(own, pair):
    """The part beyond each pixel's nearest border, (N,) int64; −1 if there is none. ``own``, ``pair``: (N,)."""
    other = np.full(len(own), -1, np.int64)
    for k in range(len(own)):
        if own[k] >= 0:
            other[k] = _other(own[k], pair[k])
    return other


@kernel(parallel=True)
def borders_forward(alpha, own, keep, pair, parts):
    """Fill ``parts`` (B, 24, H, W), initially zero, in the dtype of the result.

    Args:
        alpha: (B, H, W) silhouette.
        own: (B, H, W) int64 visible part of the pixel; −1: none.
        keep: (B, H, W) share of the own part, sigmoid(d / σ).
        pair: (B, H, W) int32 name of the nearest border's pair, of ``contour_forward``.
        parts: Output.
    """
    n_batch, height, width = alpha.shape
    for task in prange(n_batch * height):
        b, i = np.int64(task) // height, np.int64(task) % height
        for j in range(width):
            if alpha[b, i, j] == 0 or own[b, i, j] < 0:
                continue
            part = own[b, i, j]
            other = _other(part, pair[b, i, j])
            if other < 0:
                parts[b, part, i, j] = alpha[b, i, j]
            else:
                parts[b, part, i, j] = alpha[b, i, j] * keep[b, i, j]
                parts[b, other, i, j] = alpha[b, i, j] * (1 - keep[b, i, j])


@kernel(parallel=True)
def borders_backward(grad_parts, alpha, own, keep, pair):
    """Gradients with respect to alpha and to ``keep``, (B, H, W) each; arguments as ``borders_forward``."""
    n_batch, height, width = alpha.shape
    grad_alpha, grad_keep = np.zeros(alpha.shape), np.zeros(alpha.shape)
    for task in prange(n_batch * height):
        b, i = np.int64(task) // height, np.int64(task) % height
        for j in range(width):
            if own[b, i, j] < 0:
                continue
            part = own[b, i, j]
            other = _other(part, pair[b, i, j])
            grad_alpha[b, i, j] = grad_parts[b, part, i, j]
            if other >= 0:
                difference = grad_parts[b, part, i, j] - grad_parts[b, other, i, j]
                grad_alpha[b, i, j] = grad_parts[b, other, i, j] + keep[b, i, j] * difference
                grad_keep[b, i, j] = alpha[b, i, j] * difference
    return grad_alpha, grad_keep

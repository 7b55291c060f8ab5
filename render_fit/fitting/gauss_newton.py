"""Gauss–Newton curvature of rendered terms: image Jacobian times the Jacobian of projected vertices."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.losses.fit_state import FitState
from render_fit.losses.term import Objective

STEP = 1e-3
"""Distance of the differences, in units of the variables' scales. Points bend over about one, and float32 resolves
10⁻⁷ of a camera distance of metres: both errors are below 10⁻³."""

Points = Callable[[Float[Tensor, "n d"], Int64[Tensor, "v"], int], Float[Tensor, "n v 2"]]


def picture_curvature(objective: Objective, state: FitState, points: Points, dimension: int) -> Float[Tensor, "b d d"]:
    """JᵀWJ of the silhouette's and the parts' pixels, for each problem of a batch.

    J is the product of ``Motion`` (pixels by vertices) and the Jacobian of the vertices; W is from the terms.

    Args:
        objective: Terms and weights.
        state: State of the fit whose silhouettes and parts, as far as terms need them, are rendered.
        points: (offsets from the state (N, D), vertices (V,), problem) to projected vertices in pixels (N, V, 2).
        dimension: D.

    Returns:
        (B, D, D) symmetric and positive semidefinite; zero if the renderer gives no ``Motion``.
    """
    batch = len(state.parameters)
    result = state.parameters.betas.new_zeros(batch, dimension, dimension)
    motion = state.motion
    if motion is None:
        return result
    weights = objective.picture_curvature(state, motion)
    for i in range(batch):
        mine = motion.of(i)
        if not len(mine):
            continue
        edges, tensors = mine.edge_tensors(weights[motion.image == i])
        vertices, places = edges.unique(return_inverse=True)
        moved = points(STEP * torch.eye(dimension + 1, dimension).roll(1, 0).to(result), vertices, i)
        jacobian = ((moved[1:] - moved[:1]) / STEP).permute(1, 2, 0)  # (V, 2, D)
        rows = jacobian[places].flatten(1, 2)  # (E, 4, D)
        result[i] = rows.flatten(0, 1).mT @ (tensors @ rows).flatten(0, 1)
    return result

"""Curvature of an objective, and whitening: a change of variables in which its Hessian is about the identity.

Quasi-Newton methods estimate curvature from their steps, and each step costs a rendering. The curvature of keypoint
terms and priors costs little, so it is measured beforehand, by differences of gradients. That of rendered terms is
Gauss–Newton's: image Jacobian times the Jacobian of projected vertices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.losses.fit_state import FitState
from render_fit.losses.term import Objective

STEP = 3e-3
"""Length of the differences, in units of the variables' scales: well above float32's noise in the gradient.
Over 54 synthetic people, fits end at losses of 170.3 on average, with a length of 0.01 at 171.1, and with central
differences of that length, which cost twice as much, at 170.7 (nats)."""

PICTURE_STEP = 1e-3
"""The same for projected vertices. Points bend over about one, and float32 resolves 10⁻⁷ of a camera distance of
metres: both errors are below 10⁻³."""

Points = Callable[[Float[Tensor, "n d"], Int64[Tensor, "v"], int], Float[Tensor, "n v 2"]]


def hessian(
    gradient: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n d"]], x: Float[Tensor, "b d"]
) -> Float[Tensor, "b d d"]:
    """Symmetric part of the differences of a gradient, for a batch of points at once.

    Args:
        gradient: Maps points (N, D) to gradients, row by row; is called once with N = B·(D + 1).
        x: Points at which the Hessian is evaluated.
    """
    batch, dimension = x.shape
    offsets = STEP * torch.eye(dimension + 1, dimension).to(x)  # the last row is the point itself
    gradients = gradient((x[:, None] + offsets).reshape(-1, dimension)).reshape(batch, dimension + 1, dimension)
    differences = (gradients[:, :-1] - gradients[:, -1:]) / STEP
    return 0.5 * (differences + differences.mT)


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
        moved = points(PICTURE_STEP * torch.eye(dimension + 1, dimension).roll(1, 0).to(result), vertices, i)
        jacobian = ((moved[1:] - moved[:1]) / PICTURE_STEP).permute(1, 2, 0)  # (V, 2, D)
        rows = jacobian[places].flatten(1, 2)  # (E, 4, D)
        result[i] = rows.flatten(0, 1).mT @ (tensors @ rows).flatten(0, 1)
    return result


def whitening(curvature: Float[Tensor, "b d d"], floor: float) -> Float[Tensor, "b d d"]:
    """W with x = W y, so that a function with this curvature has |curvature| of about one in y.

    Args:
        curvature: Symmetric, may be indefinite: directions of negative curvature count by its size.
        floor: Curvature added in every direction, for the terms that were not measured.
    """
    values, vectors = torch.linalg.eigh(curvature.nan_to_num(0.0))
    return vectors * (values.abs() + floor).rsqrt()[:, None, :]


def positive(curvature: Float[Tensor, "b d d"]) -> Float[Tensor, "b d d"]:
    """The symmetric matrix with the same directions and the sizes of their curvatures."""
    values, vectors = torch.linalg.eigh(curvature)
    return (vectors * values.abs()[:, None, :]) @ vectors.mT


class Whitened:
    """Named variables as ``y``: x = x₀ + W y for those that were whitened, x = x₀ + scale · y for the rest.

    Args:
        start: Named tensors of B rows, x₀.
        scales: Size of a usual change of each variable, by name.
        W: (B, D, D) for the first D columns of the variables side by side, in units of their scales; None: identity.
    """

    def __init__(
        self, start: Mapping[str, Tensor], scales: Mapping[str, float], W: Float[Tensor, "b d d"] | None
    ) -> None:
        self.start = dict(start)
        self.scales = scales
        self.W = W
        self.sizes = {name: value[0].numel() for name, value in start.items()}

    @property
    def origin(self) -> Float[Tensor, "b n"]:
        """``y`` at the start."""
        first = next(iter(self.start.values()))
        return first.new_zeros(len(first), sum(self.sizes.values()))

    def unpack(self, y: Float[Tensor, "b n"]) -> dict[str, Tensor]:
        """The named variables at ``y``.

        Differentiability: linear.
        """
        if self.W is not None:
            whitened = self.W.shape[-1]
            head = (self.W @ y[:, :whitened, None])[..., 0]
            y = head if whitened == y.shape[1] else torch.cat([head, y[:, whitened:]], dim=1)
        columns = y.split(list(self.sizes.values()), dim=1)
        return {
            name: value + self.scales[name] * column.reshape(value.shape)
            for (name, value), column in zip(self.start.items(), columns, strict=True)
        }

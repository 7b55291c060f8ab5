"""A change of variables in which the cheap part of an objective curves alike in every direction.

Quasi-Newton methods learn curvature one step at a time, and here a step costs a picture. The curvature of keypoints
and priors costs next to nothing, so it is measured beforehand, by differences of gradients, and taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

STEP = 1e-2
"""Distance of the differences, in units of the variables' scales: well above float32's noise in the gradient."""


def hessian(
    gradient: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n d"]], x: Float[Tensor, "b d"]
) -> Float[Tensor, "b d d"]:
    """Symmetric part of the central differences of a gradient, for a batch of points at once.

    Args:
        gradient: Maps points (N, D) to gradients, row by row; is called once with N = 2·B·D.
        x: Where.
    """
    batch, dimension = x.shape
    offsets = STEP * torch.eye(dimension).to(x)
    points = torch.cat([x[:, None] + offsets, x[:, None] - offsets], dim=1)
    gradients = gradient(points.reshape(-1, dimension)).reshape(batch, 2, dimension, dimension)
    differences = (gradients[:, 0] - gradients[:, 1]) / (2 * STEP)
    return 0.5 * (differences + differences.mT)


def whitening(curvature: Float[Tensor, "b d d"], floor: float) -> Float[Tensor, "b d d"]:
    """W with x = W y, so that a function with this curvature has |curvature| of about one in y.

    Args:
        curvature: Symmetric, may be indefinite: directions of negative curvature count by its size.
        floor: Curvature added in every direction, for what the cheap part does not see.
    """
    values, vectors = torch.linalg.eigh(curvature.nan_to_num(0.0))
    return vectors * (values.abs() + floor).rsqrt()[:, None, :]


class Whitened:
    """Named variables as ``y`` with x = x₀ + W y."""

    def __init__(self, start: Mapping[str, Tensor], scales: Mapping[str, float], W: Float[Tensor, "b d d"]) -> None:
        self.start = dict(start)
        self.scales = scales
        self.W = W

    def unpack(self, y: Float[Tensor, "b d"]) -> dict[str, Tensor]:
        """The named variables at ``y``."""
        moved = torch.einsum("bij,bj->bi", self.W, y)
        values, begin = {}, 0
        for name, value in self.start.items():
            size = value[0].numel()
            values[name] = value + (self.scales[name] * moved[:, begin : begin + size]).reshape(value.shape)
            begin += size
        return values

"""Whitening: a change of variables in which the cheap part of an objective has a Hessian of about identity.

Quasi-Newton methods estimate curvature from their steps, and each step costs a rendering. The curvature of keypoint
terms and priors costs little, so it is measured beforehand, by differences of gradients.
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
        x: Points at which the Hessian is evaluated.
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

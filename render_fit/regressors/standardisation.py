"""Standardised features of frozen networks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEAST_DEVIATION = 0.02
"""Standard deviation of features below which they are not enlarged further; a third of BlazePose's are constant."""

FARTHEST_FEATURE = 6.0
"""Largest standardised feature: photos can have features that no synthetic person has."""


class Standardisation(nn.Module):
    """Features of a frozen backbone with mean 0 and variance 1 over people; the identity until `measure` is called.

    Some features of a frozen network vary a hundred times less than others. On features as they are, a head needs about
    four times as many steps.

    Args:
        count: Number of features.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))

    @torch.no_grad()
    def measure(self, features: Float[Tensor, "n f"]) -> None:
        """Takes mean and variance of the features of N people; features that hardly vary stay small."""
        found = features.float()
        self.mean.copy_(found.mean(0))
        self.scale.copy_(1 / found.std(0).clamp(min=LEAST_DEVIATION))

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n f"]:
        """Standardised features, at most `FARTHEST_FEATURE` standard deviations from the mean.

        Differentiability: piecewise linear.
        """
        return ((features - self.mean) * self.scale).clamp(-FARTHEST_FEATURE, FARTHEST_FEATURE)

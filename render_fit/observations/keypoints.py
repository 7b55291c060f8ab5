"""Operations on the 3D keypoints that observers report."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def centred_depths(depths: Float[Tensor, "n k"], told: Bool[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Depths relative to the mean of those that are told; 0 where they are not."""
    mean = (depths * told).sum(1, keepdim=True) / told.sum(1, keepdim=True).clamp(min=1)
    return torch.where(told, depths - mean, 0.0)

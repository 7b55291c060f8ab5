"""Operations on the 3D keypoints that observers report."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def centred_depths(depths: Float[Tensor, "n k"], known: Bool[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Depths relative to the mean of the known depths; 0 where unknown."""
    mean = (depths * known).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp(min=1)
    return torch.where(known, depths - mean, 0.0)

"""Shares of joints within a distance of the truth, the curve over distances and the area under it; one value per image.

*Differentiability*: none; thresholds count.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.core.metrics import weighted_mean

PCK_3D_M = 0.15
"""Distance within which 3D PCK finds a joint, metres: half the size of a head (Mehta et al., 3DV 2017, sec. 5)."""

AUC_3D_STEPS = 31
"""Number of thresholds from 0 to `PCK_3D_M` of the area under the curve: every 5 mm, as in MPI-INF-3DHP's and mmpose's
evaluation."""


def pck_curve(
    distances: Float[Tensor, "b k"],
    thresholds: Float[Tensor, "t"],
    weights: Float[Tensor, "b k"] | Bool[Tensor, "b k"] | None = None,
) -> Float[Tensor, "b t"]:
    """Share of joints closer to the truth than each threshold.

    Args:
        distances: (B, K) of each joint from the truth; metres, pixels, or a share of a reference length.
        thresholds: (T,) in the same unit.
        weights: (B, K) which joints count, or their weights; all if None.

    Returns:
        (B, T) in [0, 1]; NaN where no joint counts.
    """
    found = [weighted_mean((distances < threshold).to(distances), weights) for threshold in thresholds]
    return torch.stack(found, dim=1)


def pck_3d(
    joints: Float[Tensor, "b k 3"],
    joints_true: Float[Tensor, "b k 3"],
    weights: Float[Tensor, "b k"] | Bool[Tensor, "b k"] | None = None,
    threshold_m: float = PCK_3D_M,
) -> Float[Tensor, "b"]:
    """Share of 3D joints within a distance of the truth; align joints first (`metrics.mpjpe` has the roots).

    Args:
        joints: (B, K, 3) metres.
        joints_true: (B, K, 3) metres, the same joints and frame.
        weights: (B, K) which joints count; all if None.
        threshold_m: Distance, metres.

    Returns:
        (B,) in [0, 1].

    Source: Mehta et al., MPI-INF-3DHP, 3DV 2017, sec. 5.
    """
    distances = (joints - joints_true).norm(dim=-1)
    return pck_curve(distances, distances.new_tensor([threshold_m]), weights)[:, 0]


def auc_3d(
    joints: Float[Tensor, "b k 3"],
    joints_true: Float[Tensor, "b k 3"],
    weights: Float[Tensor, "b k"] | Bool[Tensor, "b k"] | None = None,
) -> Float[Tensor, "b"]:
    """Mean of `pck_3d` over `AUC_3D_STEPS` thresholds from 0 to `PCK_3D_M`: the area under the curve.

    Returns:
        (B,) in [0, 1); a perfect prediction has 30 / 31, because nothing is closer than the threshold 0.

    Source: Mehta et al., 3DV 2017; thresholds as in mmpose, ``keypoint_3d_auc``.
    """
    distances = (joints - joints_true).norm(dim=-1)
    thresholds = torch.linspace(0, PCK_3D_M, AUC_3D_STEPS, dtype=distances.dtype)
    return pck_curve(distances, thresholds, weights).mean(dim=1)

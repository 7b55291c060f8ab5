"""Errors of joint rotations against true ones, one value per image.

Local rotations (of a joint relative to its parent) and world rotations are compared alike; published tables use either.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.core.metrics import weighted_mean
from render_fit.core.rotations import roma


def rotation_angles(
    rotations: Float[Tensor, "b j 3 3"], rotations_true: Float[Tensor, "b j 3 3"]
) -> Float[Tensor, "b j"]:
    """Geodesic distance of each rotation from the true one: the angle of the rotation between them.

    Args:
        rotations: (B, J, 3, 3) rotation matrices.
        rotations_true: (B, J, 3, 3) rotation matrices in the same frames.

    Returns:
        (B, J) radians, 0 to π.

    Differentiability: smooth but where the angle is 0 or π.
    """
    return roma.rotmat_geodesic_distance(rotations, rotations_true)


def rotation_error(
    rotations: Float[Tensor, "b j 3 3"],
    rotations_true: Float[Tensor, "b j 3 3"],
    weights: Float[Tensor, "b j"] | Bool[Tensor, "b j"] | None = None,
) -> Float[Tensor, "b"]:
    """Mean geodesic distance of the joints' rotations (MPJAE where they are world rotations).

    Args:
        rotations: (B, J, 3, 3) rotation matrices.
        rotations_true: (B, J, 3, 3) rotation matrices in the same frames.
        weights: (B, J) weight of each joint; equal if None.

    Returns:
        (B,) radians.

    Source: MPJAE, von Marcard et al., 3DPW, ECCV 2018; Huynh, JMIV 2009, Φ6.
    """
    return weighted_mean(rotation_angles(rotations, rotations_true), weights)


def quaternion_error(
    rotations: Float[Tensor, "b j 3 3"],
    rotations_true: Float[Tensor, "b j 3 3"],
    weights: Float[Tensor, "b j"] | Bool[Tensor, "b j"] | None = None,
) -> Float[Tensor, "b"]:
    """Mean distance of the joints' unit quaternions, of q and −q the nearer one: 2 sin(angle / 4).

    Arguments as for `rotation_error`.

    Returns:
        (B,) without unit, 0 to √2.

    Source: Huynh, JMIV 2009, Φ2. The quaternion distance of Neural Body Fitting (Omran et al., 3DV 2018) has another
    scale: its values reach 1.97.
    """
    quaternions = roma.rotmat_to_unitquat(rotations)
    true = roma.rotmat_to_unitquat(rotations_true)
    distance = torch.minimum((quaternions - true).norm(dim=-1), (quaternions + true).norm(dim=-1))
    return weighted_mean(distance, weights)

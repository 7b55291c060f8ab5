"""How far joints turn: ranges measured on motion capture, and SMPLify's guard against elbows and knees bent backwards."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

HINGES = ((18, 1, -1.0), (19, 1, 1.0), (4, 0, 1.0), (5, 0, 1.0))
"""Elbows and knees: SMPL joint, axis of its rotation vector, sign of that component when it bends the way it should.
The left elbow bends by negative y, the right by positive y, knees by positive x."""


class JointLimits(nn.Module):
    """Penalty on joints outside the range that people's joints have: zero inside, quadratic outside.

    Args:
        lower: (21, 3) smallest allowed component of each joint's rotation vector, radians; joints 1 to 21.
        upper: (21, 3) largest.
    """

    lower: Tensor
    upper: Tensor

    def __init__(self, lower: Float[np.ndarray, "21 3"], upper: Float[np.ndarray, "21 3"]) -> None:
        super().__init__()
        if np.shape(lower) != (21, 3) or np.shape(upper) != (21, 3):
            raise ValueError(f"joint limits: expected two arrays (21, 3), got {np.shape(lower)} and {np.shape(upper)}")
        self.register_buffer("lower", torch.tensor(np.asarray(lower), dtype=torch.float32))
        self.register_buffer("upper", torch.tensor(np.asarray(upper), dtype=torch.float32))

    def forward(self, body_pose: Float[Tensor, "b 21 3"] | Float[Tensor, "b 63"]) -> Float[Tensor, "b"]:
        """How far a pose leaves the ranges.

        Args:
            body_pose: (B, 21, 3) or (B, 63) axis-angle of SMPL's joints 1 to 21, radians.

        Returns:
            (B,) sum of squared excesses, radians squared.

        Differentiability: once everywhere; the gradient is zero inside the ranges.
        """
        pose = body_pose.reshape(-1, 21, 3)
        excess = (pose - self.upper).clamp(min=0) + (self.lower - pose).clamp(min=0)
        return excess.square().sum(dim=(1, 2))


def hinge_penalty(body_pose: Float[Tensor, "b 21 3"] | Float[Tensor, "b 63"]) -> Float[Tensor, "b"]:
    """SMPLify's guard: the exponential of elbows' and knees' angle the wrong way.

    Args:
        body_pose: (B, 21, 3) or (B, 63) axis-angle of SMPL's joints 1 to 21, radians.

    Returns:
        (B,) sum over the four hinges of exp(-bend): 4 for straight limbs, less for bent ones, soon huge when bent backwards. It pulls
        straight limbs towards bending a little.

    Differentiability: smooth.

    Source: Bogo et al. 2016, equation 5.
    """
    pose = body_pose.reshape(-1, 21, 3)
    return torch.stack([torch.exp(-sign * pose[:, joint - 1, axis]) for joint, axis, sign in HINGES]).sum(dim=0)


@lru_cache(maxsize=1)
def default_joint_limits() -> JointLimits:
    """The shipped ranges, measured by `scripts/fit_pose_prior.py`.

    Returns:
        The limits, shared between callers.
    """
    path = Path(str(resources.files(__package__) / "assets" / "joint_ranges.npz"))
    with np.load(path, allow_pickle=False) as file:
        return JointLimits(file["lower"], file["upper"])

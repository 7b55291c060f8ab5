"""Joint limits: ranges of motion measured on motion capture, and SMPLify's penalty on bending backwards."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

HINGES = ((18, 1, -1.0), (19, 1, 1.0), (4, 0, 1.0), (5, 0, 1.0))
"""Elbows and knees: SMPL joint, axis of its rotation vector, sign of that component when it bends the right way.
The left elbow bends by negative y, the right by positive y, knees by positive x."""

BONE_AXES = tuple(0 if joint in (13, 14, 16, 17, 18, 19, 20, 21) else 1 for joint in range(1, 22))
"""For joints 1 to 21, the axis that the bone lies along in SMPL's zero pose: x in the arms, y elsewhere."""

_CYCLIC = torch.tensor([[axis, (axis + 1) % 3, (axis + 2) % 3] for axis in BONE_AXES])
_ORDER = (torch.arange(21)[:, None] * 3 + _CYCLIC).flatten()  # bone axis first, then the other two in cyclic order
_COMPONENTS = tuple(_ORDER.view(21, 3).unbind(1))
_BACK = _ORDER.argsort()


class JointLimits(nn.Module):
    """Penalty on joints outside their range of motion: zero inside, quadratic outside.

    Args:
        lower: (21, 3) smallest allowed twist and swing of joints 1 to 21 (see `twist_and_swing`), radians.
        upper: (21, 3) largest.
    """

    lower: Tensor
    upper: Tensor

    def __init__(self, lower: Float[np.ndarray, "21 3"], upper: Float[np.ndarray, "21 3"]) -> None:
        super().__init__()
        if np.shape(lower) != (21, 3) or np.shape(upper) != (21, 3):
            raise ValueError(f"joint limits: expected two arrays (21, 3), got {np.shape(lower)}, {np.shape(upper)}")
        self.register_buffer("lower", torch.tensor(np.asarray(lower), dtype=torch.float32))
        self.register_buffer("upper", torch.tensor(np.asarray(upper), dtype=torch.float32))

    def forward(self, body_pose: Float[Tensor, "b 21 3"] | Float[Tensor, "b 63"]) -> Float[Tensor, "b"]:
        """Squared excess of a pose over the ranges.

        Args:
            body_pose: (B, 21, 3) or (B, 63) axis-angle of SMPL's joints 1 to 21, radians.

        Returns:
            (B,) sum of squared excesses, radians squared.

        Differentiability: once, where `twist_and_swing` is; the gradient is zero inside the ranges.
        """
        angles = twist_and_swing(body_pose.reshape(-1, 21, 3))
        excess = (angles - self.upper).clamp(min=0) + (self.lower - angles).clamp(min=0)
        return excess.square().sum(dim=(1, 2))


def twist_and_swing(body_pose: Float[Tensor, "b 21 3"]) -> Float[Tensor, "b 21 3"]:
    """Splits each joint's rotation into a twist about its bone, applied first, and a swing of the bone.

    Args:
        body_pose: (B, 21, 3) axis-angle of SMPL's joints 1 to 21, radians.

    Returns:
        (B, 21, 3) radians: the component along the joint's `BONE_AXES` is the twist, the other two are the rotation
        vector of the swing. For a rotation about one coordinate axis this is the axis-angle itself.

    Differentiability: smooth, the zero rotation included, but for swings of half a turn, where a twist does not exist.
    """
    a, b, c = (body_pose.flatten(1)[:, index.to(body_pose.device)] for index in _COMPONENTS)
    angle = (a * a + b * b + c * c).clamp(min=1e-12).sqrt()
    scale = (0.5 * angle).sin() / angle
    real, along, right, left = (0.5 * angle).cos(), scale * a, scale * b, scale * c
    length = (real * real + along * along).clamp(min=1e-12).sqrt()
    # swing = rotation * twist^-1 as quaternions: its real part is `length`, its part along the bone is zero
    second, third = (real * right - along * left) / length, (real * left + along * right) / length
    sine = (second * second + third * third).clamp(min=1e-12).sqrt()
    factor = 2 * torch.atan2(sine, length) / sine
    angles = torch.stack([2 * torch.atan2(along, real), factor * second, factor * third], dim=-1)
    return angles.flatten(1)[:, _BACK.to(body_pose.device)].unflatten(1, (21, 3))


def hinge_penalty(body_pose: Float[Tensor, "b 21 3"] | Float[Tensor, "b 63"]) -> Float[Tensor, "b"]:
    """SMPLify's penalty: exponential of the angle by which elbows and knees bend backwards.

    Args:
        body_pose: (B, 21, 3) or (B, 63) axis-angle of SMPL's joints 1 to 21, radians.

    Returns:
        (B,) sum over the four hinges of exp(-bend): 4 for straight limbs, less for bent ones, fast growing for limbs
        bent backwards. It pulls straight limbs towards bending a little.

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
    path = Path(str(resources.files("render_fit.losses.priors") / "assets" / "joint_ranges.npz"))
    with np.load(path, allow_pickle=False) as file:
        return JointLimits(file["lower"], file["upper"])

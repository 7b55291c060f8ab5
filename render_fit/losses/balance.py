"""Balance of standing people: the centre of mass is above the feet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.skeletons import SMPL_24
from render_fit.losses.fit_state import FitState

_SEGMENTS = (
    ("head", "head", 0.0, 0.069),
    ("pelvis", "neck", 0.55, 0.430),
    *(
        (f"{side}_{start}", f"{side}_{end}", at, mass)
        for side in ("left", "right")
        for start, end, at, mass in (
            ("shoulder", "elbow", 0.58, 0.026),
            ("elbow", "hand", 0.55, 0.021),
            ("hip", "knee", 0.39, 0.145),
            ("knee", "ankle", 0.44, 0.046),
            ("ankle", "foot", 0.5, 0.013),
        )
    ),
)
"""Segments: start, end, position of the centre of mass between them, share of the body's mass."""


@dataclass(frozen=True)
class Balance:
    """Distance of the centre of mass of a standing person from the feet, in the ground plane.

    A body that leans towards the camera or away from it looks almost like an upright one, but nobody stands so. The
    camera is taken as upright; how far it is not widens the standard deviation in depth. Only people who stand have
    weight: those whose pelvis is nearly as high above the lower ankle as their legs are long.

    Args:
        depth_m: Standard deviation in depth, metres: 4 cm of standing people, and 0.12 rad of the camera's pitch.
        sideways_m: Standard deviation across the image, metres.
        scale: Geman–McClure's scale, standard deviations: people also walk, jump and lean on things.

    Returns:
        (B,) nats.

    Differentiability: smooth in the pose; whether a person stands is held fixed.
    Source: a stability term like that of Tripathi et al., 3D Human Pose Estimation via Intuitive Physics (IPMAN), CVPR
        2023, without its contacts and ground. Masses and centres of segments: de Leva, J. Biomechanics 1996, mean of
        women and men, rounded. The defaults, and from when on a person stands, are set by hand.
    """

    skeletal: ClassVar[bool] = True

    depth_m: float = 0.12
    sideways_m: float = 0.08
    scale: float = 4.0

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        joints = state.joints_of(SMPL_24)
        mass = _mass_at_joints().to(joints) @ joints
        left, right = _foot(joints, "left"), _foot(joints, "right")
        across = (left - right)[:, [0, 2]]
        share = ((mass - right)[:, [0, 2]] * across).sum(dim=-1) / across.square().sum(dim=-1).clamp(min=1e-6)
        support = right + share.clamp(0, 1)[:, None] * (left - right)
        gap = (mass - support)[:, [0, 2]] / joints.new_tensor([self.sideways_m, self.depth_m])
        squared = gap.square().sum(dim=-1)
        return 0.5 * _stands(joints.detach()) * squared * self.scale**2 / (self.scale**2 + squared)


@cache
def _mass_at_joints() -> Float[Tensor, "24"]:
    """Share of the body's mass at each joint: the centre of mass is their mean with these weights."""
    shares = torch.zeros(len(SMPL_24))
    for start, end, at, mass in _SEGMENTS:
        shares[SMPL_24.index(start)] += (1 - at) * mass
        shares[SMPL_24.index(end)] += at * mass
    return shares / shares.sum()


def _foot(joints: Float[Tensor, "b 24 3"], side: str) -> Float[Tensor, "b 3"]:
    """Middle of a foot, between heel (near the ankle) and toes."""
    return 0.5 * (joints[:, SMPL_24.index(f"{side}_ankle")] + joints[:, SMPL_24.index(f"{side}_foot")])


def _stands(joints: Float[Tensor, "b 24 3"]) -> Float[Tensor, "b"]:
    """1 for people on straight legs, 0 for those whose pelvis is not above the feet by 70 % of the legs' length."""
    hip, knee, ankle = (
        torch.stack([joints[:, SMPL_24.index(f"{side}_{name}")] for side in ("left", "right")], dim=1)
        for name in ("hip", "knee", "ankle")
    )
    length = ((hip - knee).norm(dim=-1) + (knee - ankle).norm(dim=-1)).mean(dim=1)
    height = ankle[..., 1].amax(dim=1) - hip[..., 1].mean(dim=1)
    return ((height / length - 0.7) / 0.2).clamp(0, 1)

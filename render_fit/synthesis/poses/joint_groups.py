"""Limbs of SMPL's skeleton, mirrored poses and seated legs."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.skeletons import SMPL_24

LEGS = [SMPL_24.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("hip", "knee", "ankle", "foot")]
ARMS = [
    SMPL_24.index(f"{side}_{joint}")
    for side in ("left", "right")
    for joint in ("collar", "shoulder", "elbow", "wrist", "hand")
]
TRUNK = [SMPL_24.index(joint) for joint in ("spine1", "spine2", "spine3", "neck", "head")]

_SWAP = torch.tensor(SMPL_24.left_right_swap)


def mirrored(pose: Float[Tensor, "n 24 3"]) -> Float[Tensor, "n 24 3"]:
    """(N, 24, 3) mirrored poses: left and right exchanged, rotations reflected about the sagittal plane."""
    return pose[:, _SWAP] * pose.new_tensor([1.0, -1.0, -1.0])


def sample_seated_legs(
    count: int, generator: torch.Generator, *, on_ground: bool
) -> tuple[list[int], Float[Tensor, "n 4 3"]]:
    """Samples hips and knees of people who sit.

    On chairs, thighs are raised by 83 ± 11° and spread by 7 ± 11°, knees are bent by 83 ± 17°. On the ground, thighs
    are raised by 83 ± 20° and spread by 11 ± 26°, knees are bent by 54 ± 29°.

    Returns:
        Indices of left hip, left knee, right hip and right knee, and their (N, 4, 3) axis-angles.
    """

    def normal() -> Tensor:
        return torch.randn(count, 1, generator=generator)

    joints, values = [], []
    for side, sign in (("left", 1.0), ("right", -1.0)):
        if on_ground:
            raised, spread = -1.45 + 0.35 * normal(), sign * (0.2 + 0.45 * normal())
            bent = (0.95 + 0.5 * normal()).clamp(min=0)
        else:
            raised, spread, bent = -1.45 + 0.2 * normal(), sign * (0.12 + 0.2 * normal()), 1.45 + 0.3 * normal()
        joints += [SMPL_24.index(f"{side}_hip"), SMPL_24.index(f"{side}_knee")]
        values += [torch.cat([raised, sign * 0.25 * normal(), spread], 1), torch.cat([bent, torch.zeros(count, 2)], 1)]
    return joints, torch.stack(values, 1)

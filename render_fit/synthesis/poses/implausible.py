"""Poses that nobody takes, made in the ways in which estimators go wrong: what a pose prior has to tell from real."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.skeletons import SMPL_24
from render_fit.losses.priors.joint_limits import HINGES, default_joint_limits

BODY = slice(1, 22)
"""Joints 1 to 21: the others are turns of the whole body and hands, which motion capture does not measure."""

PoseCorruption = Callable[[Tensor, torch.Generator], Tensor]

_LIMBS = tuple(
    [SMPL_24.index(f"{side}_{joint}") for joint in joints]
    for side in ("left", "right")
    for joints in (("hip", "knee", "ankle", "foot"), ("shoulder", "elbow", "wrist"))
)


def random_turns(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Every joint turned at random by 0.2 to 1 radians (standard deviation per axis)."""
    spread = 0.2 + 0.8 * torch.rand(len(pose), 1, 1, generator=generator)
    return _with_body(pose, spread * torch.randn(len(pose), 21, 3, generator=generator))


def mixed_joints(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Every joint's rotation from another of the poses."""
    rows = torch.randint(len(pose), (len(pose), 21), generator=generator)
    return _with_body(pose, pose[rows, torch.arange(1, 22)])


def zero_mean(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Normal around the zero pose, with the second moments that the poses have."""
    x = pose[:, BODY].flatten(1)
    moments = x.T @ x / len(x) + 1e-4 * torch.eye(63)
    noise = torch.randn(len(x), 63, generator=generator) @ torch.linalg.cholesky(moments).T
    return _with_body(pose, noise.view(-1, 21, 3))


def beyond_joint_limits(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """One to four joints of a real pose turned until the limits of joints are left."""
    count = torch.randint(1, 5, (len(pose), 1), generator=generator)
    chosen = torch.rand(len(pose), 21, generator=generator).argsort(1).argsort(1) < count
    turn = torch.nn.functional.normalize(torch.randn(len(pose), 21, 3, generator=generator), dim=2)
    result, limits = pose.clone(), default_joint_limits()
    for angle in (0.8, 1.2, 1.6, 2.0):
        inside = limits(result[:, BODY]) < 0.2
        bent = pose[:, BODY] + angle * turn * chosen[..., None]
        result = torch.where(inside[:, None, None], _with_body(pose, bent), result)
    return result


def hyperextended_hinge(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """One elbow or knee of a real pose bent the wrong way, by 0.5 to 1.5 radians."""
    result = pose.clone()
    which = torch.randint(len(HINGES), (len(pose),), generator=generator)
    angle = 0.5 + torch.rand(len(pose), generator=generator)
    for number, (joint, axis, sign) in enumerate(HINGES):
        rows = (which == number).nonzero()[:, 0]
        result[rows, joint] = 0.0
        result[rows, joint, axis] = -sign * angle[rows]
    return result


def inverted_limb(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """All turns of one limb the other way."""
    result = pose.clone()
    which = torch.randint(len(_LIMBS), (len(pose),), generator=generator)
    for number, limb in enumerate(_LIMBS):
        rows = (which == number).nonzero()
        result[rows, torch.tensor(limb)] *= -1
    return result


def exaggerated(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """All turns 1.4 to 2 times as large."""
    factor = 1.4 + 0.6 * torch.rand(len(pose), 1, 1, generator=generator)
    return _with_body(pose, factor * pose[:, BODY])


SEEN_IN_TRAINING: Mapping[str, PoseCorruption] = {
    "random": random_turns,
    "mixed joints": mixed_joints,
    "zero mean": zero_mean,
    "over-bent": beyond_joint_limits,
}
"""What the adversarial prior learns to tell from real poses."""

HELD_OUT: Mapping[str, PoseCorruption] = {
    "hinge backwards": hyperextended_hinge,
    "limb reversed": inverted_limb,
    "exaggerated": exaggerated,
}
"""What no prior has seen in training."""


def implausible_poses(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Impostors of all kinds that are taught, as many of each, in the order of their kinds.

    Args:
        pose: (N, 24, 3) real poses, axis-angle; N impostors are made of them.
        generator: Source of randomness.
    """
    parts = pose[torch.randperm(len(pose), generator=generator)].tensor_split(len(SEEN_IN_TRAINING))
    return torch.cat([make(part, generator) for make, part in zip(SEEN_IN_TRAINING.values(), parts, strict=True)])


def _with_body(pose: Tensor, body: Tensor) -> Tensor:
    return torch.cat([pose[:, :1], body, pose[:, 22:]], dim=1)

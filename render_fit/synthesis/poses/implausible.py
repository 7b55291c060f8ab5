"""Implausible poses with typical errors of pose estimators, which pose priors must separate from plausible poses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.skeletons import SMPL_24
from render_fit.losses.priors.joint_limits import HINGES, default_joint_limits

BODY = slice(1, 22)
"""Joints 1 to 21; the others are the global rotation and the hands, which motion capture does not measure."""

PoseCorruption = Callable[[Tensor, torch.Generator], Tensor]

_LIMBS = tuple(
    [SMPL_24.index(f"{side}_{joint}") for joint in joints]
    for side in ("left", "right")
    for joints in (("hip", "knee", "ankle", "foot"), ("shoulder", "elbow", "wrist"))
)


def random_turns(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Adds a random rotation of 0.2 to 1 radians (standard deviation per axis) to every joint."""
    spread = 0.2 + 0.8 * torch.rand(len(pose), 1, 1, generator=generator)
    return _replace_body(pose, spread * torch.randn(len(pose), 21, 3, generator=generator))


def mixed_joints(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Takes the rotation of each joint from another of the poses."""
    rows = torch.randint(len(pose), (len(pose), 21), generator=generator)
    return _replace_body(pose, pose[rows, torch.arange(1, 22)])


def zero_mean(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Samples a normal distribution around the zero pose, with the second moments of the poses."""
    x = pose[:, BODY].flatten(1)
    moments = x.T @ x / len(x) + 1e-4 * torch.eye(63)
    noise = torch.randn(len(x), 63, generator=generator) @ torch.linalg.cholesky(moments).T
    return _replace_body(pose, noise.view(-1, 21, 3))


def beyond_joint_limits(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Rotates one to four joints of a real pose beyond the joint limits."""
    count = torch.randint(1, 5, (len(pose), 1), generator=generator)
    chosen = torch.rand(len(pose), 21, generator=generator).argsort(1).argsort(1) < count
    turn = torch.nn.functional.normalize(torch.randn(len(pose), 21, 3, generator=generator), dim=2)
    result, limits = pose.clone(), default_joint_limits()
    for angle in (0.8, 1.2, 1.6, 2.0):
        inside = limits(result[:, BODY]) < 0.2
        bent = pose[:, BODY] + angle * turn * chosen[..., None]
        result = torch.where(inside[:, None, None], _replace_body(pose, bent), result)
    return result


def hyperextended_hinge(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Bends one elbow or knee of a real pose the wrong way, by 0.5 to 1.5 radians."""
    result = pose.clone()
    which = torch.randint(len(HINGES), (len(pose),), generator=generator)
    angle = 0.5 + torch.rand(len(pose), generator=generator)
    for number, (joint, axis, sign) in enumerate(HINGES):
        rows = (which == number).nonzero()[:, 0]
        result[rows, joint] = 0.0
        result[rows, joint, axis] = -sign * angle[rows]
    return result


def inverted_limb(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Inverts all rotations of one limb."""
    result = pose.clone()
    which = torch.randint(len(_LIMBS), (len(pose),), generator=generator)
    for number, limb in enumerate(_LIMBS):
        rows = (which == number).nonzero()
        result[rows, torch.tensor(limb)] *= -1
    return result


def exaggerated(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Scales all rotations by 1.4 to 2."""
    factor = 1.4 + 0.6 * torch.rand(len(pose), 1, 1, generator=generator)
    return _replace_body(pose, factor * pose[:, BODY])


SEEN_IN_TRAINING: Mapping[str, PoseCorruption] = {
    "random": random_turns,
    "mixed joints": mixed_joints,
    "zero mean": zero_mean,
    "over-bent": beyond_joint_limits,
}
"""Corruptions on which the adversarial prior is trained."""

HELD_OUT: Mapping[str, PoseCorruption] = {
    "hinge backwards": hyperextended_hinge,
    "limb reversed": inverted_limb,
    "exaggerated": exaggerated,
}
"""Corruptions on which no prior is trained."""


def implausible_poses(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Implausible poses of all kinds in `SEEN_IN_TRAINING`, equally many of each, ordered by kind.

    Args:
        pose: (N, 24, 3) real poses, axis-angle; each is corrupted once.
        generator: Source of randomness.
    """
    parts = pose[torch.randperm(len(pose), generator=generator)].tensor_split(len(SEEN_IN_TRAINING))
    return torch.cat([make(part, generator) for make, part in zip(SEEN_IN_TRAINING.values(), parts, strict=True)])


def _replace_body(pose: Tensor, body: Tensor) -> Tensor:
    return torch.cat([pose[:, :1], body, pose[:, 22:]], dim=1)

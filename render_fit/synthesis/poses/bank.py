"""Poses to train on: what people did in motion capture, mixed, mirrored, bent a little and turned every way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.config import StrictModel
from render_fit.core.errors import InputError
from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import load_poses
from render_fit.losses.priors.gmm import BODY_DIMENSIONS, default_pose_prior
from render_fit.losses.priors.joint_limits import BONE_AXES, default_joint_limits

_LEGS = [SMPL_24.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("hip", "knee", "ankle", "foot")]
_ARMS = [
    SMPL_24.index(f"{side}_{joint}")
    for side in ("left", "right")
    for joint in ("collar", "shoulder", "elbow", "wrist", "hand")
]
_TRUNK = [SMPL_24.index(joint) for joint in ("spine1", "spine2", "spine3", "neck", "head")]
_GROUPS = (_LEGS[:4], _LEGS[4:], _TRUNK, _ARMS[:5], _ARMS[5:])
_MOVED = 2 / 3
"""Share of a limber person's limbs, the trunk among them, that are drawn from their ranges."""

_DEEPEST_BOW_RAD = 1.6
"""How far the pelvis tips forward at the most: a level trunk."""

_HAND_TURN_RAD = 0.2
"""Standard deviation of the hands' turns in `PoseBank.real` and `PoseBank.plausible`."""

_SWAP = torch.tensor(SMPL_24.left_right_swap)


class PoseAugmentation(StrictModel):
    """How poses are varied. Shares are probabilities.

    Attributes:
        mirrored: Left for right.
        legs: Legs taken from another pose of the bank.
        arms: Arms taken from another pose of the bank; each arm may come from a different one.
        bend_rad: Largest standard deviation of a random turn of every joint; each pose draws its own up to this.
        seated: Thighs raised and spread, knees anything from straight to folded: on chairs and on the ground, which
            motion capture of walkers lacks.
        bent_forward: The trunk bent forward from the hips, up to level, as far as the legs allow.
        extreme_range: Legs, trunk and arms, two thirds of them each, anywhere in their joints' ranges: gymnasts,
            dancers, people on the floor.
        random_orientation: Turned at random in space: lying, falling, upside down.
        lean_rad: Standard deviation of how far the others lean, forwards and sideways.
        excess: Penalty of the joint limits (radians squared) above which a varied pose is put back to the original.
    """

    renamed: ClassVar[Mapping[str, str]] = {
        "limber": "extreme_range",
        "stooped": "bent_forward",
        "any_way_up": "random_orientation",
    }

    mirrored: float = 0.5
    legs: float = 0.25
    arms: float = 0.35
    bend_rad: float = 0.25
    seated: float = 0.12
    bent_forward: float = 0.08
    extreme_range: float = 0.12
    random_orientation: float = 0.12
    lean_rad: float = 0.2
    excess: float = 0.15


_PLAUSIBLE = PoseAugmentation(bend_rad=0.0, random_orientation=0.0, lean_rad=0.0, extreme_range=0.0)


class PoseBank:
    """Poses to draw from.

    Args:
        pose: (N, 24, 3) axis-angle; the pelvis relative to a person who stands upright and faces +z.
    """

    def __init__(self, pose: Float[Tensor, "n 24 3"]) -> None:
        self.pose = pose

    def __len__(self) -> int:
        return len(self.pose)

    @staticmethod
    def from_motion_capture(folder: Path, split: str = "train") -> PoseBank:
        """Poses of the CMU motion capture (see `datasets.mocap.load_poses`), split by subject."""
        return PoseBank(torch.from_numpy(load_poses(folder, split).pose))  # pyright: ignore[reportArgumentType]

    @staticmethod
    def from_prior(count: int = 5_000, seed: int = 0) -> PoseBank:
        """Poses drawn from the pose prior that ships, for machines without motion capture: less varied."""
        body = default_pose_prior().sample(count, torch.Generator().manual_seed(seed), spread=1.0)
        pose = torch.zeros(count, 24, 3)
        pose[:, 1 : 1 + BODY_DIMENSIONS // 3] = body.view(count, -1, 3)
        return PoseBank(pose)

    def mean_rotations(self) -> Float[Tensor, "23 3 3"]:
        """The mean pose: the rotations nearest to all of the bank's in the mean square, the pelvis's left out."""
        mean = roma.special_procrustes(roma.rotvec_to_rotmat(self.pose[:, 1:]).mean(0))
        assert isinstance(mean, Tensor)
        return mean

    def real(self, count: int, generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
        """Draws poses as motion capture has them, or their mirror images.

        Hands, which it does not measure, are turned a little at random: that they are at rest tells nobody apart.
        """
        pose = self.pose[torch.randint(len(self.pose), (count,), generator=generator)]
        pose = torch.where((torch.rand(count, generator=generator) < 0.5)[:, None, None], mirrored(pose), pose)
        return _with_loose_hands(pose, generator)

    def plausible(self, count: int, generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
        """Draws poses for priors: the first half as `real` has them, the others with limbs of other poses, seated and
        stooped, as far as joints allow. Priors that learn from the bank alone take its few people too exactly."""
        varied = self.draw(count // 2, _PLAUSIBLE, generator)
        return torch.cat([self.real(count - count // 2, generator), _with_loose_hands(varied, generator)])

    def draw(self, count: int, mix: PoseAugmentation, generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
        """Draws and varies poses.

        Args:
            count: How many.
            mix: How they are varied.
            generator: Source of randomness.

        Returns:
            (n, 24, 3) axis-angle, the pelvis in the body's own upright axes; where it faces is left to the view.
        """

        def chance(share: float) -> Tensor:
            return torch.rand(count, generator=generator) < share

        def other() -> Tensor:
            return self.pose[torch.randint(len(self.pose), (count,), generator=generator)]

        def normal(*shape: int) -> Tensor:
            return torch.randn(count, *shape, generator=generator)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator)

        forward = torch.tensor([1.0, 0.0, 0.0])
        original = other()
        pose = original.clone()
        pose[:, _LEGS] = torch.where(chance(mix.legs)[:, None, None], other()[:, _LEGS], pose[:, _LEGS])
        for half in (_ARMS[:5], _ARMS[5:]):
            pose[:, half] = torch.where(chance(mix.arms)[:, None, None], other()[:, half], pose[:, half])
        sits = chance(mix.seated)[:, None]
        bow = _DEEPEST_BOW_RAD * uniform(1) * chance(mix.bent_forward)[:, None]
        for side, sign in (("left", 1.0), ("right", -1.0)):
            # Radians: thighs raised by 83 +- 20 degrees and spread by 11 +- 26, knees bent by up to 138.
            raised, spread, bent = -1.45 + 0.35 * normal(1), sign * (0.2 + 0.45 * normal(1)), 2.4 * uniform(1) ** 1.5
            thigh = torch.cat([raised, sign * 0.25 * normal(1), spread], 1)
            shin = torch.cat([bent, torch.zeros(count, 2)], 1)
            hip, knee = SMPL_24.index(f"{side}_hip"), SMPL_24.index(f"{side}_knee")
            pose[:, hip] = torch.where(sits, thigh, pose[:, hip])
            pose[:, knee] = torch.where(sits, shin, pose[:, knee])
            # Legs stay where they are, or follow a little, while the pelvis tips forward.
            back = -bow * (0.6 + 0.4 * uniform(1)) * forward
            pose[:, hip] = roma.rotvec_composition([back, pose[:, hip]])
        anywhere = _within_limits(count, generator)
        limber = chance(mix.extreme_range)
        for group in _GROUPS:
            moved = (limber & chance(_MOVED))[:, None, None]
            pose[:, group] = torch.where(moved, anywhere[:, group], pose[:, group])
        bend = mix.bend_rad * torch.rand(count, 1, 1, generator=generator).square() * normal(24, 3)
        bend[:, 0] = 0
        pose = pose + bend
        excess = default_joint_limits()(pose[:, 1:22])
        impossible = (excess > mix.excess)[:, None]
        pose, bow = torch.where(impossible[..., None], original, pose), torch.where(impossible, 0.0, bow)
        pose = torch.where(chance(mix.mirrored)[:, None, None], mirrored(pose), pose)
        lean = mix.lean_rad * normal(3) * torch.tensor([1.0, 0.0, 1.0])
        anyhow = roma.rotmat_to_rotvec(_random_rotations(count, generator))
        tilt = torch.where(chance(mix.random_orientation)[:, None], anyhow, lean)
        pose[:, 0] = roma.rotvec_composition([tilt, pose[:, 0], bow * forward])
        return pose


def _within_limits(count: int, generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """Joints 1 to 21 evenly over their ranges (see `JointLimits`), the others at rest."""
    limits = default_joint_limits()
    angles = limits.lower + (limits.upper - limits.lower) * torch.rand(count, 21, 3, generator=generator)
    along = torch.nn.functional.one_hot(torch.tensor(BONE_AXES), 3)
    pose = torch.zeros(count, 24, 3)
    pose[:, 1:22] = roma.rotvec_composition([angles * (1 - along), angles * along])
    return pose


def mirrored(pose: Float[Tensor, "n 24 3"]) -> Float[Tensor, "n 24 3"]:
    """The same pose in a mirror: left and right exchanged, rotations reflected about the body's middle plane."""
    return pose[:, _SWAP] * pose.new_tensor([1.0, -1.0, -1.0])


def _with_loose_hands(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    hands = _HAND_TURN_RAD * torch.randn(len(pose), 2, 3, generator=generator)
    return torch.cat([pose[:, :22], hands], dim=1)


def _random_rotations(count: int, generator: torch.Generator) -> Float[Tensor, "n 3 3"]:
    """Uniform over all rotations."""
    quaternion = torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=1)
    return roma.unitquat_to_rotmat(quaternion)


def load_pose_bank(mocap: Path | None, split: str = "train") -> PoseBank:
    """Poses from a folder of motion capture, or from the prior that ships if none is given.

    Raises:
        InputError: if the folder is not one.
    """
    if mocap is None:
        return PoseBank.from_prior(seed=0 if split == "train" else 1)
    try:
        return PoseBank.from_motion_capture(mocap, split)
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise InputError(
            f"{mocap}: expected the CMU motion capture (mocap/*.npz, smpl_rest_bones.json): {error}"
        ) from error

"""Banks of poses from motion capture or a prior, and the augmentation of sampled poses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.config import StrictModel
from render_fit.core.errors import InputError
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import Split, load_poses
from render_fit.losses.priors.gmm import BODY_DIMENSIONS, default_pose_prior
from render_fit.losses.priors.joint_limits import BONE_AXES, default_joint_limits
from render_fit.synthesis.poses.everyday import EverydayPoses
from render_fit.synthesis.poses.joint_groups import ARMS, LEGS, TRUNK, mirrored, sample_seated_legs

_GROUPS = (LEGS[:4], LEGS[4:], TRUNK, ARMS[:5], ARMS[5:])
_EXTREME_LIMBS = 2 / 3
"""Share of the limbs (the trunk is one) of extreme poses that are sampled over their whole range."""

_MAX_PITCH_RAD = 1.6
"""Largest forward pitch of the pelvis: a level trunk."""

_HAND_TURN_RAD = 0.2
"""Standard deviation of the hands' rotations in `PoseBank.sample_real` and `PoseBank.sample_plausible`."""


class PoseAugmentation(StrictModel):
    """Augmentation of sampled poses. Shares are probabilities.

    Attributes:
        mirrored: Share of mirrored poses.
        legs: Share of poses with the legs of another pose of the bank.
        arms: Share of arms from another pose of the bank, each arm by itself.
        bend_rad: Largest standard deviation of a random rotation of every joint; that of each pose is random.
        seated: Share of seated poses, thighs raised and spread, knees from straight to folded: on chairs and on the
            ground, which motion capture of walkers lacks.
        bent_forward: Share of poses with the trunk bent forward from the hips, up to level, as far as legs allow.
        extreme_range: Share of poses with two thirds of legs, trunk and arms sampled over the whole range of their
            joints: gymnasts, dancers, people on the floor.
        random_orientation: Share of poses with a random orientation in space: lying, falling, upside down.
        lean_rad: Standard deviation of the forward and sideways lean of the other poses.
        limit_penalty: Largest penalty of the joint limits, radians squared; poses above it are not augmented.
    """

    renamed: ClassVar[Mapping[str, str]] = {
        "limber": "extreme_range",
        "stooped": "bent_forward",
        "any_way_up": "random_orientation",
        "excess": "limit_penalty",
    }

    mirrored: float = 0.5
    legs: float = 0.15
    arms: float = 0.35
    bend_rad: float = 0.12
    seated: float = 0.05
    bent_forward: float = 0.05
    extreme_range: float = 0.1
    random_orientation: float = 0.08
    lean_rad: float = 0.1
    limit_penalty: float = 0.15


_PLAUSIBLE = PoseAugmentation(bend_rad=0.0, random_orientation=0.0, lean_rad=0.0, extreme_range=0.0)


class PoseBank:
    """A set of poses to sample from.

    Args:
        pose: (N, 24, 3) axis-angle; the pelvis relative to a person who stands upright and faces +z.
    """

    def __init__(self, pose: Float[Tensor, "n 24 3"]) -> None:
        self.pose = pose

    def __len__(self) -> int:
        return len(self.pose)

    @staticmethod
    def from_motion_capture(folder: Path, split: Split = "train", count: int = 20_000) -> PoseBank:
        """Samples of `EverydayPoses` on the CMU motion capture, split by subject; the same ones in every call."""
        poses = EverydayPoses(load_poses(folder, split))
        return PoseBank(poses.sample(count, torch.Generator().manual_seed(0))[0])

    @staticmethod
    def from_prior(count: int = 5_000, seed: int = 0) -> PoseBank:
        """Samples of the pose prior that ships, for machines without motion capture, which is more diverse."""
        body = default_pose_prior().sample(count, torch.Generator().manual_seed(seed), spread=1.0)
        pose = torch.zeros(count, 24, 3)
        # A sampled rotation vector can be longer than half a turn.
        rotations = roma.rotvec_to_rotmat(body.view(count, -1, 3))
        pose[:, 1 : 1 + BODY_DIMENSIONS // 3] = roma.rotmat_to_rotvec(rotations)
        return PoseBank(pose)

    def mean_rotations(self) -> Float[Tensor, "23 3 3"]:
        """(23, 3, 3) mean rotation of each joint but the pelvis: the chordal mean over the bank."""
        mean = roma.special_procrustes(roma.rotvec_to_rotmat(self.pose[:, 1:]).mean(0))
        assert isinstance(mean, Tensor)
        return mean

    def sample_real(self, count: int, generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
        """Samples poses of the bank without augmentation, half of them mirrored.

        Hands, which motion capture does not measure, get small random rotations, so that resting hands do not identify
        real poses.
        """
        pose = self.pose[torch.randint(len(self.pose), (count,), generator=generator)]
        pose = torch.where((torch.rand(count, generator=generator) < 0.5)[:, None, None], mirrored(pose), pose)
        return _add_hand_noise(pose, generator)

    def sample_plausible(self, count: int, generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
        """Samples poses for the training of priors: half as `sample_real`, half recombined, seated and bent forward.

        Priors that are trained on the bank alone overfit to its few people.
        """
        augmented = self.sample(count // 2, _PLAUSIBLE, generator)
        return torch.cat([self.sample_real(count - count // 2, generator), _add_hand_noise(augmented, generator)])

    def sample(self, count: int, augmentation: PoseAugmentation, generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
        """Samples and augments poses.

        Args:
            count: Number of poses.
            augmentation: Kinds and amounts of augmentation.
            generator: Source of randomness.

        Returns:
            (N, 24, 3) axis-angle; the pelvis in the body's own upright axes, without a heading.
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
        pose[:, LEGS] = torch.where(chance(augmentation.legs)[:, None, None], other()[:, LEGS], pose[:, LEGS])
        for half in (ARMS[:5], ARMS[5:]):
            pose[:, half] = torch.where(chance(augmentation.arms)[:, None, None], other()[:, half], pose[:, half])
        seated = chance(augmentation.seated)[:, None]
        pitch = _MAX_PITCH_RAD * uniform(1) * chance(augmentation.bent_forward)[:, None]
        seated_joints, legs = sample_seated_legs(count, generator, on_ground=True)
        pose[:, seated_joints] = torch.where(seated[..., None], legs, pose[:, seated_joints])
        for hip in (SMPL_24.index("left_hip"), SMPL_24.index("right_hip")):
            # Legs keep their direction, or follow a little, while the pelvis pitches forward.
            back = -pitch * (0.6 + 0.4 * uniform(1)) * forward
            pose[:, hip] = roma.rotvec_composition([back, pose[:, hip]])
        over_range = _sample_within_limits(count, generator)
        extreme = chance(augmentation.extreme_range)
        for group in _GROUPS:
            moved = (extreme & chance(_EXTREME_LIMBS))[:, None, None]
            pose[:, group] = torch.where(moved, over_range[:, group], pose[:, group])
        bend = augmentation.bend_rad * torch.rand(count, 1, 1, generator=generator).square() * normal(24, 3)
        bend[:, 0] = 0
        pose = pose + bend
        excess = default_joint_limits()(pose[:, 1:22])
        rejected = (excess > augmentation.limit_penalty)[:, None]
        pose, pitch = torch.where(rejected[..., None], original, pose), torch.where(rejected, 0.0, pitch)
        pose = torch.where(chance(augmentation.mirrored)[:, None, None], mirrored(pose), pose)
        lean = augmentation.lean_rad * normal(3) * torch.tensor([1.0, 0.0, 1.0])
        random = roma.rotmat_to_rotvec(_sample_rotations(count, generator))
        tilt = torch.where(chance(augmentation.random_orientation)[:, None], random, lean)
        pose[:, 0] = roma.rotvec_composition([tilt, pose[:, 0], pitch * forward])
        return pose


def _sample_within_limits(count: int, generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    """(N, 24, 3) joints 1 to 21 uniform over their ranges (see `JointLimits`), the others at rest."""
    limits = default_joint_limits()
    angles = limits.lower + (limits.upper - limits.lower) * torch.rand(count, 21, 3, generator=generator)
    along = torch.nn.functional.one_hot(torch.tensor(BONE_AXES), 3)
    pose = torch.zeros(count, 24, 3)
    pose[:, 1:22] = roma.rotvec_composition([angles * (1 - along), angles * along])
    return pose


def _add_hand_noise(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 24 3"]:
    hands = _HAND_TURN_RAD * torch.randn(len(pose), 2, 3, generator=generator)
    return torch.cat([pose[:, :22], hands], dim=1)


def _sample_rotations(count: int, generator: torch.Generator) -> Float[Tensor, "n 3 3"]:
    """(N, 3, 3) rotations, uniform over SO(3)."""
    quaternion = torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=1)
    return roma.unitquat_to_rotmat(quaternion)


def load_pose_bank(mocap: Path | None, split: Split = "train") -> PoseBank:
    """Loads a bank from a folder of motion capture, or samples one from the prior that ships if none is given.

    Args:
        mocap: Folder with `mocap/` and `smpl_rest_bones.json`, or None.
        split: ``train`` or ``held_out`` (by subject).

    Raises:
        InputError: if the folder does not contain the motion capture.
    """
    if mocap is None:
        return PoseBank.from_prior(seed=0 if split == "train" else 1)
    try:
        return PoseBank.from_motion_capture(mocap, split)
    except Exception as error:  # arrays of other shapes and values fail wherever they are used
        raise InputError(
            f"{mocap}: expected the CMU motion capture (mocap/*.npz, smpl_rest_bones.json): {error}"
        ) from error

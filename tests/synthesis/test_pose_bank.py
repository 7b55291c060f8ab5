"""Sampling and augmentation of poses."""

import roma
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.skeletons import SMPL_24
from render_fit.losses.priors.joint_limits import default_joint_limits
from render_fit.synthesis.poses.bank import PoseAugmentation, PoseBank, mirrored

STILL = PoseAugmentation(
    **dict.fromkeys(("mirrored", "legs", "arms", "bend_rad", "seated", "bent_forward", "extreme_range"), 0.0),
    random_orientation=0,
    lean_rad=0,
    limit_penalty=1e9,
)


def test_a_mirrored_pose_is_the_body_in_a_mirror(bank: PoseBank) -> None:
    body, pose = open_body(), bank.pose[:5] + 0.1
    there = body.kinematics(BodyParameters.from_rotvec(pose, torch.zeros(5, 10), torch.zeros(5, 3))).joints
    here = body.kinematics(BodyParameters.from_rotvec(mirrored(pose), torch.zeros(5, 10), torch.zeros(5, 3))).joints
    flipped = here[:, list(SMPL_24.left_right_swap)] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(flipped, there, atol=4e-3, rtol=0)  # the open body is symmetric to millimetres


def test_without_augmentation_poses_are_those_of_the_bank(bank: PoseBank) -> None:
    poses = bank.sample(20, STILL, torch.Generator().manual_seed(0))
    assert (poses[:, None] - bank.pose).abs().amax((2, 3)).amin(1).max() < 1e-4


def test_equal_seeds_give_equal_poses(bank: PoseBank) -> None:
    first, second = (bank.sample(9, PoseAugmentation(), torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, bank.sample(9, PoseAugmentation(), torch.Generator().manual_seed(5)))


def test_augmented_poses_are_within_joint_limits_or_the_original(bank: PoseBank) -> None:
    augmentation = STILL.model_copy(update={"bend_rad": 1.5, "legs": 0.5, "arms": 0.5, "limit_penalty": 0.1})
    poses = bank.sample(200, augmentation, torch.Generator().manual_seed(0))
    inside = default_joint_limits()(poses[:, 1:22]) <= 0.1
    original = (poses[:, None, 1:] - bank.pose[:, 1:]).abs().amax((2, 3)).amin(1) < 1e-4
    assert (inside | original).all()
    assert 0.2 < (~original).float().mean() < 1  # and many are new


def test_poses_bent_forward_have_the_neck_in_front_and_the_feet_below(bank: PoseBank) -> None:
    augmentation = STILL.model_copy(update={"bent_forward": 1.0})
    still, bent = (bank.sample(200, m, torch.Generator().manual_seed(0)) for m in (STILL, augmentation))
    body = open_body()
    joints = body.kinematics(BodyParameters.from_rotvec(bent, torch.zeros(200, 10), torch.zeros(200, 3))).joints
    neck = joints[:, SMPL_24.index("neck")] - joints[:, 0]
    assert (neck[:, 2] > 0.25).float().mean() > 0.5  # forward is +z
    feet = joints[:, [SMPL_24.index("left_ankle"), SMPL_24.index("right_ankle")], 1] - joints[:, :1, 1]
    assert (feet.mean(1) < -0.3).float().mean() > 0.8
    assert not torch.equal(still, bent)


def test_some_poses_are_upside_down_and_most_are_upright(bank: PoseBank) -> None:
    poses = bank.sample(600, PoseAugmentation(), torch.Generator().manual_seed(0))
    up = roma.rotvec_to_rotmat(poses[:, 0])[:, 1, 1]
    assert 0.02 < (up < -0.3).float().mean() < 0.1
    assert (up > 0.7).float().mean() > 0.75

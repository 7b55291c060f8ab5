"""Poses to train on."""

import roma
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.skeletons import SMPL_24
from render_fit.losses.priors.joint_limits import default_joint_limits
from render_fit.synthesis.poses.bank import PoseAugmentation, PoseBank, mirrored

STILL = PoseAugmentation(
    mirrored=0, legs=0, arms=0, bend_rad=0, seated=0, bent_forward=0, random_orientation=0, lean_rad=0, excess=1e9
)


def test_a_mirrored_pose_is_the_body_in_a_mirror(bank: PoseBank) -> None:
    body, pose = open_body(), bank.pose[:5] + 0.1
    there = body.kinematics(BodyParameters.from_rotvec(pose, torch.zeros(5, 10), torch.zeros(5, 3))).joints
    here = body.kinematics(BodyParameters.from_rotvec(mirrored(pose), torch.zeros(5, 10), torch.zeros(5, 3))).joints
    flipped = here[:, list(SMPL_24.left_right_swap)] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(flipped, there, atol=4e-3, rtol=0)  # the open body is symmetric to millimetres


def test_without_variation_poses_are_the_banks_own(bank: PoseBank) -> None:
    drawn = bank.draw(20, STILL, torch.Generator().manual_seed(0))
    assert (drawn[:, None] - bank.pose).abs().amax((2, 3)).amin(1).max() < 1e-4


def test_the_same_generator_draws_the_same_poses(bank: PoseBank) -> None:
    first, second = (bank.draw(9, PoseAugmentation(), torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, bank.draw(9, PoseAugmentation(), torch.Generator().manual_seed(5)))


def test_varied_poses_stay_within_joints_limits_or_are_the_original(bank: PoseBank) -> None:
    mix = STILL.model_copy(update={"bend_rad": 1.5, "legs": 0.5, "arms": 0.5, "excess": 0.1})
    drawn = bank.draw(200, mix, torch.Generator().manual_seed(0))
    inside = default_joint_limits()(drawn[:, 1:22]) <= 0.1
    original = (drawn[:, None, 1:] - bank.pose[:, 1:]).abs().amax((2, 3)).amin(1) < 1e-4
    assert (inside | original).all()
    assert 0.2 < (~original).float().mean() < 1  # and many are new


def test_those_who_stoop_bend_their_trunk_and_keep_their_feet_below(bank: PoseBank) -> None:
    mix = STILL.model_copy(update={"bent_forward": 1.0})
    still, stooped = (bank.draw(200, m, torch.Generator().manual_seed(0)) for m in (STILL, mix))
    body = open_body()
    joints = body.kinematics(BodyParameters.from_rotvec(stooped, torch.zeros(200, 10), torch.zeros(200, 3))).joints
    neck = joints[:, SMPL_24.index("neck")] - joints[:, 0]
    assert (neck[:, 2] > 0.25).float().mean() > 0.5  # forward is +z
    feet = joints[:, [SMPL_24.index("left_ankle"), SMPL_24.index("right_ankle")], 1] - joints[:, :1, 1]
    assert (feet.mean(1) < -0.3).float().mean() > 0.8
    assert not torch.equal(still, stooped)


def test_some_people_are_upside_down_and_most_stand(bank: PoseBank) -> None:
    drawn = bank.draw(600, PoseAugmentation(), torch.Generator().manual_seed(0))
    up = roma.rotvec_to_rotmat(drawn[:, 0])[:, 1, 1]
    assert 0.02 < (up < -0.3).float().mean() < 0.1
    assert (up > 0.7).float().mean() > 0.75

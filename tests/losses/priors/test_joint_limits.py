"""Joint limits: signs of hinges, zero inside, and the twist-and-swing split against rotation matrices."""

import math
from importlib import resources

import pytest
import roma
import torch

from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import load_poses
from render_fit.losses.priors import JointLimits, default_joint_limits, hinge_penalty
from render_fit.losses.priors.joint_limits import BONE_AXES, twist_and_swing


def one_joint(joint: str, degrees: tuple[float, float, float]) -> torch.Tensor:
    pose = torch.zeros(24, 3)
    pose[SMPL_24.index(joint)] = torch.tensor(degrees) * math.pi / 180
    return pose[1:22][None]


# SMPLify-X's angle prior states the same signs: left elbow at -90 degrees, right elbow and knees at +90 are bent.
BENT = {"left_elbow": (0, -90, 0), "right_elbow": (0, 90, 0), "left_knee": (90, 0, 0), "right_knee": (90, 0, 0)}


@pytest.mark.parametrize("joint", BENT)
def test_hinges_bend_one_way(joint: str) -> None:
    limits = default_joint_limits()
    right_way = one_joint(joint, BENT[joint])
    assert float(limits(right_way)) == 0
    assert float(limits(-0.5 * right_way)) > 0.2  # 45 degrees backwards is over 25 degrees too far
    assert float(hinge_penalty(-right_way)) == pytest.approx(3 + math.exp(math.pi / 2), rel=1e-5)
    assert float(hinge_penalty(right_way)) == pytest.approx(3 + math.exp(-math.pi / 2), rel=1e-5)


@pytest.mark.parametrize(
    ("joint", "degrees", "allowed"),
    [
        ("left_shoulder", (0, 0, -75), True),  # arm at the side
        ("left_shoulder", (0, 0, 60), True),  # arm overhead
        ("left_shoulder", (0, -80, 0), True),  # arm forward
        ("left_shoulder", (0, 100, 0), False),  # arm straight back through the trunk
        ("left_hip", (-110, 0, 0), True),  # squat
        ("left_hip", (80, 0, 0), False),  # thigh straight back
        ("left_hip", (0, 0, 40), True),  # leg to the side
        ("right_hip", (0, 0, 90), False),  # leg through the other one
        ("head", (0, 80, 0), False),
        ("neck", (0, 50, 0), True),
        ("spine1", (30, 0, 0), True),
        ("spine1", (-70, 0, 0), False),
        ("left_ankle", (-40, 0, 0), True),
        ("left_ankle", (0, 0, 90), False),
        ("left_wrist", (0, 0, 60), True),
        ("left_wrist", (0, 0, 150), False),
    ],
)
def test_reach_of_joints(joint: str, degrees: tuple[float, float, float], allowed: bool) -> None:
    limits = default_joint_limits()
    mirrored = one_joint(
        joint.replace("left", "x").replace("right", "left").replace("x", "right"), degrees
    ) * torch.tensor([1.0, -1.0, -1.0])
    for pose in (one_joint(joint, degrees), mirrored):
        assert (float(limits(pose)) == 0) is allowed


def test_zero_pose_is_allowed_and_penalty_is_the_squared_excess() -> None:
    limits = default_joint_limits()
    assert float(limits(torch.zeros(1, 63))) == 0
    box = JointLimits(-0.5 * torch.ones(21, 3).numpy(), 0.5 * torch.ones(21, 3).numpy())
    pose = torch.zeros(2, 21, 3)
    pose[0, 3, 0], pose[0, 9, 2], pose[1, 3, 0] = 0.9, -0.7, 0.4
    assert box(pose).tolist() == pytest.approx([0.4**2 + 0.2**2, 0.0], abs=1e-6)


def test_twist_then_swing_is_the_rotation() -> None:
    pose = torch.randn(8, 21, 3, dtype=torch.float64)
    angles = twist_and_swing(pose)
    axis = torch.nn.functional.one_hot(torch.tensor(BONE_AXES), 3).double()
    twist = angles * axis
    composed = roma.rotvec_to_rotmat(angles - twist) @ roma.rotvec_to_rotmat(twist)
    assert (composed - roma.rotvec_to_rotmat(pose)).abs().max() < 1e-12


def test_gradient_everywhere_a_fit_starts() -> None:
    pose = 0.8 * torch.randn(1, 21, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(twist_and_swing, (pose.requires_grad_(),))
    zero = torch.zeros(1, 21, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(twist_and_swing, (zero,), atol=1e-5)
    for value in (math.pi, 2 * math.pi, 50.0):
        start = torch.full((1, 63), value, requires_grad=True)
        (gradient,) = torch.autograd.grad(default_joint_limits()(start).sum(), start)
        assert gradient.isfinite().all()


def test_ranges_ship_with_their_credit() -> None:
    import numpy as np

    asset = resources.files("render_fit.losses.priors") / "assets" / "joint_ranges.npz"
    with asset.open("rb") as file, np.load(file) as data:
        assert "mocap.cs.cmu.edu" in str(data["credit"])
        assert (data["lower"] < 0).all() and (data["upper"] > 0).all()


def test_real_poses_of_held_out_people_stay_inside(shared_data) -> None:
    pose = torch.from_numpy(load_poses(shared_data, "held_out").pose)[:, 1:22]
    excess = default_joint_limits()(pose)
    assert float((excess == 0).float().mean()) > 0.9
    assert float(excess.quantile(0.99)) < 0.1

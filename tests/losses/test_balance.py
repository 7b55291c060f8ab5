"""Balance: by hand for a leaning person, and nothing of people who do not stand."""

import math

import pytest
import roma
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.skeletons import SMPL_24
from render_fit.losses.balance import Balance, _mass_at_joints
from render_fit.losses.fit_state import FitState
from render_fit.synthesis import everyday_pose
from tests.losses.factories import finite_gradient, leaves, standing, targets


def leaning(deg: float, axis: int = 0, pose: str | None = None) -> FitState:
    """A person turned about a horizontal axis of the camera."""
    made = standing()
    rotvec = made.pose
    if pose is not None:
        rotvec[0, 1:] = everyday_pose(pose)[1:]
    parameters = BodyParameters.from_rotvec(rotvec, made.betas, made.transl)
    turn = torch.zeros(3)
    turn[axis] = math.radians(deg)
    rotations = parameters.rotations.clone()
    rotations[0, 0] = roma.rotvec_to_rotmat(turn) @ rotations[0, 0]
    return FitState(open_body(), BodyParameters(rotations, made.betas, made.transl), targets())


def test_the_cost_of_a_lean_is_that_of_its_distance():
    term, state = Balance(), leaning(12.0)
    joints = state.joints_of(SMPL_24)
    feet = [SMPL_24.index(f"{side}_{name}") for side in ("left", "right") for name in ("ankle", "foot")]
    gap = float((_mass_at_joints() @ joints)[0, 2] - joints[0, feet, 2].mean())
    assert 0.15 < abs(gap) < 0.3
    squared = (gap / term.depth_m) ** 2
    assert float(term(state)) == pytest.approx(0.5 * squared / (1 + squared / term.scale**2), rel=0.02)


def test_upright_people_cost_nothing_and_both_directions_alike():
    upright = float(Balance()(leaning(0.0)))
    assert upright < 0.2
    forwards, backwards, sideways = (float(Balance()(leaning(*lean))) for lean in ((15, 0), (-15, 0), (15, 2)))
    assert min(forwards, backwards, sideways) > 0.8
    assert float(Balance()(leaning(25.0))) > max(forwards, backwards)


def test_the_centre_of_mass_of_the_rest_pose_is_in_the_pelvis():
    joints = open_body().rest_joints(torch.zeros(1, 10))
    low, high = joints[0, SMPL_24.index("left_hip"), 1], joints[0, SMPL_24.index("spine2"), 1]
    assert low < (_mass_at_joints() @ joints)[0, 1] < high


@pytest.mark.parametrize("pose, deg", [("sitting", 0.0), ("squat", 0.0), (None, 80.0)], ids=["sits", "squats", "lies"])
def test_people_who_do_not_stand_are_free(pose, deg):
    assert float(Balance()(leaning(deg, pose=pose))) < 0.05


def test_gradients():
    parameters, wanted = leaves(leaning(10.0).parameters)
    finite_gradient(Balance(), FitState(open_body(), parameters, targets()), wanted)

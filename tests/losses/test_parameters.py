"""Priors on shape, size, pose and stance: values by hand and gradients."""

import math

import pytest
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.losses.fit_state import FitState
from render_fit.losses.parameters import KnownHeight, PosePrior, ShapePrior, TorsoTilt
from render_fit.losses.pose_priors import PoseLimits, PoseMixture
from tests.losses.factories import finite_gradient, gradients_agree, leaves, standing, targets, targets64


def shaped(betas: torch.Tensor) -> FitState:
    made = standing(len(betas))
    return FitState(open_body(), BodyParameters(made.rotations, betas, made.transl), targets())


def posed(joint: str, rotvec: tuple[float, float, float]) -> FitState:
    pose = standing().pose
    pose[0, open_body().joint_names.index(joint)] = torch.tensor(rotvec)
    made = standing()
    return FitState(open_body(), BodyParameters.from_rotvec(pose, made.betas, made.transl), targets(), pose_rotvec=pose)


def test_shape_prior_by_hand():
    betas = torch.zeros(3, 10)
    betas[1, 0], betas[2, 0], betas[2, 1] = 1.0, -3.0, 2.0
    # ½ (3² + 2²) and 10 · (3 − 2)² beyond the wall
    torch.testing.assert_close(ShapePrior()(shaped(betas)), torch.tensor([0.0, 0.5, 16.5]))
    torch.testing.assert_close(ShapePrior(wall=1.0, steepness=0.0)(shaped(betas)), torch.tensor([0.0, 0.5, 6.5]))


def test_known_height_by_hand():
    betas = torch.zeros(2, 10)
    betas[1, 0] = 1.5
    vertices = open_body().rest_vertices(betas)[..., 1]
    heights = vertices.amax(dim=1) - vertices.amin(dim=1)
    one_sigma_off = KnownHeight(float(heights[0]) + 0.01)(shaped(betas[:1]))
    assert one_sigma_off.item() == pytest.approx(0.5, rel=1e-3)
    # The term holds crown and sole to two vertices; for another shape others may be extreme, by a millimetre or so.
    assert KnownHeight(float(heights[1]), sigma_m=0.005)(shaped(betas[1:])).item() < 0.5


def test_pose_prior_by_hand():
    scene = posed("left_knee", (0.3, 0.4, 0.0))
    assert PosePrior()(scene).item() == pytest.approx(0.25)
    assert PosePrior(joints=("left_hand", "right_hand"))(scene).item() == 0.0
    assert PosePrior(joints=("left_knee",))(scene).item() == pytest.approx(0.25)


@pytest.mark.parametrize(("turn", "value"), [
    ((0.0, 0.0, 0.0), 0.0),
    ((0.0, 1.0, 0.0), 0.0),  # yaw
    ((0.0, 0.0, 0.7), 0.0),  # lying across the picture
    ((math.radians(30), 0.0, 0.0), 0.25),  # sin² 30°
    ((-math.radians(30), 0.0, 0.0), 0.25),
])  # fmt: skip
def test_torso_tilt_by_hand(turn, value):
    made = standing()
    rotation = BodyParameters.from_rotvec(torch.tensor([[turn]]), made.betas, made.transl).rotations[:, 0]
    rotations = made.rotations.clone()
    rotations[:, 0] = rotation @ rotations[:, 0]
    scene = FitState(open_body(), BodyParameters(rotations, made.betas, made.transl), targets())
    assert TorsoTilt()(scene).item() == pytest.approx(value, abs=1e-5)


def test_pose_priors_prefer_possible_poses():
    forward, backward = posed("left_knee", (1.0, 0.0, 0.0)), posed("left_knee", (-1.0, 0.0, 0.0))
    assert PoseLimits()(posed("left_knee", (0.0, 0.0, 0.0))).item() == pytest.approx(0.0, abs=1e-3)
    assert PoseLimits()(forward) < PoseLimits()(backward) - 0.1
    assert PoseMixture()(posed("left_elbow", (0.0, 0.0, 0.0))) < PoseMixture()(posed("left_elbow", (2.0, 0.0, 0.0)))


@pytest.mark.parametrize(
    "term", [ShapePrior(), KnownHeight(1.7), PosePrior(), TorsoTilt()], ids=lambda t: type(t).__name__
)
def test_gradcheck(term):
    assert gradients_agree(term, targets64())


@pytest.mark.parametrize(
    "term", [PoseMixture(), PoseLimits(), PosePrior(), TorsoTilt()], ids=lambda t: type(t).__name__
)
def test_finite_at_the_zero_pose(term):
    parameters, wanted = leaves(standing())
    scene = FitState(open_body(), parameters, targets(), pose_rotvec=wanted[0])
    finite_gradient(term, scene, wanted)


@pytest.mark.parametrize(
    "term", [ShapePrior(), KnownHeight(1.7), PosePrior(), TorsoTilt(), PoseMixture(), PoseLimits()],
    ids=lambda t: type(t).__name__,
)  # fmt: skip
def test_rows_do_not_couple(term):
    pose, betas = 0.4 * torch.randn(3, 24, 3), torch.randn(3, 10)
    parameters = BodyParameters.from_rotvec(pose, betas, standing(3).transl)

    def value(rows):
        return term(FitState(open_body(), parameters[rows], targets(), pose_rotvec=pose[rows]))

    alone = torch.cat([value(slice(i, i + 1)) for i in range(3)])
    torch.testing.assert_close(value(slice(0, 3)), alone, rtol=1e-4, atol=1e-5)

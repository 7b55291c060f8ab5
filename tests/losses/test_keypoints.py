"""Keypoint terms: values by hand, robustness, gradients."""

import math

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.skeletons import COCO_17, SMPL_24, Skeleton
from render_fit.losses.fit_state import FitState
from render_fit.losses.keypoints import BoneDirections, KeypointReprojection, RegressedJoints, geman_mcclure
from tests.losses.factories import camera, finite_gradient, gradients_agree, leaves, moved, standing, targets, targets64


def keypoint_scene(parameters, error_px=(0.0, 0.0), confidence=None, **more) -> FitState:
    """COCO keypoints where a standing body has them, moved by ``error_px``."""
    exact = camera().project(open_body().keypoints(standing(), COCO_17)) + torch.tensor(error_px)
    confidence = torch.ones(1, 17) if confidence is None else confidence
    observed = targets(keypoints_px=exact, confidence=confidence, skeleton=COCO_17, **more)
    return FitState(open_body(), parameters, observed)


def test_geman_mcclure_by_hand():
    squared = torch.tensor([0.0, 1.0, 9.0, 1e12])
    # s² r² / (s² + r²) at s = 3
    torch.testing.assert_close(geman_mcclure(squared, 3.0), torch.tensor([0.0, 0.9, 4.5, 9.0]))


def test_reprojection_by_hand():
    # Every keypoint is 0.6 px off, which is 1.5 % of a person of 40 px, so r = σ:
    # ρ / 2σ² = s² / 2 (s² + σ²) = 0.01 / (2 · 0.010225) = 0.48900, 17 times.
    value = KeypointReprojection(scale=0.1, sigma=0.015)(keypoint_scene(standing(), (0.6, 0.0)))
    assert value.item() == pytest.approx(17 * 0.4889976, rel=1e-3)
    assert KeypointReprojection()(keypoint_scene(standing())).item() == pytest.approx(0.0, abs=1e-6)


def test_confidence_weighs():
    confidence = torch.zeros(1, 17)
    confidence[0, 3] = 0.25
    value = KeypointReprojection(scale=0.1, sigma=0.015)(keypoint_scene(standing(), (0.6, 0.0), confidence))
    assert value.item() == pytest.approx(0.25 * 0.4889976, rel=1e-3)


def test_only_some_joints():
    scene = keypoint_scene(standing(), (0.6, 0.0))
    value = KeypointReprojection(scale=0.1, sigma=0.015, joints=("left_hip", "right_hip"))(scene)
    assert value.item() == pytest.approx(2 * 0.4889976, rel=1e-3)


def pull(error_px: float) -> torch.Tensor:
    parameters, wanted = leaves(standing())
    return finite_gradient(KeypointReprojection(scale=0.1), keypoint_scene(parameters, (error_px, 0.0)), wanted)[
        2
    ].norm()


def test_outliers_are_bounded_and_annealing_tightens():
    far = keypoint_scene(standing(), (1e5, 0.0))
    bounds = [KeypointReprojection(scale=scale, sigma=0.015)(far).item() for scale in (0.5, 0.1)]
    # 17 s² / 2σ²
    assert bounds == pytest.approx([17 * 0.25 / 0.00045, 17 * 0.01 / 0.00045], rel=1e-3)
    near, distant = (pull(error) for error in (2.0, 40.0))
    assert distant < 0.1 * near


def test_nothing_seen_gives_zero_with_a_graph():
    parameters, wanted = leaves(standing())
    scene = keypoint_scene(parameters, (1e6, -1e6), torch.zeros(1, 17))
    gradients = finite_gradient(KeypointReprojection(), scene, wanted)
    assert KeypointReprojection()(scene).item() == 0.0
    assert all(not gradient.any() for gradient in gradients)


@pytest.mark.parametrize("transl", [(0.0, 0.3, -4.0), (0.0, 0.3, 0.0)], ids=["behind the camera", "around the camera"])
def test_finite_behind_the_camera(transl):
    parameters, wanted = leaves(standing(transl=transl))
    finite_gradient(KeypointReprojection(), keypoint_scene(parameters), wanted)


def test_rows_do_not_couple():
    states = standing(2)
    states.transl[1, 0] = 0.3
    together = KeypointReprojection()(keypoint_scene(states))
    assert together[0].item() == pytest.approx(0.0, abs=1e-6)
    alone = KeypointReprojection()(keypoint_scene(moved(standing(), (0.3, 0.0, 0.0))))
    assert together[1].item() == pytest.approx(alone.item(), rel=1e-5)


def test_gradcheck_reprojection():
    px = 32 + 10 * torch.randn(1, 17, 2)
    observed = targets64(keypoints_px=px, confidence=torch.rand(1, 17))
    assert gradients_agree(KeypointReprojection(scale=0.3), observed)


LEG = ("left_hip", "left_knee", "left_ankle")
THREE = Skeleton("three", LEG, LEG, edges=((0, 1), (1, 2)), approximate=frozenset(), source="")


def bone_scene(parameters, turned: float, confidence=(1.0, 1.0, 1.0)) -> FitState:
    """A leg seen as the standing body has it, its lower bone turned about the viewing axis by ``turned`` rad."""
    points = open_body().keypoints(standing(), THREE)
    points = 3 * (points - points[:, :1])  # proportions must not matter
    shin = points[:, 2] - points[:, 1]
    c, s = torch.cos(torch.tensor(turned)), torch.sin(torch.tensor(turned))
    turn = torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    points = torch.stack([points[:, 0], points[:, 1], points[:, 1] + shin @ turn.T], dim=1)
    observed = targets(keypoints_3d=points, confidence_3d=torch.tensor([confidence]), skeleton=THREE)
    return FitState(open_body(), parameters, observed)


def test_bone_directions_by_hand():
    term = BoneDirections(scale=0.7)
    assert term(bone_scene(standing(), 0.0)).item() == pytest.approx(0.0, abs=1e-9)
    # The shin is nearly vertical in the picture; turned by 60° about the viewing axis its chord is about 1:
    # 0.49 · 1 / 1.49, mean over two bones.
    assert term(bone_scene(standing(), torch.pi / 3)).item() == pytest.approx(0.49 / 1.49 / 2, rel=0.02)
    # a bone counts by the confidence of both ends
    assert term(bone_scene(standing(), torch.pi / 3, (1.0, 1.0, 0.0))).item() == pytest.approx(0.0, abs=1e-9)


def test_bone_directions_without_confidence():
    parameters, wanted = leaves(standing())
    gradients = finite_gradient(BoneDirections(), bone_scene(parameters, 1.0, (0.0, 0.0, 0.0)), wanted)
    assert all(not gradient.any() for gradient in gradients)


def test_bone_directions_ignore_size_and_place():
    there = moved(standing(), (1.0, -0.5, 3.0))
    assert BoneDirections()(bone_scene(there, 0.4)).item() == pytest.approx(
        BoneDirections()(bone_scene(standing(), 0.4)).item(), rel=1e-4
    )


def test_gradcheck_bone_directions():
    observed = targets64(keypoints_3d=torch.randn(1, 17, 3), confidence_3d=torch.rand(1, 17))
    assert gradients_agree(BoneDirections(), observed)


def believed(away_m: float = 0.0, spread_m: float = 0.1, log: tuple[float, float] = (-0.1, -2.4)):
    """Two hypotheses: the standing body with its joints so far away in depth, and one that is 2 m off."""
    joints = open_body().keypoints(standing(), SMPL_24)
    joints = joints - joints[:, :1]
    moved_away = joints + torch.tensor([0.0, 0.0, away_m])
    return targets(
        predicted_joints=torch.stack([moved_away, joints + 2.0], dim=1),
        predicted_joint_error=torch.full((1, 2, 24), spread_m),
        predicted_log_prob=torch.tensor([log]),
    )


def test_regressed_joints_by_hand():
    term = RegressedJoints(smooth_m=0.01)
    # At the hypothesis: log s, and its share of the probability over 23 joints; the other is too far to count.
    assert term(FitState(open_body(), standing(), believed())).item() == pytest.approx(
        math.log(0.1) + 0.1 / 23, rel=1e-4
    )
    # 20 cm off, where 10 cm are expected: sqrt(0.04 + 0.0001) - 0.01 = 0.19025
    off = term(FitState(open_body(), standing(), believed(0.2))).item()
    assert off == pytest.approx(math.log(0.1) + 0.1 / 23 + 1.9025, rel=1e-4)
    # Who is less sure pulls less.
    unsure = [term(FitState(open_body(), standing(), believed(away, 0.4))).item() for away in (0.0, 0.2)]
    assert unsure[1] - unsure[0] == pytest.approx(0.19025 / 0.4, rel=1e-3)


def test_regressed_joints_do_not_care_where_in_the_world():
    there = moved(standing(), (1.0, -0.5, 3.0))
    values = [RegressedJoints()(FitState(open_body(), body, believed(0.1))).item() for body in (there, standing())]
    assert values[0] == pytest.approx(values[1], rel=1e-4)


def test_gradcheck_regressed_joints():
    observed = targets64(
        predicted_joints=torch.randn(1, 2, 24, 3) * 0.3,
        predicted_joint_error=torch.rand(1, 2, 24) + 0.05,
        predicted_log_prob=torch.tensor([[-0.5, -0.9]]),
    )
    assert gradients_agree(RegressedJoints(), observed)


@pytest.mark.parametrize(
    ("term", "said"),
    [
        (KeypointReprojection(), "keypoints: "),
        (BoneDirections(), "keypoints_3d"),
        (RegressedJoints(), "predicted_joints"),
    ],
)
def test_nothing_observed_is_said_clearly(term, said):
    with pytest.raises(ValueError, match=said):
        term(FitState(open_body(), standing(), targets()))

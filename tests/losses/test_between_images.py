"""Terms between the images of one person."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.errors import InputError
from render_fit.losses.between_images import HeldPose, ImagesOfOne, SmoothMotion, StandingFeet, make_between_term
from render_fit.losses.parameters import standing_height


def images(trans: torch.Tensor, pose: torch.Tensor | None = None, fps: float | None = 30.0) -> ImagesOfOne:
    """Bodies at places (N, 3), in poses (N, 24, 3) of which the first joint is the global rotation."""
    n = len(trans)
    pose = torch.zeros(n, 24, 3) if pose is None else pose
    parameters = BodyParameters.from_rotvec(pose, torch.zeros(n, 10), trans)
    local = torch.cat([torch.zeros(n, 1, 3), pose[:, 1:]], dim=1)
    return ImagesOfOne(open_body(), parameters, local, None if fps is None else torch.arange(n) / fps)


STILL = torch.tensor([0.0, 0.0, 3.0]).expand(8, 3)
STEPS = torch.arange(8.0)[:, None]


def test_motion_at_constant_speed_costs_nothing():
    walking = STILL + STEPS * torch.tensor([0.04, 0.0, 0.0])
    turning = torch.zeros(8, 24, 3)
    turning[:, 0, 1] = 0.1 * STEPS[:, 0]
    turning[:, 17, 0] = 0.05 * STEPS[:, 0]
    assert float(SmoothMotion()(images(walking))) == pytest.approx(0, abs=0.05)
    # joints of a turning body are accelerated a little, its rotations are not
    assert float(SmoothMotion(joint_m_s2=1e6)(images(STILL, turning))) == pytest.approx(0, abs=0.05)


def test_jitter_costs_and_more_the_larger_it_is():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(8, 3, generator=generator)
    costs = [float(SmoothMotion()(images(STILL + size * noise))) for size in (0.0, 0.005, 0.02)]
    assert costs[0] == pytest.approx(0, abs=1e-3) and 0 < costs[1] < costs[2]


def test_frames_need_not_be_equally_far_apart():
    times = torch.tensor([0.0, 0.1, 0.3, 0.35, 0.6, 0.7, 0.75, 1.0])
    given = images(STILL + times[:, None] * torch.tensor([1.0, 0.0, 0.0]))
    uneven = ImagesOfOne(given.body, given.parameters, given.pose_rotvec, times)
    assert float(SmoothMotion()(uneven)) == pytest.approx(0, abs=0.05)


def test_a_standing_foot_is_held_and_a_moving_one_is_free():
    term = StandingFeet()
    drift = term(images(STILL + STEPS * torch.tensor([0.002, 0.0, 0.0])))  # 6 cm/s
    fast, faster = (term(images(STILL + STEPS * torch.tensor([step, 0.0, 0.0]))) for step in (0.05, 0.1))
    assert 0 < float(drift) < 0.2 * float(fast)
    assert float(faster) == pytest.approx(float(fast), rel=1e-3)


def test_a_held_pose_costs_only_its_spread_and_hands_are_free():
    pose = torch.zeros(8, 24, 3)
    pose[:, 18] = 0.7
    assert float(HeldPose()(images(STILL, pose))) == pytest.approx(0, abs=1e-6)
    pose[3, 22] = 1.0  # a hand
    assert float(HeldPose()(images(STILL, pose))) == pytest.approx(0, abs=1e-6)
    pose[3, 18, 0] += 0.2
    assert float(HeldPose(sigma=0.1)(images(STILL, pose))) == pytest.approx(0.5 * 0.2**2 * 7 / 8 / 0.1**2, rel=1e-4)


@pytest.mark.parametrize("term", [HeldPose(), SmoothMotion(), StandingFeet()])
def test_gradients_agree_with_differences(term):
    generator = torch.Generator().manual_seed(2)
    trans = STILL + 0.02 * torch.randn(8, 3, generator=generator)
    pose = 0.3 * torch.randn(8, 24, 3, generator=generator)
    move = 1e-3 * torch.randn(8, 24, 3, generator=generator)
    pose.requires_grad_(True)
    (gradient,) = torch.autograd.grad(term(images(trans, pose)), pose)
    with torch.no_grad():
        ahead, behind = term(images(trans, pose + move)), term(images(trans, pose - move))
    assert float(ahead - behind) / 2 == pytest.approx(float((gradient * move).sum()), rel=0.03)


def test_without_times_there_is_no_motion():
    assert float(SmoothMotion()(images(STILL, fps=None))) == 0 == float(StandingFeet()(images(STILL, fps=None)))


def test_an_unknown_term_is_a_mistake():
    with pytest.raises(InputError, match="smooth_motion"):
        make_between_term("smoth_motion")


@pytest.mark.parametrize("term", [SmoothMotion(), StandingFeet()], ids=lambda term: type(term).__name__)
def test_a_small_person_nearby_and_a_tall_one_further_away_cost_the_same(term):
    given = moving_at_random()
    height_m, per_beta_m = standing_height(given.body)
    costs = []
    for size in (0.9, 1.0, 1.1):
        betas = torch.zeros(8, 10)
        betas[:, 0] = (size - 1) * height_m / per_beta_m[0]
        scaled = replace(given, parameters=replace(given.parameters, betas=betas))
        scaled.__dict__["joints"] = size * given.joints  # of a body whose whole template is scaled about the camera
        costs.append(float(term(scaled)))
    assert costs[1] > 1
    assert costs == pytest.approx([costs[1]] * 3, rel=1e-4)


def moving_at_random() -> ImagesOfOne:
    generator = torch.Generator().manual_seed(0)
    return images(
        STILL + 0.01 * torch.randn(8, 3, generator=generator), 0.1 * torch.randn(8, 24, 3, generator=generator)
    )

"""The pose priors as terms: each looks at the joints that its prior is about, and minds a knee bent backwards."""

import math

import pytest
import torch

from render_fit.bodies import BodyParameters
from render_fit.core.skeletons import SMPL_24
from render_fit.losses.priors import hinge_penalty, load_adversarial_prior, load_pose_vae
from render_fit.losses.registry import make_term
from render_fit.synthesis import everyday_pose
from render_fit.synthesis.poses.bank import PoseBank
from tests.losses.factories import at, targets

NAMES = ("pose_vae", "pose_latent", "pose_adversarial", "shape_adversarial", "pose_hinges")


def scene(pose: torch.Tensor, betas: torch.Tensor | None = None):
    upright = pose.clone()
    upright[:, 0] = torch.tensor([math.pi, 0.0, 0.0])
    count = len(pose)
    shape = torch.zeros(count, 10) if betas is None else betas
    return at(targets(), BodyParameters.from_rotvec(upright, shape, torch.tensor([[0.0, 0.3, 4.0]]).repeat(count, 1)))


def usual() -> torch.Tensor:
    return torch.stack([everyday_pose(name) for name in ("standing", "walking", "waving")])


@pytest.mark.parametrize("name", NAMES)
def test_one_value_per_state_and_none_couple(name):
    term, pose = make_term(name, {}), usual()
    together = term(scene(pose))
    assert together.shape == (3,) and together.isfinite().all()
    alone = torch.cat([term(scene(one[None])) for one in pose])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["pose_vae", "pose_adversarial", "pose_hinges"])
def test_a_knee_bent_backwards_costs(name):
    term, pose = make_term(name, {}), PoseBank.from_prior(40).pose
    broken = pose.clone()
    broken[:, SMPL_24.index("left_knee")] = torch.tensor([-1.2, 0.0, 0.0])
    assert (term(scene(broken)) > term(scene(pose))).float().mean() > 0.9


@pytest.mark.parametrize("name", ["pose_vae", "pose_latent", "pose_hinges"])
def test_hands_and_the_whole_bodys_turn_do_not_matter(name):
    term, pose = make_term(name, {}), usual()
    turned = pose.clone()
    turned[:, 22:] = 0.8
    torch.testing.assert_close(term(scene(turned)), term(scene(pose)), rtol=1e-4, atol=1e-3)


def test_terms_are_their_priors():
    pose = usual()
    here, body = scene(pose), pose[:, 1:22].flatten(1)
    torch.testing.assert_close(make_term("pose_vae", {})(here), load_pose_vae()(body), rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(make_term("pose_hinges", {})(here), hinge_penalty(body), rtol=1e-4, atol=1e-4)
    judged = load_adversarial_prior().score(here.parameters.rotations[:, 1:], here.parameters.betas)
    off = (judged - 1).square()
    torch.testing.assert_close(make_term("pose_adversarial", {})(here), off[:, :23].mean(1) + off[:, 23])
    torch.testing.assert_close(make_term("shape_adversarial", {})(here), off[:, 24])


def test_shapes_far_out_cost_and_may_have_fewer_coefficients():
    term, pose = make_term("shape_adversarial", {}), usual()[:2]
    betas = torch.zeros(2, 10)
    betas[1, 0] = 5.0
    value = term(scene(pose, betas))
    assert value[1] > value[0] + 0.1
    torch.testing.assert_close(term(scene(pose, betas[:, :4])), value)

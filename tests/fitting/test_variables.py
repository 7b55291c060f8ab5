"""The solvers' coordinates: they say what they mean, and no state changes on the way."""

import math
from dataclasses import replace

import pytest
import roma
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.core.cameras import camera_from_focal
from render_fit.fitting.variables import SCALES, SKELETAL, Variables
from render_fit.losses.priors import load_pose_vae


def some(n: int = 3) -> BodyParameters:
    pose = 0.4 * torch.randn(n, 24, 3)
    pose[:, 0] = torch.tensor([3.0, 0.2, 0.1])
    transl = torch.tensor([0.2, -0.1, 3.0]) + 0.3 * torch.randn(n, 3)
    return BodyParameters.from_rotvec(pose, torch.randn(n, 10), transl)


def test_round_trip_of_parameters():
    parameters = some()
    back = Variables.from_parameters(open_body(), parameters).parameters(open_body())
    torch.testing.assert_close(back.rotations, parameters.rotations, atol=1e-5, rtol=0)
    torch.testing.assert_close(back.transl, parameters.transl, atol=1e-5, rtol=0)
    assert torch.equal(back.betas, parameters.betas)
    assert back.offsets is None


def test_position_moves_and_scales_the_picture():
    """x/z and y/z move the pelvis by the focal length in pixels; 1 in log depth is a factor e."""
    body, camera = open_body(), camera_from_focal(500.0, 400, 400)
    start = Variables.from_parameters(body, some(1))
    pelvis = body(start.parameters(body)).joints[0, 0]
    torch.testing.assert_close(
        start.position[0], torch.stack([pelvis[0] / pelvis[2], pelvis[1] / pelvis[2], pelvis[2].log()])
    )
    for change, expected in (
        ((0.1, 0.0, 0.0), (50.0, 0.0)),
        ((0.0, 0.02, 0.0), (0.0, 10.0)),
        ((0.0, 0.0, 0.5), (0.0, 0.0)),
    ):
        moved = start.with_values({"position": start.position + torch.tensor(change)})
        joint = body(moved.parameters(body)).joints[:, :1]
        shift = camera.project(joint)[0, 0] - camera.project(pelvis[None, None])[0, 0]
        torch.testing.assert_close(shift, torch.tensor(expected), atol=1e-3, rtol=0)
        assert joint[0, 0, 2].item() == pytest.approx(pelvis[2].item() * math.exp(change[2]), rel=1e-5)


def test_a_longer_lens_keeps_the_size_in_the_picture_and_becomes_part_of_the_camera():
    body, camera = open_body(), camera_from_focal(500.0, 400, 400)
    start = Variables.from_parameters(body, some(2))
    longer = replace(start, focal=torch.full((2, 1), math.log(1.5)))
    pelvis, moved = (body(state.parameters(body)).joints[:, :1] for state in (start, longer))
    zoomed = camera.expand(2).zoomed(longer.focal_ratio)
    assert zoomed.K[0].diagonal().tolist() == pytest.approx([750.0, 750.0, 1.0])
    assert (float(zoomed.K[0, 0, 2]), float(zoomed.K[0, 1, 2])) == (200.0, 200.0)
    torch.testing.assert_close(zoomed.project(moved), camera.expand(2).project(pelvis), atol=1e-3, rtol=0)
    torch.testing.assert_close(moved[..., 2], 1.5 * pelvis[..., 2])
    absorbed = longer.with_focal_in_position()
    assert absorbed.focal is None
    torch.testing.assert_close(absorbed.parameters(body).transl, longer.parameters(body).transl)


def test_shape_does_not_move_the_pelvis():
    body = open_body()
    start = Variables.from_parameters(body, some(1))
    tall = start.with_values({"betas": start.betas + 1.0})
    torch.testing.assert_close(
        body(tall.parameters(body)).joints[:, 0], body(start.parameters(body)).joints[:, 0], atol=1e-5, rtol=0
    )


def test_orient_turns_in_camera_axes_and_recentring_changes_nothing():
    start = Variables.from_parameters(open_body(), some())
    turned = start.with_values({"orient": torch.tensor([0.0, 0.0, 0.5]).expand(3, 3)})
    expected = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, 0.5])) @ start.orient_start
    torch.testing.assert_close(turned.parameters(open_body()).rotations[:, 0], expected)
    recentred = turned.recentred()
    assert not recentred.orient.any()
    torch.testing.assert_close(
        recentred.parameters(open_body()).rotations, turned.parameters(open_body()).rotations, atol=1e-6, rtol=0
    )
    # priors see the body pose only, never the global rotation
    assert not turned.pose_rotvec[:, 0].any()


def test_clothing_is_kept_apart_from_free_offsets():
    body, basis = open_body(), clothing_basis(open_body())
    bare = Variables.from_parameters(body, some(1))
    coefficients, free = torch.zeros(1, 48), torch.full((1, body.n_vertices, 3), 0.001)
    coefficients[0, 0] = 1.0
    smooth = bare.with_values({"clothing": coefficients})
    both = smooth.with_values({"offsets": free})
    assert bare.parameters(body, basis).offsets is None
    torch.testing.assert_close(smooth.parameters(body, basis).offsets, basis(coefficients))
    worn, still = both.parameters(body, basis).offsets[0], basis.fixed
    torch.testing.assert_close(worn[~still], (basis(coefficients) + free)[0, ~still])
    assert still.any() and not worn[still].any()  # nobody wears anything on face and hands
    for variables in (smooth, both):
        assert torch.equal(variables.parameters(body, basis).betas, bare.betas)


def test_batches_split_and_join():
    variables = Variables.from_parameters(open_body(), some(4))
    again = variables[:1].joined(variables[torch.tensor([1, 2, 3])])
    assert len(again) == 4
    there = set(SKELETAL) - {"latent", "focal"}
    for name in (*there, "orient_start"):
        assert torch.equal(getattr(again, name), getattr(variables, name))
    assert set(variables.free(SCALES)) == there


def test_a_latent_vector_is_the_pose_and_hands_stay():
    vae, start = load_pose_vae(), Variables.from_parameters(open_body(), some())
    state = start.encoded(vae)
    assert state.latent is not None and state.latent.shape == (3, 32)
    decoded = vae.decode(state.latent)
    torch.testing.assert_close(roma.rotvec_to_rotmat(state.pose[:, :21]), decoded, atol=1e-5, rtol=0)
    assert torch.equal(state.pose[:, 21:], start.pose[:, 21:])
    moved = state.with_values({"latent": state.latent + 0.5})
    torch.testing.assert_close(
        moved.parameters(open_body()).rotations[:, 1:22], vae.decode(state.latent + 0.5), atol=1e-5, rtol=0
    )
    assert moved.encoded(vae) is moved  # where it already is, nothing is lost by encoding again
    assert "latent" in moved.free(SCALES)


def test_a_pose_that_moves_by_itself_leaves_the_latent_vector():
    vae, start = load_pose_vae(), Variables.from_parameters(open_body(), some())
    state = start.encoded(vae)
    moved = state.with_values({"pose": start.pose})
    assert moved.latent is None and torch.equal(moved.pose, start.pose)
    joined = state[:1].joined(start[1:])
    assert len(joined) == 3 and joined.latent is None
    assert torch.equal(joined.pose, torch.cat([state.pose[:1], start.pose[1:]]))
    both = state[:1].joined(state[1:])
    assert both.latent is not None and torch.equal(both.latent, state.latent)


def test_the_gradient_reaches_the_latent_vector():
    body, vae = open_body(), load_pose_vae()
    state = Variables.from_parameters(body, some(1)).encoded(vae)
    latent = state.latent.clone().requires_grad_(True)
    joints = body.kinematics(state.with_values({"latent": latent}).parameters(body)).joints
    (gradient,) = torch.autograd.grad(joints.square().sum(), latent)
    step = 1e-2 * torch.nn.functional.normalize(gradient)
    around = (state.with_values({"latent": latent.detach() + s}).parameters(body) for s in (step, -step))
    up, down = (float(body.kinematics(parameters).joints.square().sum()) for parameters in around)
    assert (up - down) / 2e-2 == pytest.approx(float(gradient.norm()), rel=1e-2)


def test_gradients_reach_every_variable():
    body, basis = open_body(), clothing_basis(open_body())
    start = Variables.from_parameters(body, some(1))
    start = start.with_values({"clothing": torch.zeros(1, 48), "offsets": torch.zeros(1, body.n_vertices, 3)})
    moving = {name: value.clone().requires_grad_(True) for name, value in start.free(SCALES).items()}
    vertices = body(start.with_values(moving).parameters(body, basis)).vertices
    gradients = torch.autograd.grad((vertices * torch.randn_like(vertices)).sum(), list(moving.values()))
    for name, gradient in zip(moving, gradients, strict=True):
        assert gradient.isfinite().all() and gradient.abs().max() > 0, name

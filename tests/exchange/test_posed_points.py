"""Derivatives of posed points against finite differences, and points against the body's own."""

import torch

from render_fit.bodies import Body, BodyParameters, open_body
from render_fit.core.rotations import roma
from render_fit.exchange.posed_points import BodySurface, Posed, posed_points, posed_vertices


def state_of(body: Body, seed: int = 0) -> Posed:
    generator = torch.Generator().manual_seed(seed)
    pose = 0.4 * torch.randn(len(body.joint_names), 3, generator=generator, dtype=torch.float64)
    betas = torch.randn(body.n_betas, generator=generator, dtype=torch.float64)
    transl = torch.tensor([0.1, -0.2, 3.0], dtype=torch.float64)
    return Posed(roma.rotvec_to_rotmat(pose), betas, transl)


def test_points_are_the_bodys():
    body = open_body()
    state = state_of(body)
    parameters = BodyParameters(state.rotations[None].float(), state.shape[None].float(), state.transl[None].float())
    expected = body(parameters).vertices[0].double()
    surface, some = BodySurface(body), torch.tensor([0, 17, 4000, 6998])
    torch.testing.assert_close(posed_vertices(surface, state), expected, atol=2e-6, rtol=0)
    torch.testing.assert_close(posed_points(surface, state, some)[0], expected[some], atol=2e-6, rtol=0)


def test_derivatives_are_those_of_finite_differences():
    body = open_body()
    surface, state, some = BodySurface(body), state_of(body), torch.tensor([3, 1234, 5000])
    points, jacobian = posed_points(surface, state, some)
    assert jacobian.shape == (3, 3, 3 + 72 + 10)
    for column in range(jacobian.shape[-1]):
        step = torch.zeros(jacobian.shape[-1], dtype=torch.float64)
        step[column] = 1e-6
        moved = posed_points(surface, state.moved(step), some)[0]
        torch.testing.assert_close(jacobian[..., column], (moved - points) / 1e-6, atol=1e-5, rtol=0)


def test_pose_correctives_shape_the_zero_pose():
    body = open_body()
    body.posedirs = 1e-3 * torch.randn(body.n_vertices, 3, 9 * 23)
    state = state_of(body, seed=1)
    parameters = BodyParameters(state.rotations[None].float(), state.shape[None].float(), state.transl[None].float())
    expected = body(parameters).vertices[0].double()
    torch.testing.assert_close(posed_vertices(BodySurface(body), state), expected, atol=1e-5, rtol=0)

"""Poses that are far from the zero pose, from points that belong together alone."""

import pytest
import torch

from render_fit.bodies import Body, open_body
from render_fit.core.rotation_metrics import rotation_error
from render_fit.core.rotations import roma
from render_fit.exchange.conversion import convert
from render_fit.exchange.posed_points import BodySurface, Posed, posed_vertices
from render_fit.exchange.registration import by_bone
from render_fit.exchange.sources import SourceSurface

TURNED = (1, 2, 4, 5, 16, 17, 18, 19)
"""Hips, knees, shoulders and elbows."""


@pytest.fixture(scope="module")
def body() -> Body:
    return open_body()


def someone(body: Body, seed: int) -> Posed:
    """A person of some shape whose large joints and whole body are turned by 1.5 to 2.2 rad about any axis."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.nn.functional.normalize(torch.randn(24, 3, generator=generator, dtype=torch.float64), dim=-1)
    angles = 0.15 * torch.rand(24, 1, generator=generator, dtype=torch.float64)
    angles[list((0, *TURNED))] = 1.5 + 0.7 * torch.rand(len(TURNED) + 1, 1, generator=generator, dtype=torch.float64)
    betas = 1.5 * torch.randn(body.n_betas, generator=generator, dtype=torch.float64)
    return Posed(roma.rotvec_to_rotmat(angles * axes), betas, torch.tensor([0.1, -0.2, 3.0], dtype=torch.float64))


@pytest.mark.parametrize("seed", range(4))
def test_each_bone_is_turned_as_its_points_are(body: Body, seed: int):
    surface, true = BodySurface(body), someone(body, seed)
    found = by_bone(surface, torch.arange(body.n_vertices), posed_vertices(surface, true))
    joints = list(TURNED)
    apart = rotation_error(found.rotations[None, joints], true.rotations[None, joints])
    assert float(apart.rad2deg().mean()) < 25  # by the shape of an average person; turned as a whole: about 100


@pytest.mark.parametrize("seed", range(4))
def test_a_mesh_without_a_pose_is_converted_exactly_in_any_pose(body: Body, seed: int):
    vertices = posed_vertices(BodySurface(body), someone(body, seed))
    converted = convert(SourceSurface("open", vertices, None, None, {}), "open")
    assert converted.corresponding and converted.max_mm < 2


def test_joints_without_points_follow_their_parents(body: Body):
    surface, true = BodySurface(body), someone(body, 0)
    trunk = torch.isin(surface.weights.argmax(1), torch.tensor([0, 3, 6, 9])).nonzero()[:, 0]
    found = by_bone(surface, trunk, posed_vertices(surface, true)[trunk])
    eye = torch.eye(3, dtype=torch.float64).expand(8, 3, 3)
    assert torch.allclose(found.rotations[list(TURNED)], eye, atol=1e-9)

"""Image Jacobians: rows against automatic and numerical derivatives of renderings."""

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.cameras import camera_from_focal
from render_fit.losses.targets import targets_from
from render_fit.renderers import CpuRenderer, RenderSettings
from render_fit.synthesis import everyday_pose, synthetic_scene


@pytest.fixture(scope="module")
def drawn():
    """A person at 96², silhouette and parts, with its vertices and camera."""
    body = open_body()
    scene = synthetic_scene(body, everyday_pose("striding"), seed=1, yaw_rad=0.5)
    vertices = body(scene.parameters).vertices.detach().double().requires_grad_(True)
    camera = targets_from(scene.observation(), scene.camera, 96, 0.1).camera
    outputs = ("silhouette", "parts")
    settings = RenderSettings(sigma_px=1.5)
    picture = CpuRenderer()(vertices, body.faces, camera, settings, face_parts=body.face_parts, outputs=outputs)
    return vertices, camera, picture


def in_vertices(pull, vertices, camera):
    """Gradient with respect to the vertices, from the gradient with respect to projected vertices (V, 2)."""
    return torch.autograd.grad((camera.to(vertices).project(vertices) * pull).sum(), vertices)[0]


@pytest.mark.parametrize("what", ["silhouette", "parts"])
def test_rows_are_the_gradient_pixel_by_pixel(drawn, what):
    """Random weights on all pixels: the weighted sum of rows is the gradient by automatic differentiation.

    Pixels too far from a line to have a row move by less than 0.2 % of the line's own: 1 % in the sum.
    """
    vertices, camera, picture = drawn
    image = getattr(picture, what)
    weights = torch.randn_like(image)
    expected = torch.autograd.grad((image * weights).sum(), vertices, retain_graph=True)[0]
    motion = picture.motion()
    if what == "silhouette":
        rows = motion.values(weights) * motion.silhouette
    else:
        rows = (weights.flatten(2).movedim(1, 2)[motion.image, motion.pixel] * motion.parts).sum(dim=1)
    pull = torch.zeros(vertices.shape[1], 2, dtype=torch.float64)
    pull.index_add_(0, motion.vertices.flatten(), (rows[:, None, None] * motion.slopes).flatten(0, 1))
    found = in_vertices(pull, vertices, camera)
    assert (found - expected).norm() < 0.01 * expected.norm()


def test_edge_tensors_are_sums_of_squares(drawn):
    """vᵀ T v of all edges is the sum of the squared changes of the rows under a motion v of the vertices."""
    vertices, _, picture = drawn
    motion = picture.motion()
    weights = torch.rand(len(motion), dtype=torch.float64)
    edges, tensors = motion.edge_tensors(weights)
    moved = torch.randn(vertices.shape[1], 2, dtype=torch.float64)
    by_edge = moved[edges].flatten(1)
    found = torch.einsum("ei,eij,ej->", by_edge, tensors, by_edge)
    expected = (weights * (motion.slopes * moved[motion.vertices]).sum(dim=(1, 2)).square()).sum()
    torch.testing.assert_close(found, expected)
    assert len(edges.unique(dim=0)) == len(edges)


def test_neighbours_of_pixels(drawn):
    motion = drawn[2].motion()
    height, width = drawn[2].silhouette.shape[1:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x_beside, y_beside = motion.beside(x[None]), motion.beside(y[None])
    own_x, own_y = motion.values(x[None]), motion.values(y[None])
    assert torch.equal(x_beside[0], (own_x + 1).clamp(max=width - 1))
    assert torch.equal(x_beside[1], (own_x - 1).clamp(min=0))
    assert torch.equal(y_beside[2], (own_y + 1).clamp(max=height - 1))
    assert torch.equal(y_beside[3], (own_y - 1).clamp(min=0))


def test_softras_and_depth_have_no_image_jacobian(drawn):
    vertices, camera, _ = drawn
    faces = open_body().faces
    soft = CpuRenderer()(vertices, faces, camera, RenderSettings(silhouette="softras"))
    hard = CpuRenderer()(vertices, faces, camera, RenderSettings(), outputs=("depth",))
    assert soft.motion is None and hard.motion is None


def test_softras_silhouettes_have_none():
    body = open_body()
    camera = camera_from_focal(60.0, 32, 32)
    vertices = body.v_template[None] + torch.tensor([0.0, 0.0, 4.0])
    settings = RenderSettings(silhouette="softras", part_borders="contour")
    picture = CpuRenderer()(
        vertices, body.faces, camera, settings, face_parts=body.face_parts, outputs=("silhouette", "parts")
    )
    assert picture.motion is None

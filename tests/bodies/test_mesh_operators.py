"""Surface operators on shapes with known values."""

import numpy as np
import torch
import trimesh

from render_fit.bodies import Body
from render_fit.bodies.mesh_operators import cotangent_laplacian, mirror_vertices, uniform_laplacian, vertex_normals


def test_normals_of_a_sphere_point_outward() -> None:
    sphere = trimesh.creation.icosphere(3)
    vertices, faces = torch.tensor(np.array(sphere.vertices)), torch.tensor(np.array(sphere.faces), dtype=torch.int64)
    normals = vertex_normals(vertices, faces)
    assert (normals * vertices).sum(-1).min() > 0.999


def test_first_vibration_of_a_unit_sphere() -> None:
    """The sphere's Laplacian has the coordinates as eigenfunctions, with eigenvalue l (l + 1) = 2."""
    sphere = trimesh.creation.icosphere(4)
    laplacian, mass = cotangent_laplacian(np.array(sphere.vertices), np.array(sphere.faces))
    x = np.array(sphere.vertices)[:, 0]
    np.testing.assert_allclose((x @ laplacian @ x) / (x @ mass @ x), 2.0, rtol=0.01)
    np.testing.assert_allclose(mass.diagonal().sum(), 4 * np.pi, rtol=0.01)
    np.testing.assert_allclose(laplacian @ np.ones(len(x)), 0, atol=1e-9)


def test_uniform_laplacian_is_the_difference_to_the_neighbours_mean() -> None:
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    laplacian = uniform_laplacian(faces, 4).to_dense()
    expected = torch.tensor(
        [[1, -1 / 3, -1 / 3, -1 / 3], [-1 / 2, 1, -1 / 2, 0], [-1 / 3, -1 / 3, 1, -1 / 3], [-1 / 2, 0, -1 / 2, 1]]
    )
    torch.testing.assert_close(laplacian, expected)


def test_the_open_body_mirrors_onto_itself(body: Body) -> None:
    mirror = mirror_vertices(body.v_template)
    assert torch.equal(mirror[mirror], torch.arange(body.n_vertices))
    flipped = body.v_template[mirror] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(flipped, body.v_template, atol=1e-6, rtol=0)

"""The tape on solids of known size: hulls of cuts, loops of one limb, stretched tapes, rays, volumes."""

import math

import numpy as np
import pytest
import torch
import trimesh

from render_fit.measurements.landmarks import ray_hit
from render_fit.measurements.tape import closed_length, cut, cut_points, open_length, stretched
from render_fit.measurements.volume import enclosed_volume


def edges_of(faces):
    pairs = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, of_faces = np.unique(pairs, axis=0, return_inverse=True)
    return edges, of_faces.reshape(-1, 3)


def loop_of(mesh, origin, normal, inside=None):
    normal = np.asarray(normal, float) / np.linalg.norm(normal)
    origin = np.asarray(origin, float)
    inside = origin if inside is None else np.asarray(inside, float)
    return cut(np.asarray(mesh.vertices), *edges_of(np.asarray(mesh.faces)), origin, normal, inside)


def prism(outline, height=2.0):
    """A prism along z over a polygon that is star-shaped about the origin, closed by fans."""
    outline = np.asarray(outline, float)
    n = len(outline)
    rings = [np.column_stack([outline, np.full(n, z)]) for z in (0.0, height)]
    vertices = np.concatenate([*rings, [[0, 0, 0.0], [0, 0, height]]])
    here, after = np.arange(n), (np.arange(n) + 1) % n
    sides = np.concatenate([np.stack([here, after, after + n], 1), np.stack([here, after + n, here + n], 1)])
    ends = np.concatenate([
        np.stack([after, here, np.full(n, 2 * n)], 1), np.stack([here + n, after + n, np.full(n, 2 * n + 1)], 1),
    ])  # fmt: skip
    return trimesh.Trimesh(vertices, np.concatenate([sides, ends]), process=False)


def test_the_girth_of_a_cylinder():
    angles = 2 * math.pi * np.arange(180) / 180
    cylinder = prism(0.3 * np.stack([np.cos(angles), np.sin(angles)], 1))
    perimeter = 180 * 2 * 0.3 * math.sin(math.pi / 180)  # of the regular polygon; 0.1 mm less than that of the circle
    assert loop_of(cylinder, (0, 0, 0.7), (0, 0, 1)).girth() == pytest.approx(perimeter, rel=1e-9)
    # a plane inclined by 30° cuts an ellipse with semi-axes 0.3 and 0.3 / cos 30°, here by Ramanujan's formula
    a, b = 0.3, 0.3 / math.cos(math.pi / 6)
    ratio = 3 * ((a - b) / (a + b)) ** 2
    ellipse = math.pi * (a + b) * (1 + ratio / (10 + math.sqrt(4 - ratio)))
    inclined = loop_of(cylinder, (0, 0, 1.0), (math.sin(math.pi / 6), 0, math.cos(math.pi / 6)))
    assert inclined.girth() == pytest.approx(ellipse, abs=2e-4)


def test_a_tape_bridges_hollows():
    square_with_dent = [(1, 1), (0, 0.2), (-1, 1), (-1, -1), (1, -1)]
    loop = loop_of(prism(square_with_dent), (0, 0, 1), (0, 0, 1))
    assert loop.girth() == pytest.approx(8)
    # the corners in order have the same length, and the dent is not among them
    hull = loop.points[loop.hull()]
    assert float(closed_length(torch.from_numpy(hull))) == pytest.approx(8)
    assert not np.isclose(hull[:, 1], 0.2).any()


def test_the_loop_is_that_of_one_limb():
    left, right = trimesh.creation.box((1, 1, 4)), trimesh.creation.box((2, 2, 4))
    left.apply_translation((-3, 0, 0))
    both = trimesh.util.concatenate([left, right])
    assert loop_of(both, (-3, 0, 0.1), (0, 0, 1)).girth() == pytest.approx(4)
    assert loop_of(both, (0, 0, 0.1), (0, 0, 1)).girth() == pytest.approx(8)
    found = loop_of(both, (0, 0, 0.1), (0, 0, 1), inside=(-3.4, 0.4, 1.0))  # a point in the limb, of another level
    assert found.girth() == pytest.approx(4)
    assert found.surrounds(np.array([-3.0, 0.2, 5.0])) and not found.surrounds(np.zeros(3))
    assert loop_of(both, (-1.8, 0, 0.1), (0, 0, 1)).girth() == pytest.approx(4)  # in none: the nearest
    assert loop_of(both, (0, 0, 9), (0, 0, 1)) is None


def test_points_of_a_cut_follow_vertices_and_plane():
    ends = torch.randn(6, 2, 3, dtype=torch.float64)
    ends[:, 0, 2], ends[:, 1, 2] = -1.0 - ends[:, 0, 2].abs(), 1.0 + ends[:, 1, 2].abs()
    origin, normal = torch.zeros(3, dtype=torch.float64), torch.tensor([0.1, -0.2, 1.0], dtype=torch.float64)
    points = cut_points(ends, origin, normal)
    assert ((points - origin) @ normal).abs().max() < 1e-12
    given = [tensor.requires_grad_(True) for tensor in (ends, origin, normal)]
    assert torch.autograd.gradcheck(lambda *values: closed_length(cut_points(*values)), given)
    assert float(open_length(torch.tensor([[0.0, 0, 0], [3, 4, 0], [3, 4, 2]]))) == 7.0


def test_a_stretched_tape_leaves_hollows_and_the_other_side():
    curve = np.array([(1.0, 1.0), (2.0, 0.4), (3.0, 1.0), (2.0, -5.0), (7.0, 3.0)])
    start, end = np.array([0.0, 0.0]), np.array([4.0, 0.0])
    assert stretched(curve, start, end, 1).tolist() == [0, 2]
    assert stretched(curve, start, end, -1).tolist() == [3]
    assert stretched(curve[:1], end, start, 1).tolist() == []


def test_rays_meet_the_near_and_the_far_side():
    box = trimesh.creation.box((2, 2, 2))
    start, up = np.array([0.2, 0.1, -3.0]), np.array([0.0, 0.0, 1.0])
    for last, distance in ((False, 2.0), (True, 4.0)):
        face, shares, found = ray_hit(box.vertices, box.faces, start, up, last=last)
        assert found == pytest.approx(distance) and shares.sum() == pytest.approx(1)
        np.testing.assert_allclose(shares @ box.vertices[box.faces[face]], start + distance * up, atol=1e-12)
    assert ray_hit(box.vertices, box.faces, start, -up)[0] == -1


def test_volumes_of_a_box_and_a_cone():
    box = trimesh.creation.box((0.2, 0.3, 0.5))
    moved = torch.from_numpy(box.vertices + (3.0, -2.0, 5.0))
    assert float(enclosed_volume(moved, box.faces)) == pytest.approx(0.03)
    assert float(enclosed_volume(moved, box.faces[:, ::-1].copy())) == pytest.approx(-0.03)
    cone = trimesh.creation.cone(0.5, 1.2, sections=400)
    assert float(enclosed_volume(torch.from_numpy(cone.vertices), cone.faces)) == pytest.approx(
        math.pi * 0.25 * 1.2 / 3, rel=1e-4
    )

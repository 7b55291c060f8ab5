"""Mesh simplification and mirroring, on the left half of a sphere."""

import numpy as np
import trimesh

from render_fit.bodies.building.surface import boundary_loops, mirrored, thin, triangulated


def half_sphere() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The faces with x >= 0 of a sphere with a seam at x = 0, its vertices, and their mirror images' numbers."""
    sphere = trimesh.creation.uv_sphere(count=[16, 16])
    box = np.array(sphere.vertices)
    box[np.abs(box) < 1e-9] = 0.0
    faces = np.array(sphere.faces)
    half = faces[(box[faces, 0] >= 0).all(1)]
    used, half = np.unique(half, return_inverse=True)
    left = box[used]
    middle = np.abs(left[:, 0]) < 1e-9
    right = left[~middle] * [-1, 1, 1]
    mirror = np.arange(len(left) + len(right))
    mirror[np.flatnonzero(~middle)] = len(left) + np.arange(len(right))
    mirror[len(left) :] = np.flatnonzero(~middle)
    return half.reshape(-1, 3), np.concatenate([left, right]), mirror


def test_a_simplified_sphere_is_closed_symmetric_and_round() -> None:
    half, vertices, mirror = half_sphere()
    faces, kept, pairs = mirrored(thin(half, vertices, 150), mirror)
    points = vertices[kept]
    mesh = trimesh.Trimesh(points, faces, process=False)
    assert len(kept) <= 150 and mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2
    np.testing.assert_array_equal(points[pairs] * [-1, 1, 1], points)
    # 150 vertices: edges of 0.3, whose sagitta of 0.3 ** 2 / 8 = 0.01 takes some 3 to 6 % of the volume.
    assert 0.92 < mesh.volume / (4 / 3 * np.pi) < 1.0


def test_boundary_of_one_triangle_runs_against_it() -> None:
    (loop,) = boundary_loops(np.array([[4, 7, 9]]))
    start = loop.index(4)
    assert loop[start:] + loop[:start] == [4, 9, 7]


def test_quads_split_along_the_shorter_diagonal() -> None:
    vertices = np.array([[0, 0, 0], [2, 0, 0], [2.5, 1, 0], [0, 1.0, 0]])
    split = triangulated(np.array([[0, 1, 2, 3]]), vertices)
    assert {frozenset(face) for face in split.tolist()} == {frozenset({0, 1, 3}), frozenset({1, 2, 3})}

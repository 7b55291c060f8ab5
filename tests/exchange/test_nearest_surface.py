"""Nearest points of a mesh against points worked out by hand."""

import numpy as np

from render_fit.exchange.nearest_surface import TargetMesh, nearest_on_triangles

A, B, C = (np.array([point], dtype=float) for point in ([0, 0, 0], [2, 0, 0], [0, 2, 0]))


def test_inside_at_an_edge_and_at_a_corner():
    points = np.array([[0.5, 0.5, 1.0], [1.0, -1.0, 0.5], [2.0, 2.0, 0.0], [-1.0, -1.0, 3.0]])
    found = nearest_on_triangles(points, A, B, C)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]], atol=1e-12)


def test_a_triangle_without_an_area_is_its_edge():
    found = nearest_on_triangles(np.array([[1.0, 1.0, 0.0]]), A, B, B)
    np.testing.assert_allclose(found, [[1, 0, 0]], atol=1e-12)


def test_a_mesh_gives_points_normals_and_distances():
    vertices = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [2, 2, 1], [9, 9, 9]], dtype=float)
    mesh = TargetMesh(vertices, np.array([[0, 1, 2], [1, 3, 2]]))
    found = mesh.nearest(np.array([[0.5, 0.5, 1.0], [2.0, 2.0, 3.0]]))
    np.testing.assert_allclose(found.points, [[0.5, 0.5, 0], [2, 2, 1]], atol=1e-12)
    np.testing.assert_allclose(found.distances, [1, 2])
    assert found.normals is not None
    np.testing.assert_allclose(found.normals[0], [0, 0, 1])
    alone = TargetMesh(vertices).nearest(np.array([[9.0, 9.0, 8.0]]))
    assert alone.normals is None and alone.distances[0] == 1

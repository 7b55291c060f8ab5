"""Nearest points of a mesh against points worked out by hand."""

import numpy as np

from render_fit.exchange.nearest_surface import TargetMesh


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

"""The nearest point of a triangle mesh, for many points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import trimesh
from jaxtyping import Float, Int
from scipy.spatial import KDTree

CANDIDATES = 3
"""Nearest vertices whose triangles are searched for the nearest point."""


@dataclass(frozen=True)
class NearestPoints:
    """Nearest points of a mesh.

    Attributes:
        points: (n, 3) points on the surface, metres.
        normals: (n, 3) unit normals there, outward; None for points without a surface.
        distances: (n,) metres.
    """

    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"] | None
    distances: Float[np.ndarray, "n"]


@dataclass(frozen=True)
class TargetMesh:
    """A mesh, or points without a surface, to which nearest points are found.

    Attributes:
        vertices: (v, 3) metres.
        faces: (f, 3) triangles, or None.
    """

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"] | None = None

    @cached_property
    def tree(self) -> KDTree:
        """Search tree of the vertices."""
        return KDTree(self.vertices)

    @cached_property
    def face_normals(self) -> Float[np.ndarray, "f 3"]:
        """Unit normals of the triangles; zero for those without an area."""
        assert self.faces is not None
        a, b, c = (self.vertices[self.faces[:, corner]] for corner in range(3))
        normals = np.cross(b - a, c - a)
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-15)

    @cached_property
    def faces_at(self) -> Int[np.ndarray, "v k"]:
        """Triangles at each vertex, one of them repeated where there are fewer; −1 at vertices without any."""
        assert self.faces is not None
        corners = self.faces.ravel()
        order = np.argsort(corners, kind="stable")
        counts = np.bincount(corners, minlength=len(self.vertices))
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        columns = np.minimum(np.arange(max(1, counts.max(initial=0))), np.maximum(counts - 1, 0)[:, None])
        at = order[np.minimum(starts[:, None] + columns, len(order) - 1)] // 3
        return np.where(counts[:, None] > 0, at, -1)

    def nearest(self, points: Float[np.ndarray, "n 3"]) -> NearestPoints:
        """Nearest points of the surface, or of the vertices if there is no surface.

        The triangles at the `CANDIDATES` nearest vertices are searched, which is exact on meshes of people but for
        long triangles.
        """
        if self.faces is None:
            distances, index = self.tree.query(points)
            return NearestPoints(self.vertices[index], None, distances)
        _, index = self.tree.query(points, k=CANDIDATES)
        faces = self.faces_at[index].reshape(len(points), -1)
        triangles = self.vertices[self.faces[faces]]
        here = np.repeat(points, faces.shape[1], axis=0)
        found = trimesh.triangles.closest_point(triangles.reshape(-1, 3, 3), here).reshape(*faces.shape, 3)
        apart = np.linalg.norm(found - points[:, None], axis=-1)
        apart[faces < 0] = np.inf
        best = apart.argmin(1)
        rows = np.arange(len(points))
        return NearestPoints(found[rows, best], self.face_normals[faces[rows, best]], apart[rows, best])

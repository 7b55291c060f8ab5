"""The open body's mesh, and coarser and finer meshes of the same surface."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from render_fit.bodies import open_body


@dataclass(frozen=True)
class Mesh:
    """A mesh whose vertices are computed from the open body's.

    Attributes:
        faces: (F, 3) vertex indices.
        face_parts: (F,) SMPL part of each face.
        kept: (K,) indices of the body's vertices that it has.
        halved: For each subdivision of all faces into four: (E, 2) ends of the edges that got a vertex in the
            middle.
    """

    faces: Tensor
    face_parts: Tensor
    kept: Tensor
    halved: tuple[Tensor, ...] = ()

    def surface(self, vertices: Tensor) -> Tensor:
        """Vertices of the mesh (B, V', 3), from those of the body (B, V, 3)."""
        points = vertices[:, self.kept]
        for ends in self.halved:
            points = torch.cat([points, points[:, ends].mean(2)], 1)
        return points


@cache
def body_mesh(n_faces: int) -> Mesh:
    """The open body with about ``n_faces`` faces.

    For fewer than its own 13,994, the shortest edges are collapsed; for more, every face is cut into four (55,976).
    """
    body = open_body()
    faces, kept = body.faces.numpy(), np.arange(body.n_vertices)
    if n_faces < 0.75 * len(faces):
        faces, kept = collapsed(faces, body.v_template.numpy(), n_faces)
    coarse = torch.from_numpy(faces)
    parts = body.weights[torch.from_numpy(kept)][coarse].sum(1).argmax(1)
    mesh = Mesh(coarse, parts, torch.from_numpy(kept))
    while n_faces > 2 * len(mesh.faces):
        mesh = _halved(mesh)
    return mesh


def _halved(mesh: Mesh) -> Mesh:
    """Subdivide every face into four at the middles of its edges."""
    sides = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).sort(1).values
    ends, middle = sides.unique(dim=0, return_inverse=True)
    ab, bc, ca = (int(mesh.faces.max()) + 1 + middle.reshape(-1, 3)).unbind(1)
    a, b, c = mesh.faces.unbind(1)
    four = [torch.stack(corners, 1) for corners in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    return Mesh(torch.cat(four), mesh.face_parts.repeat(4), mesh.kept, (*mesh.halved, ends))


def collapsed(faces: np.ndarray, vertices: np.ndarray, n_faces: int) -> tuple[np.ndarray, np.ndarray]:
    """Collapse the shortest edge onto one of its ends until about ``n_faces`` are left.

    Unlike the open body's thinning (``bodies.building.surface``) it ignores curvature, and takes a second instead of a
    minute. A collapse that breaks the manifold or turns a face over is not made.

    Args:
        faces: (F, 3) faces of a closed surface.
        vertices: (V, 3) vertices, metres.
        n_faces: Number of faces to keep.

    Returns:
        (F', 3) faces, as indices into the second array; (V',) indices of the kept vertices.
    """
    points = vertices.tolist()
    triangles: dict[int, tuple[int, ...]] = {k: tuple(face) for k, face in enumerate(faces.tolist())}
    around: dict[int, set[int]] = defaultdict(set)
    for k, face in triangles.items():
        for v in face:
            around[v].add(k)

    def neighbours(v: int) -> set[int]:
        return {w for k in around[v] for w in triangles[k]} - {v}

    def collapses(u: int) -> list[tuple[float, int, int]]:
        return [(sum((p - q) ** 2 for p, q in zip(points[u], points[v], strict=True)), u, v) for v in neighbours(u)]

    def turns_over(u: int, v: int) -> bool:
        for k in around[u] - around[v]:
            before = _normal([points[w] for w in triangles[k]])
            after = _normal([points[v if w == u else w] for w in triangles[k]])
            if sum(p * q for p, q in zip(before, after, strict=True)) <= 0:
                return True
        return False

    heap = [candidate for u in list(around) for candidate in collapses(u)]
    heapq.heapify(heap)
    while len(triangles) > n_faces and heap:
        _, u, v = heapq.heappop(heap)
        if u not in around or v not in around or v not in neighbours(u):
            continue
        if len(neighbours(u) & neighbours(v)) != 2 or turns_over(u, v):
            continue
        for k in around.pop(u):
            if v in triangles[k]:
                for w in triangles.pop(k):
                    if w != u:
                        around[w].discard(k)
            else:
                triangles[k] = tuple(v if w == u else w for w in triangles[k])
                around[v].add(k)
        for candidate in collapses(v):
            heapq.heappush(heap, candidate)
    left = np.array(list(triangles.values()))
    kept, renumbered = np.unique(left, return_inverse=True)
    return renumbered.reshape(-1, 3), kept


def _normal(corners: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners
    ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx

"""Edges of a mesh and the faces at each edge, computed once per mesh and cached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_KEPT = 8
_recent: list[Topology] = []


@dataclass(frozen=True)
class Topology:
    """Connectivity of a mesh as used by the kernels.

    Attributes:
        faces: (F, 3) int32 vertex indices.
        edges: (E, 2) int32 vertex indices, lower first. An edge where k > 2 faces meet occurs ⌈k/2⌉ times.
        edge_faces: (E, 2) int32 faces at each edge, ascending, −1 where there is none.
        edge_is_crowded: (E,) bool, whether three or more faces meet there.
        n_vertices: One more than the highest vertex index.
    """

    faces: np.ndarray
    edges: np.ndarray
    edge_faces: np.ndarray
    edge_is_crowded: np.ndarray
    n_vertices: int


def topology_of(faces: np.ndarray) -> Topology:
    """Edges and adjacency of (F, 3) faces; cached for the last few meshes."""
    for known in _recent:
        if known.faces.shape == faces.shape and np.array_equal(known.faces, faces):
            return known
    made = _make(faces)
    _recent.insert(0, made)
    del _recent[_KEPT:]
    return made


def _make(faces: np.ndarray) -> Topology:
    n_faces = len(faces)
    if n_faces and faces.min() < 0:
        raise ValueError(f"faces: expected vertex indices from 0, got {faces.min()}")
    # Row k * F + f of `sides` is edge k of face f; sorting by edge makes the faces of an edge adjacent.
    sides = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges, inverse, count = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
    face_of_side = np.tile(np.arange(n_faces, dtype=np.int32), 3)
    face_of_side = face_of_side[np.lexsort((face_of_side, inverse.reshape(-1)))]
    # An edge of k faces has a row for every two of them, so that each face is listed at each of its edges.
    rows = (count + 1) // 2
    edge_of_row = np.repeat(np.arange(len(edges)), rows)
    pair = np.arange(len(edge_of_row)) - np.repeat(np.cumsum(rows) - rows, rows)
    first = (np.cumsum(count) - count)[edge_of_row] + 2 * pair
    has_second = 2 * pair + 1 < count[edge_of_row]
    edge_faces = np.full((len(edge_of_row), 2), -1, dtype=np.int32)
    edge_faces[:, 0] = face_of_side[first]
    edge_faces[has_second, 1] = face_of_side[first[has_second] + 1]
    return Topology(
        faces=np.ascontiguousarray(faces, dtype=np.int32),
        edges=np.ascontiguousarray(edges[edge_of_row], dtype=np.int32).reshape(-1, 2),
        edge_faces=edge_faces,
        edge_is_crowded=count[edge_of_row] > 2,
        n_vertices=int(faces.max()) + 1 if n_faces else 0,
    )

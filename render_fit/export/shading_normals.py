"""Normals for shading a body as a mannequin: a trunk without navel, folds and other details of skin."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.core.skeletons import SMPL_24

SMOOTH_PARTS = tuple(
    SMPL_24.index(joint)
    for joint in ("pelvis", "left_hip", "right_hip", "spine1", "spine2", "spine3", "left_collar", "right_collar")
)
"""SMPL parts that are shaded smoothly. Head, hands, arms, shins and feet keep their details."""

STEPS = 14
"""Averages over neighbours. On the open body, with edges of 2.3 cm on the trunk, they remove what is smaller than a
palm and keep chest, waist and hips."""

RAMP = 6
"""Edges over which the smoothing fades in at the border of the smooth parts."""


def mannequin_normals(
    vertices: Float[Tensor, "v 3"], faces: Int64[Tensor, "f 3"], face_parts: Int64[Tensor, "f"]
) -> Float[np.ndarray, "v 3"]:
    """Computes vertex normals that are averaged over the neighbours on the trunk and thighs.

    The vertices do not move, so outlines, occlusion and depth stay those of the mesh.

    Args:
        vertices: (V, 3) metres, any frame.
        faces: (F, 3) vertex indices, counter-clockwise seen from outside.
        face_parts: (F,) SMPL part of each face.

    Returns:
        (V, 3) outward unit normals in the frame of the vertices.

    Differentiability:
        None; for visualisation.
    """
    count, corners = len(vertices), faces.cpu().numpy()
    normals = vertex_normals(vertices, faces).numpy().astype(np.float64)
    mean = _neighbour_mean(corners, count)
    inside = np.ones(count)
    inside[corners[~np.isin(face_parts.cpu().numpy(), SMOOTH_PARTS)]] = 0
    strength = inside
    for _ in range(RAMP):
        strength = np.minimum(inside, mean @ strength)
    for _ in range(STEPS):
        normals += strength[:, None] * (mean @ normals - normals)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9)


def _neighbour_mean(corners: np.ndarray, count: int) -> scipy.sparse.csr_matrix:
    """(V, V) matrix that averages over the neighbours of each vertex."""
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
    adjacency = scipy.sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count)).tocsr()
    adjacency.data[:] = 1
    degree = np.asarray(adjacency.sum(axis=1)).ravel().clip(1)
    return scipy.sparse.csr_matrix(scipy.sparse.diags(1 / degree) @ adjacency)

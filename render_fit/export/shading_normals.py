"""Normals for shading a body as a mannequin: a trunk without navel, folds and other details of skin."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.bodies.mesh_operators import uniform_laplacian, vertex_normals
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
    faces = faces.cpu().contiguous()
    laplacian, strength = _smoothing(faces.numpy().tobytes(), face_parts.cpu().long().numpy().tobytes(), len(vertices))
    normals = vertex_normals(vertices, faces).double()
    for _ in range(STEPS):
        normals = normals - strength * (laplacian @ normals)
    return torch.nn.functional.normalize(normals, dim=1).numpy()


@lru_cache(maxsize=4)
def _smoothing(faces: bytes, face_parts: bytes, n_vertices: int) -> tuple[Tensor, Tensor]:
    """The Laplacian of a mesh (a vertex minus the mean of its neighbours), and how much each vertex is averaged."""
    triangles = torch.frombuffer(bytearray(faces), dtype=torch.int64).view(-1, 3)
    parts = torch.frombuffer(bytearray(face_parts), dtype=torch.int64)
    laplacian = uniform_laplacian(triangles, n_vertices).double()
    with warnings.catch_warnings():  # torch calls the format unfinished; its products take a seventh of the time
        warnings.simplefilter("ignore", UserWarning)
        laplacian = laplacian.to_sparse_csr()
    inside = torch.ones(n_vertices, 1, dtype=torch.float64)
    inside[triangles[~torch.isin(parts, torch.tensor(SMOOTH_PARTS))]] = 0
    strength = inside
    for _ in range(RAMP):
        strength = torch.minimum(inside, strength - laplacian @ strength)
    return laplacian, strength

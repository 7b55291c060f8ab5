"""Operators on a body's surface: normals, Laplacians, left-right pairs."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Float, Int64
from scipy.spatial import KDTree
from torch import Tensor


def vertex_normals(vertices: Float[Tensor, "*b v 3"], faces: Int64[Tensor, "f 3"]) -> Float[Tensor, "*b v 3"]:
    """Computes area-weighted unit vertex normals.

    Args:
        vertices: Vertices (*b, v, 3), in any frame and unit.
        faces: Triangles, counter-clockwise seen from outside.

    Returns:
        Outward normals in the same frame; zero at vertices without area.

    Differentiability: smooth where a vertex's faces have area.
    """
    a, b, c = (vertices[..., faces[:, i], :] for i in range(3))
    normals = torch.linalg.cross(b - a, c - a).repeat_interleave(3, -2)
    summed = torch.zeros_like(vertices).index_add(-2, faces.flatten(), normals)
    return torch.nn.functional.normalize(summed, dim=-1)


def cotangent_laplacian(
    vertices: np.ndarray, faces: np.ndarray
) -> tuple[scipy.sparse.csc_matrix, scipy.sparse.dia_matrix]:
    """Computes the cotangent Laplacian (positive semi-definite) and the lumped mass matrix.

    Args:
        vertices: (v, 3) vertices, metres.
        faces: (f, 3) triangles.

    Returns:
        L (v, v) and M (v, v, diagonal, square metres).

    Source: Pinkall and Polthier 1993; negative cotangents of obtuse corners are cut off, so that weights stay positive.
    """
    n = len(vertices)
    rows, columns, weights = [], [], []
    mass = np.zeros(n)
    for i in range(3):
        o, a, b = faces[:, i], faces[:, (i + 1) % 3], faces[:, (i + 2) % 3]
        u, v = vertices[a] - vertices[o], vertices[b] - vertices[o]
        doubled_area = np.linalg.norm(np.cross(u, v), axis=1).clip(1e-12)
        rows.append(a)
        columns.append(b)
        weights.append(((u * v).sum(1) / doubled_area / 2).clip(1e-3))
        np.add.at(mass, o, doubled_area / 6)
    shape = (n, n)
    w = scipy.sparse.coo_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=shape)
    w = (w + w.T).tocsc()
    laplacian = scipy.sparse.diags(np.asarray(w.sum(1)).ravel()) - w
    return laplacian.tocsc(), scipy.sparse.diags(mass)


def uniform_laplacian(faces: Int64[Tensor, "f 3"], n_vertices: int) -> Tensor:
    """Computes the uniform Laplacian I - D^-1 A: a vertex minus the mean of its neighbours.

    Args:
        faces: Triangles.
        n_vertices: Number of vertices.

    Returns:
        Sparse (v, v) float32, to be multiplied from the left with (v, 3) offsets by `torch.sparse.mm`.
    """
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = torch.cat([edges, edges.flip(1)])
    numbers = (edges[:, 0] * n_vertices + edges[:, 1]).unique()  # ten times as fast as unique pairs
    edges = torch.stack([numbers // n_vertices, numbers % n_vertices], 1)
    degree = torch.bincount(edges[:, 0], minlength=n_vertices)
    diagonal = torch.arange(n_vertices, device=faces.device)
    indices = torch.cat([edges.T, diagonal.expand(2, -1)], 1)
    values = torch.cat([-1.0 / degree[edges[:, 0]], torch.ones(n_vertices, device=faces.device)])
    size = (n_vertices, n_vertices)
    return torch.sparse_coo_tensor(indices, values, size, check_invariants=True).coalesce()


def mirror_vertices(v_template: Float[Tensor, "v 3"]) -> Int64[Tensor, "v"]:
    """Pairs every vertex with its left-right mirror image.

    Args:
        v_template: Mean shape in the zero pose (v, 3), metres.

    Returns:
        Index of the vertex nearest to each mirrored vertex (v,): exact for the open body, to some millimetres for SMPL.
    """
    points = v_template.detach().cpu().double().numpy()
    nearest = KDTree(points).query(points * [-1.0, 1.0, 1.0])[1]
    return torch.from_numpy(np.asarray(nearest, dtype=np.int64)).to(v_template.device)

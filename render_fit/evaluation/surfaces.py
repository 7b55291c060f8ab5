"""Distance between outer surfaces of different topology."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from render_fit.synthesis.independent_rasterizer import rasterize

VIEWS = 6
"""Horizontal views from which a surface is sampled; parts that none of them sees are not part of the outer surface."""

NEIGHBOURS = 12
"""Samples of a surface whose triangles are tried for the nearest point: those of about 4 cm around."""

_SIZE, _DISTANCE_M, _EXTENT_M = 128, 30.0, 2.6
"""Samples along a view's side, distance of its camera, and metres along its side: 2 cm between samples."""


def outer_points(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "n 3"]:
    """Points of a surface that are visible from around, about 2 cm apart.

    Args:
        vertices: (V, 3) a person, y along the body, metres.
        faces: (F, 3) vertex indices.
    """
    return outer_samples(vertices, faces)[0]


def surface_distance(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    vertices_true: Float[np.ndarray, "w 3"],
    faces_true: Int[np.ndarray, "g 3"],
) -> float:
    """Mean of the two mean distances from points of each outer surface to the other surface.

    The points are those of `outer_points`; distances are to triangles, so that equal surfaces have the distance 0.

    Args:
        vertices: (V, 3) metres.
        faces: (F, 3) vertex indices.
        vertices_true: (W, 3) metres, in the same axes.
        faces_true: (G, 3) vertex indices.

    Returns:
        Metres.
    """
    points, seen = outer_samples(vertices, faces)
    points_true, seen_true = outer_samples(vertices_true, faces_true)
    there = _to_triangles(points, points_true, vertices_true[faces_true[seen_true]])
    back = _to_triangles(points_true, points, vertices[faces[seen]])
    return 0.5 * float(there.mean() + back.mean())


def _to_triangles(
    points: Float[np.ndarray, "n 3"], samples: Float[np.ndarray, "m 3"], triangles: Float[np.ndarray, "m 3 3"]
) -> Float[np.ndarray, "n"]:
    """Distance from points to a surface: to the triangles on which its nearest samples lie."""
    _, near = KDTree(samples).query(points, k=min(NEIGHBOURS, len(samples)))
    near = near.reshape(len(points), -1)
    here = np.repeat(points, near.shape[1], axis=0)
    nearest = trimesh.triangles.closest_point(triangles[near.reshape(-1)], here)
    return np.linalg.norm(nearest - here, axis=1).reshape(near.shape).min(axis=1)


def outer_samples(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "n"]]:
    """The points of `outer_points`, and the faces on which they lie.

    Args:
        vertices: (V, 3) a person, y along the body, metres.
        faces: (F, 3) vertex indices.

    Returns:
        (N, 3) points; (N,) indices of faces.
    """
    centre = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
    K = np.array([[_SIZE * _DISTANCE_M / _EXTENT_M, 0, _SIZE / 2], [0, _SIZE * _DISTANCE_M / _EXTENT_M, _SIZE / 2],
                  [0, 0, 1]])  # fmt: skip
    found, on = [], []
    for turn in np.arange(VIEWS) * (2 * np.pi / VIEWS):
        rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
        raster = rasterize((vertices - centre) @ rotation + (0, 0, _DISTANCE_M), faces, K, _SIZE, _SIZE)
        seen = raster.face_index >= 0
        corners = vertices[faces[raster.face_index[seen]]]
        found.append(np.einsum("nk,nkc->nc", raster.weights[seen], corners))
        on.append(raster.face_index[seen])
    return np.concatenate(found), np.concatenate(on)


def chamfer(points: Float[np.ndarray, "n 3"], points_true: Float[np.ndarray, "m 3"]) -> float:
    """Mean of the two mean distances from each point set to the nearest points of the other, in their unit."""
    there, _ = KDTree(points_true).query(points)
    back, _ = KDTree(points).query(points_true)
    return 0.5 * float(there.mean() + back.mean())

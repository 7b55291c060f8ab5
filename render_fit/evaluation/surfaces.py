"""Distance between outer surfaces of different topology."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from render_fit.synthesis.independent_rasterizer import rasterize

VIEWS = 6
"""Horizontal views from which a surface is sampled; parts that none of them sees are not part of the outer surface."""

_SIZE, _DISTANCE_M, _EXTENT_M = 128, 30.0, 2.6
"""Samples along a view's side, distance of its camera, and metres along its side: 2 cm between samples."""


def outer_points(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "n 3"]:
    """Points of a surface that are visible from around, about 2 cm apart.

    Args:
        vertices: (V, 3) a person, y along the body, metres.
        faces: (F, 3) vertex indices.
    """
    centre = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
    K = np.array([[_SIZE * _DISTANCE_M / _EXTENT_M, 0, _SIZE / 2], [0, _SIZE * _DISTANCE_M / _EXTENT_M, _SIZE / 2],
                  [0, 0, 1]])  # fmt: skip
    found = []
    for turn in np.arange(VIEWS) * (2 * np.pi / VIEWS):
        rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
        raster = rasterize((vertices - centre) @ rotation + (0, 0, _DISTANCE_M), faces, K, _SIZE, _SIZE)
        seen = raster.face_index >= 0
        corners = vertices[faces[raster.face_index[seen]]]
        found.append(np.einsum("nk,nkc->nc", raster.weights[seen], corners))
    return np.concatenate(found)


def chamfer(points: Float[np.ndarray, "n 3"], points_true: Float[np.ndarray, "m 3"]) -> float:
    """Mean of the two mean distances from each point set to the nearest points of the other, in their unit."""
    there, _ = KDTree(points_true).query(points)
    back, _ = KDTree(points).query(points_true)
    return 0.5 * float(there.mean() + back.mean())

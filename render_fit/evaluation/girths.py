"""Circumferences of chest, waist and hips, measured on the same rings of two bodies of one topology."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import ConvexHull

from render_fit.core.skeletons import SMPL_24

GIRTHS = ("chest", "waist", "hips")

_TRUNK = tuple(
    SMPL_24.index(name)
    for name in ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar", "left_hip", "right_hip")
)


@dataclass(frozen=True)
class Ring:
    """Points on edges of a mesh, cut at one height of the body that defines them.

    Attributes:
        edges: (N, 2) vertex indices.
        shares: (N,) weight of the second vertex.
    """

    edges: Int[np.ndarray, "n 2"]
    shares: Float[np.ndarray, "n"]

    def circumference(self, vertices_rest: Float[np.ndarray, "v 3"]) -> float:
        """Perimeter of the convex hull of the ring, seen along the trunk (y), in the unit of the vertices.

        A tape measure bridges hollows as the hull does.

        Args:
            vertices_rest: (V, 3) a body in the zero pose.
        """
        first, second = vertices_rest[self.edges[:, 0]], vertices_rest[self.edges[:, 1]]
        points = first + self.shares[:, None] * (second - first)
        return float(ConvexHull(points[:, [0, 2]]).area)


def girth_rings(
    vertices_rest: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    parts: Int[np.ndarray, "v"],
    joints_rest: Float[np.ndarray, "24 3"],
) -> dict[str, Ring]:
    """Rings of `GIRTHS` on one body.

    Hips: the largest ring from 6 cm under the hip joints to 8 cm above them. Chest: the largest ring between 6 and
    14 cm under the shoulder joints. Waist: the smallest ring between hips and chest. Arms are left out.

    Args:
        vertices_rest: (V, 3) the body in the zero pose, y up, metres.
        faces: (F, 3) vertex indices.
        parts: (V,) SMPL-24 part of each vertex.
        joints_rest: (24, 3) joints of the zero pose, metres.
    """
    trunk = faces[np.isin(parts[faces], _TRUNK).all(axis=1)]
    edges = np.unique(np.sort(trunk[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)

    def cut(y: float) -> Ring:
        low, high = vertices_rest[edges[:, 0], 1], vertices_rest[edges[:, 1], 1]
        crossed = (low - y) * (high - y) < 0
        return Ring(edges[crossed], (y - low[crossed]) / (high - low)[crossed])

    def rings(low: float, high: float) -> list[tuple[float, float, Ring]]:
        heights = np.arange(low, high, 0.01)
        return [(ring.circumference(vertices_rest), y, ring) for y in heights.tolist() for ring in (cut(y),)]

    def height(name: str) -> float:
        return float(joints_rest[SMPL_24.index(name), 1])

    def size(entry: tuple[float, float, Ring]) -> float:
        return entry[0]

    hips = max(rings(height("left_hip") - 0.06, height("left_hip") + 0.08), key=size)
    shoulder = height("left_shoulder")
    chest = max(rings(shoulder - 0.14, shoulder - 0.06), key=size)
    waist = min(rings(hips[1] + 0.05, chest[1] - 0.05), key=size)
    return {"chest": chest[2], "waist": waist[2], "hips": hips[2]}


def girth_errors(
    vertices_rest: Float[np.ndarray, "v 3"],
    vertices_rest_true: Float[np.ndarray, "v 3"],
    rings: dict[str, Ring],
) -> dict[str, float]:
    """Errors (fitted - true) of circumferences after both bodies are brought to the RMS size of the true one, metres.

    Args:
        vertices_rest: (V, 3) fitted shape in the zero pose.
        vertices_rest_true: (V, 3) true shape in the zero pose.
        rings: Rings of the true body, see `girth_rings`.
    """
    spread, true = (np.sqrt(((one - one.mean(0)) ** 2).sum()) for one in (vertices_rest, vertices_rest_true))
    scaled = vertices_rest * (true / spread)
    return {name: ring.circumference(scaled) - ring.circumference(vertices_rest_true) for name, ring in rings.items()}

"""Garments that are meshes of their own, and how cloth hangs over a posed body without entering it.

Everything here is in upright coordinates: metres, y up (against gravity). There is no cloth simulation: cloth follows
gravity and stays outside of the surface underneath.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import ConvexHull, KDTree

from render_fit.synthesis.garments.cutting import RestBody, vertex_normals

DOWN = np.array([0.0, -1.0, 0.0])
CLEARANCE_M = 0.008
"""Distance that cloth keeps from the surface underneath, metres."""

SPREAD_M = 0.03
"""Distance by which strands that keep together spread, metres."""


@dataclass(frozen=True)
class PosedBody:
    """A posed body and the surface of what it wears so far.

    Attributes:
        rest: The resting body.
        bare: (V, 3) posed body, upright coordinates, metres.
        surface: (V, 3) outermost posed surface of body and worn garments, vertex by vertex.
        surface_rest: (V, 3) that surface on the resting body.
        joints: Posed joints by SMPL-24 name.
        sheets: Hanging garments worn so far; cloth that comes over them stays outside.
    """

    rest: RestBody
    bare: Float[np.ndarray, "v 3"]
    surface: Float[np.ndarray, "v 3"]
    surface_rest: Float[np.ndarray, "v 3"]
    joints: dict[str, Float[np.ndarray, "3"]]
    sheets: tuple[Sheet, ...] = ()

    def motion(self, points_rest: Float[np.ndarray, "n 3"], parts: tuple[int, ...]) -> Float[np.ndarray, "n 3"]:
        """Points that move rigidly with some SMPL parts, from the resting to the posed body."""
        moved = np.isin(self.rest.parts, parts)
        before, after = self.rest.vertices[moved], self.bare[moved]
        u, _, vt = np.linalg.svd((before - before.mean(0)).T @ (after - after.mean(0)))
        turn = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
        return (points_rest - before.mean(0)) @ turn + after.mean(0)


@dataclass(frozen=True)
class Sheet:
    """A mesh that is worn, beside the layers that copy the body's skin.

    Attributes:
        kind: What it is: the key of its label (`labels.LABELS`).
        material: Material, see `images.materials.albedo`.
        vertices: (N, 3) upright coordinates, metres.
        vertices_rest: (N, 3) points on which textures are defined, metres.
        faces: (M, 3) vertex indices, counter-clockwise from outside.
        part: SMPL part that it belongs to; it decides the side of shoes.
    """

    kind: str
    material: str
    vertices: Float[np.ndarray, "n 3"]
    vertices_rest: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "m 3"]
    part: int = 0


def grid_faces(rows: int, columns: int, closed: bool) -> Int[np.ndarray, "m 3"]:
    """Triangles of a grid of vertices, row by row; ``closed`` joins the last column to the first."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = row * columns + column, row * columns + (column + 1) % columns
    quads = np.stack([a, b, b + columns, a + columns], axis=-1).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


class Collider:
    """A surface that cloth stays outside of."""

    def __init__(self, points: Float[np.ndarray, "v 3"], normals: Float[np.ndarray, "v 3"]) -> None:
        self.points, self.normals = points, normals
        self._tree = KDTree(points)

    @classmethod
    def of(cls, posed: PosedBody, chosen: Bool[np.ndarray, "v"] | None = None) -> Collider:
        """The outermost surface of a dressed body, or the chosen vertices of it."""
        normals = vertex_normals(posed.surface, posed.rest.faces)
        chosen = np.ones(len(normals), dtype=bool) if chosen is None else chosen
        points, normals = [posed.surface[chosen]], [normals[chosen]]
        for sheet in posed.sheets:
            points.append(sheet.vertices)
            normals.append(vertex_normals(sheet.vertices, sheet.faces))
        return cls(np.concatenate(points), np.concatenate(normals))

    def depth(self, points: Float[np.ndarray, "n 3"], clearance_m: float = CLEARANCE_M) -> Float[np.ndarray, "n"]:
        """How far points have to move out along the surface's normal, metres; 0 outside."""
        _, nearest = self._tree.query(points)
        distance = ((points - self.points[nearest]) * self.normals[nearest]).sum(axis=1)
        return np.maximum(clearance_m - distance, 0.0)

    def push_out(
        self, points: Float[np.ndarray, "n 3"], clearance_m: float = CLEARANCE_M, times: int = 2
    ) -> Float[np.ndarray, "n 3"]:
        """Points moved to at least a distance outside of the surface."""
        for _ in range(times):
            _, nearest = self._tree.query(points)
            normals = self.normals[nearest]
            distance = ((points - self.points[nearest]) * normals).sum(axis=1)
            points = points + normals * np.maximum(clearance_m - distance, 0.0)[:, None]
        return points


def hull_radius(points: Float[np.ndarray, "n 2"], angles: Float[np.ndarray, "a"]) -> Float[np.ndarray, "a"]:
    """Distance from the origin, which must be inside, to the convex hull of points of a plane, by angle (radians)."""
    equations = ConvexHull(points).equations
    rays = np.stack([np.cos(angles), np.sin(angles)])
    slope = equations[:, :2] @ rays
    with np.errstate(divide="ignore"):
        reach = np.where(slope > 1e-9, -equations[:, 2:] / slope, np.inf)
    return reach.min(axis=0)


def hang(
    roots: Float[np.ndarray, "n 3"],
    lengths_m: Float[np.ndarray, "n"],
    rows: int,
    under: Collider,
    first: Float[np.ndarray, "n 3"] | None = None,
    clearance_m: float = CLEARANCE_M,
    spread_axis: Float[np.ndarray, "3"] | None = None,
) -> Float[np.ndarray, "k n 3"]:
    """Strands that hang from their roots and lie on the surface underneath.

    Args:
        roots: (N, 3) upper ends.
        lengths_m: (N,) length of each strand, metres.
        rows: Number of points of a strand, the root included.
        under: Surface underneath.
        first: (N, 3) unit directions in which strands leave their roots; down if None.
        clearance_m: Distance from the surface underneath, metres.
        spread_axis: (3,) unit vector along which strands may not spread by more than `SPREAD_M`; None if they may.

    Returns:
        (rows, N, 3) points, from the root down.
    """
    step = (lengths_m / (rows - 1))[:, None]
    direction = np.broadcast_to(DOWN, roots.shape) if first is None else first
    points = [roots]
    for _ in range(rows - 1):
        moved = points[-1] + step * direction
        for _ in range(3):
            if spread_axis is not None:
                reach = (roots - roots.mean(axis=0)) @ spread_axis
                now = (moved - roots.mean(axis=0)) @ spread_axis
                limited = now.clip(np.minimum(reach, 0) - SPREAD_M, np.maximum(reach, 0) + SPREAD_M)
                moved = moved + (limited - now)[:, None] * spread_axis
            moved = under.push_out(moved, clearance_m, times=1)
            along = moved - points[-1]
            moved = points[-1] + step * along / np.linalg.norm(along, axis=1, keepdims=True).clip(1e-9)
        points.append(moved)
        along = (moved - points[-2]) / step.clip(1e-9)
        direction = 0.35 * along + 0.65 * DOWN
        direction = direction / np.linalg.norm(direction, axis=1, keepdims=True).clip(1e-9)
    return np.stack(points)

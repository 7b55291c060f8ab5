"""A measuring tape: the convex hull of the loop in which a plane cuts a mesh.

What the tape touches is found with numpy: the loop and the corners of its hull. Its length is then a function of the
cut edges' vertices and of the plane, with exact gradients as long as the tape touches the same edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError
from torch import Tensor

LEAST_POINTS = 3
"""Fewest points of a loop."""


@dataclass(frozen=True)
class Loop:
    """A closed curve in which a plane cuts a mesh.

    Attributes:
        edges: (N, 2) vertices of the cut edges, in no order.
        points: (N, 3) where the plane cuts them, metres.
        flat: (N, 2) the same points in the plane's own coordinates.
        axes: (2, 3) axes of these coordinates.
    """

    edges: Int[np.ndarray, "n 2"]
    points: Float[np.ndarray, "n 3"]
    flat: Float[np.ndarray, "n 2"]
    axes: Float[np.ndarray, "2 3"]

    def surrounds(self, point: Float[np.ndarray, "3"]) -> bool:
        """Whether a point, projected to the plane, lies in the loop's bounding box."""
        place = self.flat[0] + self.axes @ (point - self.points[0])
        return bool((self.flat.min(0) <= place).all() and (place <= self.flat.max(0)).all())

    def hull(self) -> Int[np.ndarray, "h"]:
        """The points that a tape around the loop touches, in order."""
        try:
            return ConvexHull(self.flat).vertices
        except QhullError:  # all points on a line
            return np.empty(0, int)

    def girth(self) -> float:
        """Length of a tape around the loop, metres; 0 if the loop has no area."""
        try:
            return float(ConvexHull(self.flat).area)  # of a polygon scipy calls the perimeter area
        except QhullError:
            return 0.0


def plane_axes(normal: Float[np.ndarray, "3"]) -> Float[np.ndarray, "2 3"]:
    """Two unit vectors of a plane, at right angles to each other."""
    least = np.eye(3)[np.abs(normal).argmin()]
    first = np.cross(normal, least)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first)])


def cut(
    vertices: Float[np.ndarray, "v 3"],
    edges: Int[np.ndarray, "e 2"],
    edges_of_faces: Int[np.ndarray, "f 3"],
    origin: Float[np.ndarray, "3"],
    normal: Float[np.ndarray, "3"],
    inside: Float[np.ndarray, "3"],
) -> Loop | None:
    """The loop of a plane's cut that goes around a point.

    Args:
        vertices: (V, 3) metres.
        edges: (E, 2) edges of the mesh.
        edges_of_faces: (F, 3) the edges of each face.
        origin: (3,) a point of the plane.
        normal: (3,) of length 1.
        inside: (3,) a point in the limb or trunk that is measured; it is projected to the plane.

    Returns:
        Of the loops whose bounding box contains the point the largest, else the one whose centre is nearest; None if
        the plane does not cut the mesh.
    """
    height = (vertices - origin) @ normal
    above = height >= 0
    crossed = np.flatnonzero(above[edges[:, 0]] != above[edges[:, 1]])
    if len(crossed) < LEAST_POINTS:
        return None
    chosen = edges[crossed]
    low, high = height[chosen[:, 0]], height[chosen[:, 1]]
    share = low / (low - high)
    points = vertices[chosen[:, 0]] + share[:, None] * (vertices[chosen[:, 1]] - vertices[chosen[:, 0]])
    axes = plane_axes(normal)
    flat, centre = (points - origin) @ axes.T, (inside - origin) @ axes.T
    labels = _loops(crossed, edges_of_faces, len(edges))
    members = _around(flat, labels, centre)
    return Loop(chosen[members], points[members], flat[members], axes)


def _loops(crossed: np.ndarray, edges_of_faces: np.ndarray, n_edges: int) -> np.ndarray:
    """The loop of each cut edge: faces join two of them."""
    place = np.full(n_edges, -1)
    place[crossed] = np.arange(len(crossed))
    cut_edges = np.sort(place[edges_of_faces], axis=1)[:, 1:]  # a face has two cut edges or none
    pairs = cut_edges[cut_edges[:, 0] >= 0]
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(crossed),) * 2)
    return connected_components(graph, directed=False)[1]


def _around(flat: np.ndarray, labels: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Indices of the points of the loop around a point."""
    loops = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    boxes = [(flat[loop].min(0), flat[loop].max(0)) for loop in loops]
    holds = [bool((low <= centre).all() and (centre <= high).all()) for low, high in boxes]
    if any(holds):
        sizes = [np.ptp(flat[loop], axis=0).sum() if held else -1.0 for loop, held in zip(loops, holds, strict=True)]
        return loops[int(np.argmax(sizes))]
    distances = [float(np.linalg.norm((low + high) / 2 - centre)) for low, high in boxes]
    return loops[int(np.argmin(distances))]


def cut_points(
    ends: Float[Tensor, "n 2 3"], origin: Float[Tensor, "3"], normal: Float[Tensor, "3"]
) -> Float[Tensor, "n 3"]:
    """Where a plane cuts edges.

    Args:
        ends: (N, 2, 3) the vertices of each edge, on both sides of the plane, metres.
        origin: (3,) a point of the plane.
        normal: (3,) of any length.

    Returns:
        (N, 3) points, metres.

    Differentiability: smooth in all arguments, as long as no vertex lies in the plane.
    """
    heights = (ends - origin) @ normal
    share = heights[:, :1] / (heights[:, :1] - heights[:, 1:])
    return ends[:, 0] + share * (ends[:, 1] - ends[:, 0])


def closed_length(points: Float[Tensor, "n 3"]) -> Float[Tensor, ""]:
    """Length of the closed polygon through points in order, metres."""
    return (points.roll(-1, 0) - points).norm(dim=1).sum()


def open_length(points: Float[Tensor, "n 3"]) -> Float[Tensor, ""]:
    """Length of the polyline through points in order, metres."""
    return (points[1:] - points[:-1]).norm(dim=1).sum()


def stretched(
    flat: Float[np.ndarray, "n 2"], start: Float[np.ndarray, "2"], end: Float[np.ndarray, "2"], side: int
) -> Int[np.ndarray, "h"]:
    """The points that a tape touches which is stretched over a curve from one point to another.

    Args:
        flat: (N, 2) points of the curve, in a plane.
        start: (2,) first end.
        end: (2,) other end.
        side: 1 if the tape lies on the left of the way from the first end to the other, -1 if on the right.

    Returns:
        (H,) indices of the points between the ends, in order; none if the way is free.
    """
    along = (end - start) / np.linalg.norm(end - start)
    across = side * np.array([-along[1], along[0]])
    x, y = (flat - start) @ along, (flat - start) @ across
    between = np.flatnonzero((x > 0) & (x < np.linalg.norm(end - start)) & (y > 0))
    places = np.concatenate([np.stack([x, y], 1), [[0.0, 0.0], [np.linalg.norm(end - start), 0.0]]])
    first, last = len(flat), len(flat) + 1
    path = [first]
    for index in [*between[np.argsort(x[between])].tolist(), last]:  # the upper hull, by Andrew's monotone chain
        while len(path) > 1 and _turns_left(places[path[-2]], places[path[-1]], places[index]):
            path.pop()
        path.append(index)
    return np.asarray(path[1:-1], dtype=int)


def _turns_left(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> bool:
    return bool((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0)


def on_surface(corners: Float[Tensor, "3 3"], start: Float[Tensor, "3"], direction: Tensor) -> Float[Tensor, "3"]:
    """Where a ray meets the plane of a triangle.

    Args:
        corners: (3, 3) corners of the triangle, metres.
        start: (3,) where the ray begins.
        direction: (3,) of the ray.

    Differentiability: smooth, unless the ray is parallel to the triangle.
    """
    normal = torch.linalg.cross(corners[1] - corners[0], corners[2] - corners[0])
    return start + ((corners[0] - start) @ normal) / (direction @ normal) * direction

"""Edges of a mesh: the faces at each, and which can be on the outline of its projection or a border between parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.rasterize import BANDS, DROPPED

_KEPT = 8  # meshes whose topology is kept
_recent: list[Topology] = []


@dataclass(frozen=True)
class Topology:
    """Connectivity of a mesh as used by the kernels.

    Attributes:
        faces: (F, 3) int32 vertex indices.
        edges: (E, 2) int32 vertex indices, lower first. An edge where k > 2 faces meet occurs ⌈k/2⌉ times.
        edge_faces: (E, 2) int32 faces at each edge, ascending, −1 where there is none.
        edge_is_crowded: (E,) bool, whether three or more faces meet there.
        is_closed: Whether the surface has no border and its faces agree on which side is outside.
        n_vertices: One more than the highest vertex index.
    """

    faces: np.ndarray
    edges: np.ndarray
    edge_faces: np.ndarray
    edge_is_crowded: np.ndarray
    is_closed: bool
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
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    is_closed = bool((count == 2).all()) and len(np.unique(directed, axis=0)) == len(directed)
    return Topology(
        faces=np.ascontiguousarray(faces, dtype=np.int32),
        edges=np.ascontiguousarray(edges[edge_of_row], dtype=np.int32).reshape(-1, 2),
        edge_faces=edge_faces,
        edge_is_crowded=count[edge_of_row] > 2,
        is_closed=is_closed,
        n_vertices=int(faces.max()) + 1 if n_faces else 0,
    )


def covering_faces(topology: Topology, orientation: np.ndarray) -> np.ndarray:
    """Orientations with ``DROPPED`` for faces that are not needed to tell which points the mesh covers.

    A line of sight enters a closed surface as often as it leaves it, also where the surface cuts itself, so the faces
    of one orientation cover what all cover. Of an image in which a face is not rendered, all faces are needed.
    """
    if not topology.is_closed:
        return orientation
    spared = (orientation < 0) & (orientation < DROPPED).all(axis=1, keepdims=True)
    return np.where(spared, np.int8(DROPPED), orientation)


@kernel(inline=True)
def sign_at(orientation, f):
    """Orientation of face ``f``; 0 where there is no face or it is not rendered."""
    if f < 0 or orientation[f] == DROPPED:
        return 0
    return np.int64(orientation[f])


@kernel(inline=True)
def is_drawn(orientation, f):
    """Whether there is a face ``f`` and it is rendered."""
    return f >= 0 and orientation[f] != DROPPED


@kernel(inline=True)
def _is_contour(orientation, f0, f1, crowded):
    """Whether the surface turns over or ends at an edge with these two faces."""
    drawn0, drawn1 = is_drawn(orientation, f0), is_drawn(orientation, f1)
    if crowded or not (drawn0 and drawn1):
        return drawn0 or drawn1
    return orientation[f0] * orientation[f1] <= 0


@kernel(inline=True)
def _is_part_border(orientation, f0, f1, face_parts):
    return is_drawn(orientation, f0) and is_drawn(orientation, f1) and face_parts[f0] != face_parts[f1]


@kernel
def _clip(ax, ay, bx, by, left, top, right, bottom):
    """Part of a segment inside a rectangle (Liang–Barsky); an empty one has its end before its start."""
    t0, t1 = 0.0, 1.0
    for side in range(4):
        if side == 0:
            slope, room = ax - bx, ax - left
        elif side == 1:
            slope, room = bx - ax, right - ax
        elif side == 2:
            slope, room = ay - by, ay - top
        else:
            slope, room = by - ay, bottom - ay
        if slope == 0:
            if room < 0:
                return 1.0, 0.0
        elif slope < 0:
            t0 = max(t0, room / slope)
        else:
            t1 = min(t1, room / slope)
    return t0, t1


@kernel
def _find(xy, orientation, edges, edge_faces, crowded, face_parts, begin, end, window, kept, reach):
    """Write the contour edges among ``begin`` to ``end`` and their parts in the window; returns their number."""
    left, top, right, bottom = window
    by_part = face_parts.shape[0] > 0
    n = 0
    for e in range(begin, end):
        f0, f1 = edge_faces[e, 0], edge_faces[e, 1]
        is_border = by_part and _is_part_border(orientation, f0, f1, face_parts)
        if not is_border and not _is_contour(orientation, f0, f1, crowded[e]):
            continue
        ax, ay = xy[edges[e, 0], 0], xy[edges[e, 0], 1]
        bx, by = xy[edges[e, 1], 0], xy[edges[e, 1], 1]
        t0, t1 = _clip(ax, ay, bx, by, left, top, right, bottom)
        if t0 >= t1:
            continue
        kept[n] = e
        reach[n, 0], reach[n, 1] = t0, t1
        n += 1
    return n


@kernel(parallel=True)
def contour_edges(xy, orientation, edges, edge_faces, crowded, face_parts, window):
    """Edges at which the surface turns over or ends, or between two parts, as far as they are in a window.

    ``face_parts`` is empty for the contour only; ``window``: left, top, right, bottom, pixels.

    Returns:
        (N,) int32 edges of one image after another, each ascending; (B · BANDS + 1,) int64 begins of the ``BANDS`` runs
        of each image.
        (N, 2) parameters along the edge where it enters and leaves the window; (N, 4) x, y of both points, pixels.
    """
    n_batch, n_edges = xy.shape[0], edges.shape[0]
    kept, reach = np.empty((n_batch, n_edges), np.int32), np.empty((n_batch, n_edges, 2))
    begins = np.zeros(n_batch * BANDS + 1, np.int64)
    for task in prange(n_batch * BANDS):
        b, band = np.int64(task) // BANDS, np.int64(task) % BANDS
        begin, end = n_edges * band // BANDS, n_edges * (band + 1) // BANDS
        begins[task + 1] = _find(
            xy[b], orientation[b], edges, edge_faces, crowded, face_parts, begin, end, window,
            kept[b, begin:end], reach[b, begin:end],
        )  # fmt: skip
    for task in range(n_batch * BANDS):
        begins[task + 1] += begins[task]
    edge, span, ends = np.empty(begins[-1], np.int32), np.empty((begins[-1], 2)), np.empty((begins[-1], 4))
    for task in prange(n_batch * BANDS):
        b, band = np.int64(task) // BANDS, np.int64(task) % BANDS
        source = n_edges * band // BANDS
        for n in range(begins[task], begins[task + 1]):
            e = kept[b, source + n - begins[task]]
            ax, ay = xy[b, edges[e, 0], 0], xy[b, edges[e, 0], 1]
            dx, dy = xy[b, edges[e, 1], 0] - ax, xy[b, edges[e, 1], 1] - ay
            edge[n] = e
            for k in range(2):
                span[n, k] = reach[b, source + n - begins[task], k]
                ends[n, 2 * k], ends[n, 2 * k + 1] = ax + span[n, k] * dx, ay + span[n, k] * dy
    return edge, begins, span, ends

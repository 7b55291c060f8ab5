"""The outline of the union of all projected faces, and the borders between visible parts, as pieces of mesh edges.

1. Only *contour edges* can be on it: those where the surface turns over (their two faces have opposite
   orientation on the image) or ends.
2. Contour edges cross where one limb passes another. Cut at all crossings, each piece is on the outline as a
   whole or not at all.
3. A piece is on the outline if a point just outside it is in no face. That removes pieces in front of or behind
   another part of the body.

Borders between parts are found likewise: the edges between two parts are added to the contour edges, and a piece is
kept if different parts are visible just beside it on its two sides.
"""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.contour_edges import contour_edges, covering_faces, is_drawn, sign_at
from render_fit.renderers.kernels.grid import all_face_boxes, bin_boxes, edge_boxes, face_at
from render_fit.renderers.kernels.parts import N_PARTS
from render_fit.renderers.kernels.rasterize import BANDS

CELL_SHARE = 1.0
# Side of the grid cells, in mean lengths of a contour edge. At hands and face a cell of 4 px has over 1,000 faces at
# 224²; smaller cells cost more in listing than they save.

MARGIN_PX = 2.0
# The outline is traced this far (pixels) beyond the radius of any pixel, so that its cut ends are never nearest.

MAX_CELLS = 1 << 18
# Largest number of grid cells; with more, cells are enlarged.

HAIR_PX = 1e-4
HAIR_SHARE = 1e-3
# Distance beside a piece's midpoint at which coverage is tested: pixels, and at most this share of the piece's length,
# so that a face that meets the piece's end at a flat angle does not cover the point.


@kernel
def _crossings(e, kept, edges, xy, box, start, members, n_columns, cuts, cut_by):
    """Parameters at which other contour edges cut edge ``kept[e]``, and the cutting edges, unsorted.

    A collinear overlap cuts at the ends of the other edge; the cutting edge is then −1.
    """
    n = 0
    a, b = edges[kept[e], 0], edges[kept[e], 1]
    ax, ay = xy[a, 0], xy[a, 1]
    dx, dy = xy[b, 0] - ax, xy[b, 1] - ay
    length2 = dx * dx + dy * dy
    if length2 == 0:
        return 0
    for r in range(box[e, 2], box[e, 3] + 1):
        for c in range(box[e, 0], box[e, 1] + 1):
            k = r * n_columns + c
            for m in range(start[k], start[k + 1]):
                o = members[m]
                p, q = edges[kept[o], 0], edges[kept[o], 1]
                # Two boxes that overlap share several cells; the pair is processed in the first of those.
                if r != max(box[e, 2], box[o, 2]) or c != max(box[e, 0], box[o, 0]) or o == e:
                    continue
                ox, oy = xy[p, 0] - ax, xy[p, 1] - ay
                ex, ey = xy[q, 0] - xy[p, 0], xy[q, 1] - xy[p, 1]
                other2 = ex * ex + ey * ey
                side = dx * oy - dy * ox
                turn = dx * ey - dy * ex
                if turn * turn <= 1e-20 * length2 * other2:
                    if side * side <= 1e-12 * length2:
                        cuts[n] = (ox * dx + oy * dy) / length2
                        cuts[n + 1] = ((ox + ex) * dx + (oy + ey) * dy) / length2
                        cut_by[n], cut_by[n + 1] = -1, -1
                        n += 2
                    continue
                if p in (a, b) or q in (a, b):
                    continue
                s = -side / turn
                if s < 0 or s > 1:
                    continue
                t = (ox * ey - oy * ex) / turn
                if 0 < t < 1:
                    cuts[n] = t
                    cut_by[n] = kept[o]
                    n += 1
    return n


@kernel
def _sort_cuts(cuts, cut_by, n):
    for i in range(1, n):
        t, by = cuts[i], cut_by[i]
        k = i - 1
        while k >= 0 and (cuts[k] > t or (cuts[k] == t and cut_by[k] > by)):
            cuts[k + 1], cut_by[k + 1] = cuts[k], cut_by[k]
            k -= 1
        cuts[k + 1], cut_by[k + 1] = t, by


@kernel
def _outer_normal(e, edges, edge_faces, xy, faces, orientation):
    """Unit normal of edge ``e`` pointing out of its face, and whether its outer side is known."""
    a, b = edges[e, 0], edges[e, 1]
    dx, dy = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1]
    length = np.sqrt(dx * dx + dy * dy)
    nx, ny = dy / length, -dx / length
    best = 0.0
    for k in range(2):
        f = edge_faces[e, k]
        if sign_at(orientation, f) == 0:
            continue
        third = faces[f, 0] + faces[f, 1] + faces[f, 2] - a - b
        height = nx * (xy[third, 0] - xy[a, 0]) + ny * (xy[third, 1] - xy[a, 1])
        if abs(height) > abs(best):
            best = height
    if best > 0:
        nx, ny = -nx, -ny
    return nx, ny, best != 0


@kernel
def _pieces(
    begin, end, kept, reach, box, edge_start, edge_members, xy, z, topology_arrays, orientation, face_parts,
    start, members, grid, piece, place,
):  # fmt: skip
    """Write the pieces of the kept edges ``begin`` to ``end`` of one image, as far as they fit; their number."""
    faces, edges, edge_faces = topology_arrays
    left, top, cell, n_columns, n_rows = grid
    by_part = face_parts.shape[0] > 0
    n_found = 0
    cuts = np.empty(2 * kept.shape[0] + 2)
    cut_by = np.empty(2 * kept.shape[0] + 2, np.int32)
    for i in range(begin, end):
        e = kept[i]
        a, b = edges[e, 0], edges[e, 1]
        ax, ay = xy[a, 0], xy[a, 1]
        dx, dy = xy[b, 0] - ax, xy[b, 1] - ay
        length = np.sqrt(dx * dx + dy * dy)
        if length == 0:
            continue
        n_cuts = _crossings(i, kept, edges, xy, box, edge_start, edge_members, n_columns, cuts, cut_by)
        _sort_cuts(cuts, cut_by, n_cuts)
        nx, ny, has_outer_side = _outer_normal(e, edges, edge_faces, xy, faces, orientation)
        t0, by0 = reach[i, 0], -1
        for k in range(n_cuts + 1):
            if k == n_cuts:
                t1, by1 = reach[i, 1], -1
            else:
                t1, by1 = min(cuts[k], reach[i, 1]), cut_by[k]
            if (t1 - t0) * length < 1e-9:
                if t1 >= t0:
                    t0, by0 = t1, by1
                continue
            middle = 0.5 * (t0 + t1)
            mx, my = ax + middle * dx, ay + middle * dy
            hair = min(HAIR_PX, HAIR_SHARE * (t1 - t0) * length)
            outer = face_at(
                mx + hair * nx, my + hair * ny, xy, z, faces, orientation, not by_part,
                start, members, left, top, cell, n_columns, n_rows,
            )  # fmt: skip
            inner = -1
            if outer >= 0 and (by_part or not has_outer_side):
                inner = face_at(
                    mx - hair * nx, my - hair * ny, xy, z, faces, orientation, not by_part,
                    start, members, left, top, cell, n_columns, n_rows,
                )  # fmt: skip
            if by_part:
                is_kept = outer >= 0 and inner >= 0 and face_parts[outer] != face_parts[inner]
            else:
                is_kept = outer < 0 or (not has_outer_side and inner < 0)
            if is_kept:
                if n_found < piece.shape[0]:
                    if by_part:
                        one, two = face_parts[inner], face_parts[outer]
                        inner = min(one, two) * N_PARTS + max(one, two)
                    else:
                        inner = edge_faces[e, 0]
                        if not is_drawn(orientation, inner):
                            inner = edge_faces[e, 1]
                    piece[n_found, 0], piece[n_found, 1], piece[n_found, 2] = e, by0, by1
                    piece[n_found, 3] = inner
                    place[n_found, 0], place[n_found, 1] = t0, t1
                    place[n_found, 2], place[n_found, 3] = ax + t0 * dx, ay + t0 * dy
                    place[n_found, 4], place[n_found, 5] = ax + t1 * dx, ay + t1 * dy
                n_found += 1
            t0, by0 = t1, by1
    return n_found


@kernel(parallel=True)
def _all_pieces(
    kept, first, reach, box, edge_start, edge_offset, edge_members, xy, z, topology_arrays, orientation, face_parts,
    start, offset, members, grid, capacity,
):  # fmt: skip
    """``_pieces`` of all images, every image's edges in ``BANDS`` runs; and the number of each run, (B, BANDS)."""
    n_batch = xy.shape[0]
    piece = np.empty((n_batch, BANDS, capacity, 4), np.int32)
    place = np.empty((n_batch, BANDS, capacity, 6))
    count = np.zeros((n_batch, BANDS), np.int64)
    for task in prange(n_batch * BANDS):
        b, band = np.int64(task) // BANDS, np.int64(task) % BANDS
        one, end = first[b], first[b + 1]
        n_kept = end - one
        count[b, band] = _pieces(
            n_kept * band // BANDS, n_kept * (band + 1) // BANDS, kept[one:end], reach[one:end], box[one:end],
            edge_start[b], edge_members[edge_offset[b] : edge_offset[b + 1]], xy[b], z[b], topology_arrays,
            orientation[b], face_parts, start[b], members[offset[b] : offset[b + 1]], grid, piece[b, band],
            place[b, band],
        )  # fmt: skip
    return piece, place, count


def _joined(piece, place, count):
    """Join the runs of each image."""
    totals = count.sum(axis=1)
    most = int(totals.max())
    pieces, places = np.empty((len(piece), most, 4), np.int32), np.empty((len(piece), most, 6))
    for b, of_runs in enumerate(count):
        end = 0
        for run, n in enumerate(of_runs):
            pieces[b, end : end + n], places[b, end : end + n] = piece[b, run, :n], place[b, run, :n]
            end += n
    return pieces, places, totals


def trace_outline(xy, z, topology, orientation, height, width, radius, face_parts=None):
    """Outline of the union of all faces, or the borders between visible parts, within ``radius`` of the image.

    ``topology``: edges and adjacency of the mesh. ``face_parts`` is given for the borders between parts only.

    Returns:
        (B, N, 4) int32 for each piece: its edge, the edge that cuts its start and the one that cuts its end
            (−1: none), and its name: one of its faces for the outline; for a border the pair of parts visible at
            its sides, lower · 24 + higher.
        (B, N, 6) float64: parameters of its start and end along the edge, then x, y of the start and the end, pixels.
        (B,) int64 number of pieces in each image; the rest of the arrays is undefined.
    """
    n_batch = len(xy)
    by_part = face_parts is not None
    parts = face_parts if by_part else np.empty(0, np.int64)
    pad = radius + MARGIN_PX
    kept, begins, reach, ends = contour_edges(
        xy, orientation, topology.edges, topology.edge_faces, topology.edge_is_crowded, parts,
        (-pad, -pad, width + pad, height + pad),
    )  # fmt: skip
    if len(kept) == 0:
        return np.empty((n_batch, 0, 4), np.int32), np.empty((n_batch, 0, 6)), np.zeros(n_batch, np.int64)
    first = begins[::BANDS].copy()
    # One grid for the batch, around all kept edges.
    left, top = (float(ends[:, axis::2].min()) - 1 for axis in (0, 1))
    right, bottom = (float(ends[:, axis::2].max()) + 1 for axis in (0, 1))
    length = float(np.hypot(ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1]).mean())
    cell = max(CELL_SHARE * length, max(right - left, bottom - top) / int(MAX_CELLS**0.5))
    n_columns, n_rows = int((right - left) / cell) + 1, int((bottom - top) / cell) + 1
    box = np.empty((len(kept), 4), np.int32)
    edge_boxes(ends, left, top, cell, n_columns, n_rows, box)
    edge_lists = bin_boxes(box, first, n_columns, n_rows)
    covering = orientation if by_part else covering_faces(topology, orientation)
    face_box, face_first = all_face_boxes(xy, topology.faces, covering, left, top, cell, n_columns, n_rows, HAIR_PX)
    face_lists = bin_boxes(face_box, face_first, n_columns, n_rows)
    capacity = 4 * len(kept) // BANDS + 64
    while True:
        piece, place, count = _all_pieces(
            kept, first, reach, box, *edge_lists, xy, z, (topology.faces, topology.edges, topology.edge_faces),
            orientation, parts, *face_lists, (left, top, cell, n_columns, n_rows), capacity,
        )  # fmt: skip
        if count.max() <= capacity:
            return _joined(piece, place, count)
        capacity = int(count.max())

"""Lists of the faces or edges in each cell of a grid, so that only the neighbourhood of a point is searched."""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.rasterize import DROPPED

CELL = 4
# Side of the cells in which soft faces are listed, pixels. Part maps of a 7 k-vertex body at 224², σ = 1 px, take
# 18.2 ms with 4, 16.9 ms with 2 and 21.6 ms with 8 (one thread, forward and backward with lists); 2 needs twice
# the memory.


@kernel
def _cells(x0, y0, x1, y1, left, top, cell, n_columns, n_rows, box):
    """Cells that a rectangle touches: first and last column, first and last row; last < first if none."""
    box[0], box[1], box[2], box[3] = 0, -1, 0, -1
    # Clamped before the cast, which is undefined for numbers outside int32's range.
    c0 = np.floor(min(max((x0 - left) / cell, -1.0), float(n_columns)))
    c1 = np.floor(min(max((x1 - left) / cell, -1.0), float(n_columns)))
    r0 = np.floor(min(max((y0 - top) / cell, -1.0), float(n_rows)))
    r1 = np.floor(min(max((y1 - top) / cell, -1.0), float(n_rows)))
    if c1 < 0 or r1 < 0 or c0 >= n_columns or r0 >= n_rows:
        return
    box[0], box[1] = max(int(c0), 0), min(int(c1), n_columns - 1)
    box[2], box[3] = max(int(r0), 0), min(int(r1), n_rows - 1)


@kernel
def face_boxes(xy, faces, orientation, left, top, cell, n_columns, n_rows, radius, boxes):
    """Fill ``boxes`` (F, 4) int32 with the cells that each face's bounding box, grown by ``radius`` pixels, touches."""
    for f in range(faces.shape[0]):
        if orientation[f] == DROPPED:
            boxes[f, 0], boxes[f, 1], boxes[f, 2], boxes[f, 3] = 0, -1, 0, -1
            continue
        i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, x1, x2 = xy[i0, 0], xy[i1, 0], xy[i2, 0]
        y0, y1, y2 = xy[i0, 1], xy[i1, 1], xy[i2, 1]
        _cells(
            min(x0, x1, x2) - radius, min(y0, y1, y2) - radius,
            max(x0, x1, x2) + radius, max(y0, y1, y2) + radius,
            left, top, cell, n_columns, n_rows, boxes[f],
        )  # fmt: skip


@kernel
def edge_boxes(ends, left, top, cell, n_columns, n_rows, boxes):
    """Fill ``boxes`` (N, 4) int32 with the cells that each segment's bounding box touches; ``ends`` (N, 4)."""
    for e in range(ends.shape[0]):
        _cells(
            min(ends[e, 0], ends[e, 2]), min(ends[e, 1], ends[e, 3]),
            max(ends[e, 0], ends[e, 2]), max(ends[e, 1], ends[e, 3]),
            left, top, cell, n_columns, n_rows, boxes[e],
        )  # fmt: skip


@kernel
def _count(boxes, n_columns, start):
    """Fill ``start`` (cells + 1), initially zero, with the begin of each cell's list."""
    for k in range(boxes.shape[0]):
        for r in range(boxes[k, 2], boxes[k, 3] + 1):
            for c in range(boxes[k, 0], boxes[k, 1] + 1):
                start[r * n_columns + c + 1] += 1
    for k in range(start.shape[0] - 1):
        start[k + 1] += start[k]


@kernel
def _list(boxes, n_columns, start, members):
    """Fill ``members`` with the lists, each ascending."""
    cursor = start[:-1].copy()
    for k in range(boxes.shape[0]):
        for r in range(boxes[k, 2], boxes[k, 3] + 1):
            for c in range(boxes[k, 0], boxes[k, 1] + 1):
                members[cursor[r * n_columns + c]] = k
                cursor[r * n_columns + c] += 1


@kernel(parallel=True)
def bin_boxes(boxes, first, n_columns, n_rows):
    """Lists of the boxes that touch each cell, for a batch.

    One thread makes an image's lists: splitting the work costs as much as it saves.

    Args:
        boxes: (N, 4) int32 cells of each box, the images' boxes one after another.
        first: (B + 1,) index of each image's first box.
        n_columns: Width of the grid, cells.
        n_rows: Height of the grid, cells.

    Returns:
        (B, cells + 1) int32 begin of each cell's list in its image's members; (B + 1,) int64 begin of each image's
        members; all members, int32, those of each cell ascending, numbered from the image's first box.
    """
    n_batch = len(first) - 1
    start = np.zeros((n_batch, n_rows * n_columns + 1), np.int32)
    for task in prange(n_batch):
        b = np.int64(task)
        _count(boxes[first[b] : first[b + 1]], n_columns, start[b])
    offset = np.zeros(n_batch + 1, np.int64)
    for b in range(n_batch):
        offset[b + 1] = offset[b] + start[b, -1]
    members = np.empty(offset[-1], np.int32)
    for task in prange(n_batch):
        b = np.int64(task)
        _list(boxes[first[b] : first[b + 1]], n_columns, start[b], members[offset[b] : offset[b + 1]])
    return start, offset, members


@kernel
def all_face_boxes(xy, faces, orientation, left, top, cell, n_columns, n_rows, radius):
    """``face_boxes`` of a batch, joined: (B · F, 4) int32, and (B + 1,) the index of each image's first box."""
    n_batch, n_faces = xy.shape[0], faces.shape[0]
    boxes = np.empty((n_batch * n_faces, 4), np.int32)
    first = np.empty(n_batch + 1, np.int64)
    first[0] = 0
    for b in range(n_batch):
        first[b + 1] = first[b] + n_faces
        here = boxes[first[b] : first[b + 1]]
        face_boxes(xy[b], faces, orientation[b], left, top, cell, n_columns, n_rows, radius, here)
    return boxes, first


def bin_soft_faces(xy, faces, orientation, height, width, radius):
    """Lists of the faces within ``radius`` of each cell of ``CELL`` × ``CELL`` pixels, for a batch.

    Dropped faces are left out, degenerate ones stay.

    Returns:
        (B, cells + 1) int32 begin of each cell's list in its image's members; (B + 1,) int64 begin of each image's
        members; all members, int32, those of each cell ascending.
    """
    n_rows, n_columns = (height + CELL - 1) // CELL, (width + CELL - 1) // CELL
    boxes, first = all_face_boxes(xy, faces, orientation, 0.0, 0.0, float(CELL), n_columns, n_rows, radius)
    return bin_boxes(boxes, first, n_columns, n_rows)


@kernel
def face_at(px, py, xy, z, faces, orientation, any_will_do, start, members, left, top, cell, n_columns, n_rows):
    """The nearest face at a point, from its cell's list, or with ``any_will_do`` the first found; −1 if none."""
    column = int(np.floor((px - left) / cell))
    row = int(np.floor((py - top) / cell))
    if column < 0 or row < 0 or column >= n_columns or row >= n_rows:
        return -1
    k = row * n_columns + column
    found = -1
    nearest = 0.0
    for m in range(start[k], start[k + 1]):
        f = members[m]
        sign = orientation[f]
        if sign == 0:
            continue
        i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = xy[i0, 0] - px, xy[i0, 1] - py
        x1, y1 = xy[i1, 0] - px, xy[i1, 1] - py
        x2, y2 = xy[i2, 0] - px, xy[i2, 1] - py
        w0, w1, w2 = x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1
        if w0 * sign >= 0 and w1 * sign >= 0 and w2 * sign >= 0:
            if any_will_do:
                return np.int64(f)
            inverse_depth = (w0 / z[i0] + w1 / z[i1] + w2 / z[i2]) / (w0 + w1 + w2)
            if inverse_depth > nearest:
                nearest = inverse_depth
                found = np.int64(f)
    return found

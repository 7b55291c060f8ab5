"""Triangle geometry for all pixels of a cell at once, so that the compiler can put the pixels into SIMD lanes.

Same geometry as in ``triangle_distance``, without branches, in coordinates relative to the cell's centre. Loops over
``LANES`` pixels that call these functions are vectorised only if nothing in them branches or calls other code; all
their arrays are slices of one scratch array, because LLVM does not vectorise where arrays might overlap.
"""

import numpy as np
from numba import prange

from render_fit.renderers.kernels.compiling import kernel
from render_fit.renderers.kernels.grid import CELL
from render_fit.renderers.kernels.rasterize import BANDS

LANES = CELL * CELL

CELL_REACH = (CELL - 1) / 2 * 2**0.5
"""Distance from a cell's centre to its farthest pixel centre, pixels."""

RECORD = 16
"""Numbers per triangle: its corners x0, y0, x1, y1, x2, y2; then for each side 01, 12, 20 its direction x, y and
1 / length² (0 for length 0), pixels; then the sign of its area (0 for a triangle without area)."""

MOST_EXPONENT = 30.0
"""Exponents are clamped to ± this: exp(−30) = 1e-13 is negligible."""


@kernel(parallel=True)
def triangle_records(xy, faces, orientation):
    """Records of all faces (see ``RECORD``), in image coordinates: (B, F, RECORD)."""
    n_faces = faces.shape[0]
    records = np.empty((xy.shape[0], n_faces, RECORD))
    for task in prange(xy.shape[0] * BANDS):
        b, band = np.int64(task) // BANDS, np.int64(task) % BANDS
        for f in range(n_faces * band // BANDS, n_faces * (band + 1) // BANDS):
            for k in range(3):
                v, w = faces[f, k], faces[f, (k + 1) % 3]
                dx, dy = xy[b, w, 0] - xy[b, v, 0], xy[b, w, 1] - xy[b, v, 1]
                length2 = dx * dx + dy * dy
                records[b, f, 2 * k], records[b, f, 2 * k + 1] = xy[b, v, 0], xy[b, v, 1]
                records[b, f, 6 + 3 * k], records[b, f, 7 + 3 * k] = dx, dy
                records[b, f, 8 + 3 * k] = 1.0 / length2 if length2 > 0 else 0.0
            records[b, f, 15] = orientation[b, f]
    return records


@kernel(inline=True, simd=True)
def _along(x, y, ex, ey, inverse_length2):
    """Nearest point of a side that starts at (x, y) from the pixel: parameter, offset from there, squared distance."""
    t = min(max(-(x * ex + y * ey) * inverse_length2, 0.0), 1.0)
    qx, qy = x + t * ex, y + t * ey
    return t, qx, qy, qx * qx + qy * qy


@kernel(inline=True, simd=True)
def _side(x0, y0, x1, y1, x2, y2, sign):
    """1.0 if the origin is strictly inside a triangle, else −1.0."""
    # For a triangle without area these are rounding errors, of any sign.
    w0, w1, w2 = x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1
    return 1.0 if min(sign * w0, sign * w1, sign * w2) > 0.0 else -1.0


@kernel(inline=True, simd=True)
def signed_distance2(px, py, record):
    """Squared distance to the triangle's nearest side, pixels², and 1.0 inside, −1.0 outside."""
    x0, y0 = record[0] - px, record[1] - py
    x1, y1 = record[2] - px, record[3] - py
    x2, y2 = record[4] - px, record[5] - py
    _, _, _, d0 = _along(x0, y0, record[6], record[7], record[8])
    _, _, _, d1 = _along(x1, y1, record[9], record[10], record[11])
    _, _, _, d2 = _along(x2, y2, record[12], record[13], record[14])
    return min(d0, d1, d2), _side(x0, y0, x1, y1, x2, y2, record[15])


@kernel(inline=True, simd=True)
def nearest_point(px, py, record):
    """The nearest point of the triangle's sides, and its weights of the corners.

    Returns:
        Squared distance, pixels²; 1.0 inside, −1.0 outside; offset x, y from the pixel to the point; weights of
        corners 0 and 2 in it (corner 1 has the rest). Of equally near sides the first is used.
    """
    x0, y0 = record[0] - px, record[1] - py
    x1, y1 = record[2] - px, record[3] - py
    x2, y2 = record[4] - px, record[5] - py
    t, x, y, distance2 = _along(x0, y0, record[6], record[7], record[8])
    t1, qx, qy, d1 = _along(x1, y1, record[9], record[10], record[11])
    t2, rx, ry, d2 = _along(x2, y2, record[12], record[13], record[14])
    # Blends by 0 or 1, not `if`: several choices by one condition would become a branch.
    second = 1.0 if d1 < distance2 else 0.0
    distance2 = min(distance2, d1)
    x += second * (qx - x)
    y += second * (qy - y)
    first_weight = (1.0 - second) * (1.0 - t)
    last_weight = second * t1
    third = 1.0 if d2 < distance2 else 0.0
    distance2 = min(distance2, d2)
    x += third * (rx - x)
    y += third * (ry - y)
    first_weight += third * (t2 - first_weight)
    last_weight += third * (1.0 - t2 - last_weight)
    side = _side(x0, y0, x1, y1, x2, y2, record[15])
    return distance2, side, x, y, first_weight, last_weight


@kernel(inline=True, simd=True)
def exponential(x):
    """exp(x) for |x| ≤ ``MOST_EXPONENT``, by a polynomial of x / 64 and six squarings.

    The relative error is below 3e-10 for |x| ≤ 9.3 (the end of the default blur radius), 2e-8 for |x| ≤ 16 and 4e-6
    at 30. LLVM cannot vectorise calls of exp without a vector maths library.
    """
    r = x * (1.0 / 64.0)
    p = 1.0 + r * (1.0 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040)))))))
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    return p * p


@kernel(simd=True)
def gather_in_reach(records, members, cx, cy, radius, found):
    """Collect the records of a cell's faces in reach of one of its pixel centres, relative to the cell's centre.

    Args:
        records: (F, RECORD) records of ``triangle_records``.
        members: (N,) faces of the cell; those in reach are moved to the front, in their order.
        cx: x of the cell's centre, pixels.
        cy: y of the cell's centre, pixels.
        radius: Reach of a face beyond its sides, pixels.
        found: (≥ N, RECORD) filled with the records in reach.

    Returns:
        Number of faces in reach.
    """
    # The slack makes this independent of rounding; reach is tested exactly per pixel.
    reach2 = (radius + CELL_REACH + 1e-6) ** 2
    n = 0
    for m in range(members.shape[0]):
        f = members[m]
        distance2, side = signed_distance2(cx, cy, records[f])
        if side < 0 and distance2 > reach2:
            continue
        for k in range(3):
            found[n, 2 * k] = records[f, 2 * k] - cx
            found[n, 2 * k + 1] = records[f, 2 * k + 1] - cy
        for k in range(6, RECORD):
            found[n, k] = records[f, k]
        members[n] = f
        n += 1
    return n


@kernel
def place_lanes(scratch):
    """Write the pixel centres of a cell, relative to its centre: x in the first ``LANES`` numbers, y in the next."""
    for lane in range(LANES):
        scratch[lane] = lane % CELL - (CELL - 1) / 2
        scratch[LANES + lane] = lane // CELL - (CELL - 1) / 2

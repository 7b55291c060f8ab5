"""Nearest point and depth of a triangle at a pixel centre, and their gradients with respect to the corners."""

import numpy as np

from render_fit.renderers.kernels.compiling import kernel

NO_AREA_PX2 = 1e-6
"""Twice the area on the image, pixels², up to which a triangle has the mean of its corners' depths: interpolation would
be rounding. PyTorch3D leaves out triangles up to 1e-8 in its units, more than this above 20 × 20 pixels."""


@kernel(inline=True)
def _along(px, py, ax, ay, bx, by, inverse_length2):
    """Parameter of the point of segment a–b nearest to p, and their squared distance."""
    ex, ey = bx - ax, by - ay
    t = min(max(((px - ax) * ex + (py - ay) * ey) * inverse_length2, 0.0), 1.0)
    x, y = px - ax - t * ex, py - ay - t * ey
    return t, x * x + y * y


@kernel(inline=True)
def nearest_on_triangle(px, py, corner):
    """Position of a pixel centre relative to a triangle.

    Args:
        px: Pixel centre's x, pixels.
        py: Pixel centre's y, pixels.
        corner: Nine numbers: x0, y0, x1, y1, x2, y2, pixels, and 1 / length² of the sides 01, 12, 20.

    Returns:
        Whether the centre is inside; its squared distance to the nearest side, pixels²; that side's first
        corner k (it runs to corner k + 1 modulo 3); the parameter of the nearest point along it.
    """
    x0, y0, x1, y1, x2, y2 = corner[0], corner[1], corner[2], corner[3], corner[4], corner[5]
    w2 = (x0 - px) * (y1 - py) - (y0 - py) * (x1 - px)
    w0 = (x1 - px) * (y2 - py) - (y1 - py) * (x2 - px)
    w1 = (x2 - px) * (y0 - py) - (y2 - py) * (x0 - px)
    inside = (w0 > 0 and w1 > 0 and w2 > 0) or (w0 < 0 and w1 < 0 and w2 < 0)
    side = 0
    t, d2 = _along(px, py, x0, y0, x1, y1, corner[6])
    t1, d21 = _along(px, py, x1, y1, x2, y2, corner[7])
    if d21 < d2:
        side, t, d2 = 1, t1, d21
    t2, d22 = _along(px, py, x2, y2, x0, y0, corner[8])
    if d22 < d2:
        side, t, d2 = 2, t2, d22
    return inside, d2, side, t


@kernel(inline=True)
def _clipped(px, py, corner):
    """Barycentric coordinates of a pixel centre, affine on the image, each clipped at 0, not yet normalised.

    Twice the areas, pixels², of the triangles between the centre and the sides, negative ones as 0.

    Returns:
        The three coordinates; the sign of the triangle's area. Without area the sign is 0 and the coordinates are 1.
    """
    x0, y0, x1, y1, x2, y2 = corner[0], corner[1], corner[2], corner[3], corner[4], corner[5]
    area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
    if abs(area) <= NO_AREA_PX2:
        return 1.0, 1.0, 1.0, 0.0
    sign = 1.0 if area > 0 else -1.0
    b0 = sign * ((x1 - px) * (y2 - py) - (y1 - py) * (x2 - px))
    b1 = sign * ((x2 - px) * (y0 - py) - (y2 - py) * (x0 - px))
    b2 = sign * ((x0 - px) * (y1 - py) - (y0 - py) * (x1 - px))
    return max(b0, 0.0), max(b1, 0.0), max(b2, 0.0), sign


@kernel(inline=True)
def clipped_depth(px, py, corner, z):
    """Depth of a triangle at a pixel centre, inside it or not: Σ b z, with b clipped at 0 and normalised.

    Between the corners' least and greatest depth; their mean for a triangle without area.
    Not corrected for perspective: outside a triangle seen edge-on the corrected coordinates grow without bounds.

    Args:
        px: Pixel centre's x, pixels.
        py: Pixel centre's y, pixels.
        corner: Corners x0, y0, x1, y1, x2, y2, pixels.
        z: Depths of the corners, metres.

    Returns:
        Depth, metres.

    Differentiability:
        Gradient in ``pull_clipped_depth``; not smooth where a coordinate begins to be clipped.

    Source:
        PyTorch3D, csrc/utils/geometry_utils.h, BarycentricClipForward; its floor of 1e-5 under the sum is never
        reached, because the coordinates before clipping sum to one.
    """
    b0, b1, b2, _ = _clipped(px, py, corner)
    return (b0 * z[0] + b1 * z[1] + b2 * z[2]) / (b0 + b1 + b2)


@kernel(inline=True)
def pull_distance2(px, py, corner, side, t, g, grad):
    """Add ``g`` times the gradient of the squared distance to ``grad``: per corner x, y, z."""
    far = (side + 1) % 3
    x = px - (1 - t) * corner[2 * side] - t * corner[2 * far]
    y = py - (1 - t) * corner[2 * side + 1] - t * corner[2 * far + 1]
    # The nearest point slides along its side at right angles to the offset, so only the side's motion counts.
    grad[3 * side] -= 2 * g * (1 - t) * x
    grad[3 * side + 1] -= 2 * g * (1 - t) * y
    grad[3 * far] -= 2 * g * t * x
    grad[3 * far + 1] -= 2 * g * t * y


@kernel(inline=True)
def pull_clipped_depth(px, py, corner, z, g, grad):
    """Add ``g`` times the gradient of ``clipped_depth`` to ``grad``: per corner x, y, z.

    Clipped coordinates have no gradient. For a triangle without area only the depths have one.

    Source:
        PyTorch3D, csrc/utils/geometry_utils.h, BarycentricClipBackward and BarycentricCoordsBackward, whose terms in
        the triangle's own area cancel.
    """
    b0, b1, b2, sign = _clipped(px, py, corner)
    total = b0 + b1 + b2
    depth = (b0 * z[0] + b1 * z[1] + b2 * z[2]) / total
    grad[2] += g * b0 / total
    grad[5] += g * b1 / total
    grad[8] += g * b2 / total
    for k in range(3):
        if (b0 if k == 0 else (b1 if k == 1 else b2)) <= 0:
            continue
        i, j = (k + 1) % 3, (k + 2) % 3
        # Derivative of the depth by the area between the centre and the side from corner i to corner j.
        slope = sign * g * (z[k] - depth) / total
        grad[3 * i] += slope * (corner[2 * j + 1] - py)
        grad[3 * i + 1] -= slope * (corner[2 * j] - px)
        grad[3 * j] -= slope * (corner[2 * i + 1] - py)
        grad[3 * j + 1] += slope * (corner[2 * i] - px)


@kernel
def gather_cell(xy, z, faces, members, corners, depths, boxes, radius):
    """Copy the corners of a cell's faces to contiguous arrays.

    Args:
        xy: (V, 2) projected vertices, pixels.
        z: (V,) depths of the vertices, metres.
        faces: (F, 3) vertex indices.
        members: (N,) faces of the cell.
        corners: (≥ N, 9) filled with x0, y0, x1, y1, x2, y2 and 1 / length² of the sides (0 for length 0).
        depths: (≥ N, 3) filled with the corners' depths, metres.
        boxes: (≥ N, 5) filled with the bounding boxes, grown by ``radius``: left, right, top, bottom; and the least
            depth.
        radius: Margin of the bounding boxes, pixels.
    """
    for m in range(members.shape[0]):
        for k in range(3):
            v = faces[members[m], k]
            corners[m, 2 * k], corners[m, 2 * k + 1] = xy[v, 0], xy[v, 1]
            depths[m, k] = z[v]
        for k in range(3):
            j = (k + 1) % 3
            dx, dy = corners[m, 2 * j] - corners[m, 2 * k], corners[m, 2 * j + 1] - corners[m, 2 * k + 1]
            length2 = dx * dx + dy * dy
            corners[m, 6 + k] = 1.0 / length2 if length2 > 0 else 0.0
        boxes[m, 0] = min(corners[m, 0], corners[m, 2], corners[m, 4]) - radius
        boxes[m, 1] = max(corners[m, 0], corners[m, 2], corners[m, 4]) + radius
        boxes[m, 2] = min(corners[m, 1], corners[m, 3], corners[m, 5]) - radius
        boxes[m, 3] = max(corners[m, 1], corners[m, 3], corners[m, 5]) + radius
        boxes[m, 4] = min(depths[m, 0], depths[m, 1], depths[m, 2])


@kernel
def scatter_cell(faces, members, corner_grad, grad):
    """Add the gradients of the corners (N, 9), x, y, z each, to those of the vertices (V, 3)."""
    for m in range(members.shape[0]):
        for k in range(3):
            v = faces[members[m], k]
            grad[v, 0] += corner_grad[m, 3 * k]
            grad[v, 1] += corner_grad[m, 3 * k + 1]
            grad[v, 2] += corner_grad[m, 3 * k + 2]


@kernel
def longest_list(start):
    """Length of the longest list of one image's cells."""
    longest = 0
    for k in range(start.shape[0] - 1):
        longest = max(longest, start[k + 1] - start[k])
    return np.int64(longest)

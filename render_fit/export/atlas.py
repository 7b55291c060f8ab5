"""A texture atlas of a body: where on a square image each triangle of the surface lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Bool, Float, Int64
from scipy.sparse.csgraph import connected_components

from render_fit.bodies import Body
from render_fit.core.cameras import Camera
from render_fit.export.barycentric import barycentric
from render_fit.renderers import make_renderer
from render_fit.renderers.base import RenderSettings

SIDE_PX = 1024
"""Side of the image: on an adult of 1.9 m² a texel is about 2 mm wide, as a pixel of a photo whose person is 1,000 px
high."""

GUTTER_PX = 3
"""Texels around each chart, so that interpolation between texels stays within the chart's colours."""

STEEPEST = 0.2
"""Least cosine between a face and the direction in which its chart is projected, for charts that take faces in."""

LAYERS = 2
"""Times that charts are cut and packed: once, and again with charts for the faces that lay under others. Of 13,994
faces of the open body two still do."""

_DIRECTIONS = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])


@dataclass(frozen=True)
class Atlas:
    """Charts of a surface, packed into a square.

    Attributes:
        side_px: Side of the square, texels.
        n_vertices: Number of the body's vertices.
        vertices: (U,) vertex of the body that each vertex of the atlas is; those on the border of charts repeat.
        faces: (F, 3) the body's faces as vertices of the atlas.
        uv_px: (U, 2) place of each in the square, texels; x to the right, y down, (0, 0) the corner of the first texel.
        covered: (side, side) whether a face lies under the texel's centre.
        corners: (P, 3) vertices of the body around each covered texel, row by row.
        weights: (P, 3) barycentric weights of its centre.
    """

    side_px: int
    n_vertices: int
    vertices: Int64[np.ndarray, "u"]
    faces: Int64[np.ndarray, "f 3"]
    uv_px: Float[np.ndarray, "u 2"]
    covered: Bool[np.ndarray, "side side"]
    corners: Int64[np.ndarray, "p 3"]
    weights: Float[np.ndarray, "p 3"]

    def interpolated(self, values: Float[np.ndarray, "v k"]) -> Float[np.ndarray, "p k"]:
        """Values of the body's vertices at the covered texels."""
        return np.einsum("pc,pck->pk", self.weights, values[self.corners])

    def around_vertices(self) -> scipy.sparse.csr_matrix:
        """(V, P) share of each covered texel in the body's vertices around it."""
        texels = np.repeat(np.arange(len(self.corners)), 3)
        shape = (self.n_vertices, len(self.corners))
        return scipy.sparse.csr_matrix((self.weights.ravel(), (self.corners.ravel(), texels)), shape)


def body_atlas(body: Body, side_px: int = SIDE_PX) -> Atlas:
    """Makes an atlas of a body; equal bodies have equal atlases, so it need not be stored.

    The surface in the zero pose is cut into charts of one body part each, whose faces look along the same axis, and
    every chart is projected along that axis. So no chart is stretched by more than 1 / cos 55° but for some small ones.
    Faces that lie over each other in a chart, as in folds, get a chart of their own.

    Args:
        body: The body.
        side_px: Side of the square.
    """
    arrays = (body.v_template.double().numpy(), body.faces.numpy(), body.face_parts.long().numpy())
    return _atlas(*(one.tobytes() for one in arrays), side_px)


@lru_cache(maxsize=2)
def _atlas(vertices: bytes, faces: bytes, parts: bytes, side_px: int) -> Atlas:
    points, triangles = np.frombuffer(vertices).reshape(-1, 3), np.frombuffer(faces, np.int64).reshape(-1, 3)
    neighbours = _neighbours(triangles)
    axes = _axes(points, triangles, neighbours)
    groups = 6 * np.frombuffer(parts, np.int64) + axes
    for _ in range(LAYERS):
        charts = _pieces(neighbours, groups)
        atlas, shown = _packed(points, triangles, charts, axes, side_px)
        if shown.all():
            break
        groups = np.where(shown, groups, groups + 6 * 24)  # what lies under other faces
    return atlas


def _neighbours(triangles: Int64[np.ndarray, "f 3"]) -> scipy.sparse.csr_matrix:
    """(F, F) faces that share an edge."""
    n_vertices, n_faces = triangles.max() + 1, len(triangles)
    edges = np.sort(np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    names, edge = np.unique(edges[:, 0] * n_vertices + edges[:, 1], return_inverse=True)
    sides = scipy.sparse.csr_matrix(
        (np.ones(len(edge)), (np.repeat(np.arange(n_faces), 3), edge)), (n_faces, len(names))
    )
    shared = (sides @ sides.T).tocsr()
    shared.setdiag(0)
    shared.eliminate_zeros()
    return shared


def _axes(
    points: Float[np.ndarray, "v 3"], triangles: Int64[np.ndarray, "f 3"], neighbours: scipy.sparse.csr_matrix
) -> Int64[np.ndarray, "f"]:
    """Index of the direction along which each face is projected: its normal's, as far as its neighbours agree."""
    a, b, c = points[triangles].swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    cosines = normals @ _DIRECTIONS.T
    choice = cosines
    for _ in range(8):
        around = np.eye(6)[choice.argmax(axis=1)]
        choice = np.where(cosines > STEEPEST, cosines + 0.25 * (neighbours @ around), cosines - 2)
    return choice.argmax(axis=1)


def _pieces(neighbours: scipy.sparse.csr_matrix, groups: Int64[np.ndarray, "f"]) -> Int64[np.ndarray, "f"]:
    """Number of the chart of each face: connected faces of one group."""
    pairs = neighbours.tocoo()
    same = groups[pairs.row] == groups[pairs.col]
    joined = scipy.sparse.csr_matrix((same[same], (pairs.row[same], pairs.col[same])), neighbours.shape)
    return connected_components(joined, directed=False)[1].astype(np.int64)


def _packed(
    points: Float[np.ndarray, "v 3"],
    triangles: Int64[np.ndarray, "f 3"],
    charts: Int64[np.ndarray, "f"],
    axes: Int64[np.ndarray, "f"],
    side_px: int,
) -> tuple[Atlas, Bool[np.ndarray, "f"]]:
    """Places the charts in rows, as large as they fit; also whether each face is seen there."""
    named, faces = np.unique(charts[:, None] * len(points) + triangles, return_inverse=True)
    faces, vertices, chart = faces.reshape(-1, 3), named % len(points), named // len(points)
    axis = np.zeros(charts.max() + 1, dtype=np.int64)
    axis[charts] = axes
    # the two other coordinates, turned so that charts are higher than wide
    flat = np.stack([points[vertices][np.arange(len(vertices)), (axis[chart] // 2 + step) % 3] for step in (1, 2)], 1)
    lowest, highest = (np.full((len(axis), 2), limit) for limit in (np.inf, -np.inf))
    np.minimum.at(lowest, chart, flat)
    np.maximum.at(highest, chart, flat)
    flat, extent = flat - lowest[chart], highest - lowest
    wide = extent[:, 0] > extent[:, 1]
    flat[wide[chart]] = flat[wide[chart]][:, ::-1]
    extent[wide] = extent[wide][:, ::-1]
    smallest, largest = 0.0, 4 * side_px / extent.max()
    for _ in range(20):
        scale = (smallest + largest) / 2
        fits = _shelves(extent * scale + 2 * GUTTER_PX, side_px) is not None
        smallest, largest = (scale, largest) if fits else (smallest, scale)
    places = _shelves(extent * smallest + 2 * GUTTER_PX, side_px)
    assert places is not None
    uv = flat * smallest + GUTTER_PX + places[chart]
    face_index = _drawn(uv, faces, side_px)
    rows, columns = np.nonzero(face_index >= 0)
    face = face_index[rows, columns]
    weights = barycentric(uv[faces[face]], np.stack([columns, rows], axis=1) + 0.5).clip(0, 1)
    a, b, c = uv[faces].swapaxes(0, 1)
    area = np.abs(np.linalg.det(np.stack([b - a, c - a], axis=1))) / 2
    shown = np.bincount(face, minlength=len(faces)) >= 0.5 * area - 2
    atlas = Atlas(side_px, len(points), vertices, faces, uv, face_index >= 0, triangles[face], weights)
    return atlas, shown


def _shelves(sizes: Float[np.ndarray, "c 2"], side_px: int) -> Float[np.ndarray, "c 2"] | None:
    """Left upper corners of rectangles (width, height) in rows, the highest first; None if they do not fit."""
    places = np.zeros_like(sizes)
    left = top = height = 0.0
    for one in np.argsort(-sizes[:, 1], kind="stable"):
        if left + sizes[one, 0] > side_px:
            left, top, height = 0.0, top + height, 0.0
        if left + sizes[one, 0] > side_px or top + sizes[one, 1] > side_px:
            return None
        places[one] = left, top
        left, height = left + sizes[one, 0], max(height, sizes[one, 1])
    return places


def _drawn(uv_px: Float[np.ndarray, "u 2"], faces: Int64[np.ndarray, "f 3"], side_px: int) -> Int64[np.ndarray, "s s"]:
    """(side, side) index of the face under each texel's centre, −1 where there is none."""
    flat = torch.from_numpy(np.concatenate([uv_px, np.ones((len(uv_px), 1))], axis=1)).float()
    camera = Camera(torch.eye(3)[None], side_px, side_px)
    drawn = make_renderer("cpu")(flat[None], torch.from_numpy(faces), camera, RenderSettings(), outputs=("face_index",))
    assert drawn.face_index is not None
    return drawn.face_index[0].numpy()

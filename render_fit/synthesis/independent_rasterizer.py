"""A second rasteriser: point samples and a z-buffer in numpy, independent of the project's renderers.

Renderers and fits are evaluated against its images, so it shares no code with them (tests/test_imports.py). Every
sample is tested exactly against every triangle whose box contains it. A mask of many samples per pixel is therefore
unbiased: its expected coverage is the area of the union.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

CHUNK_SAMPLES = 2_000_000
"""Number of samples tested at a time; it bounds the memory to some hundred MB."""

NEAR_M = 0.05
"""Triangles with a corner nearer than this are left out, metres."""


@dataclass(frozen=True)
class Raster:
    """Nearest face at each sample of a grid.

    Attributes:
        face_index: (H, W) index of the nearest face; −1 without one.
        weights: (H, W, 3) perspective-correct weights of the corners of that face; 0 without one.
        depth: (H, W) depth (z) of that face, metres; infinite without one.
    """

    face_index: Int[np.ndarray, "h w"]
    weights: Float[np.ndarray, "h w 3"]
    depth: Float[np.ndarray, "h w"]


def rasterize(
    vertices_camera: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    K: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
    samples: int = 1,
    cull_back: bool = False,
) -> Raster:
    """Finds the nearest face at the centre of every sample of a grid.

    Args:
        vertices_camera: (V, 3) camera coordinates, metres.
        faces: (F, 3) vertex indices.
        K: (3, 3) intrinsics, pixels of a ``height`` × ``width`` image.
        height: Image height, pixels.
        width: Image width, pixels.
        samples: Samples per pixel and axis; the grid is ``samples`` times the image's size.
        cull_back: Leave out faces that are clockwise in the image; otherwise both sides are rendered.

    Returns:
        The grid of (height · samples) × (width · samples) samples.
    """
    rows, columns = height * samples, width * samples
    nearest_depth = np.full(rows * columns, np.inf)
    nearest_face = np.full(rows * columns, -1, dtype=np.int64)
    nearest_weights = np.zeros((rows * columns, 3), dtype=np.float32)
    corner_depth = vertices_camera[faces, 2].astype(np.float64)
    for face, pixel, weights in _covered_samples(vertices_camera, faces, K, rows, columns, samples, cull_back):
        inverse_depth = weights / corner_depth[face]
        z = 1 / inverse_depth.sum(axis=1)
        weights = inverse_depth * z[:, None]
        # With repeated indices the last assignment stays: order from far to near.
        order = np.argsort(-z, kind="stable")
        face, pixel, weights, z = face[order], pixel[order], weights[order], z[order]
        closer = z < nearest_depth[pixel]
        pixel = pixel[closer]
        nearest_depth[pixel] = z[closer]
        nearest_face[pixel] = face[closer]
        nearest_weights[pixel] = weights[closer]
    return Raster(
        nearest_face.reshape(rows, columns),
        nearest_weights.reshape(rows, columns, 3),
        nearest_depth.reshape(rows, columns),
    )


def _covered_samples(
    vertices_camera: np.ndarray,
    faces: np.ndarray,
    K: np.ndarray,
    rows: int,
    columns: int,
    samples: int,
    cull_back: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Every pair of a face and a sample inside it, in chunks: face, flat sample index, affine corner weights."""
    homogeneous = vertices_camera.astype(np.float64) @ K.astype(np.float64).T
    depth = homogeneous[:, 2]
    points = homogeneous[:, :2] / np.maximum(depth[:, None], 1e-9) * samples
    corners = points[faces]

    # The first and last sample whose centre (integer + 0.5) is inside the triangle's box.
    low = np.ceil(corners.min(axis=1) - 0.5).clip(0, (columns, rows)).astype(np.int64)
    high = np.floor(corners.max(axis=1) - 0.5).clip(-1, (columns - 1, rows - 1)).astype(np.int64)
    box = np.maximum(high - low + 1, 0)
    counts = box.prod(axis=1)
    counts[(depth[faces] < NEAR_M).any(axis=1)] = 0
    if cull_back:
        a, b, c = (vertices_camera[faces[:, i]] for i in range(3))
        counts[(np.cross(b - a, c - a) * a).sum(axis=1) >= 0] = 0

    rendered = np.flatnonzero(counts)
    chunk = np.cumsum(counts[rendered]) // CHUNK_SAMPLES
    for chosen in np.split(rendered, np.flatnonzero(np.diff(chunk)) + 1):
        face = np.repeat(chosen, counts[chosen])
        local = np.arange(len(face)) - np.repeat(np.cumsum(counts[chosen]) - counts[chosen], counts[chosen])
        x = low[face, 0] + local % box[face, 0]
        y = low[face, 1] + local // box[face, 0]
        weights, inside = _affine_weights(corners[face], np.stack([x, y], axis=1) + 0.5)
        yield face[inside], (y * columns + x)[inside], weights[inside]


def _affine_weights(corners: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the corners at points in the image plane, and whether each point is inside its triangle."""

    def cross(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]

    a, b, c = (corners[:, i] - points for i in range(3))
    areas = np.stack([cross(b, c), cross(c, a), cross(a, b)], axis=1)
    total = areas.sum(axis=1)
    has_area = np.abs(total) > 1e-12
    weights = areas / np.where(has_area, total, 1)[:, None]
    return weights, has_area & (weights >= 0).all(axis=1)


def average_samples(
    values: Float[np.ndarray, "hs ws ..."] | Bool[np.ndarray, "hs ws"], samples: int
) -> Float[np.ndarray, "h w ..."]:
    """Mean of the samples of each pixel."""
    height, width = values.shape[0] // samples, values.shape[1] // samples
    blocks = values.reshape(height, samples, width, samples, *values.shape[2:])
    return blocks.mean(axis=(1, 3))


def rasterize_mask(
    vertices_camera: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    K: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
    samples: int = 4,
) -> Float[np.ndarray, "h w"]:
    """Share of each pixel's ``samples``² samples that the mesh covers: (H, W) in [0, 1]."""
    rows, columns = height * samples, width * samples
    covered = np.zeros(rows * columns, dtype=bool)
    for _, pixel, _ in _covered_samples(vertices_camera, faces, K, rows, columns, samples, cull_back=False):
        covered[pixel] = True
    return average_samples(covered.reshape(rows, columns), samples)


def rasterize_parts(
    vertices_camera: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    face_parts: Int[np.ndarray, "f"],
    K: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
) -> Int[np.ndarray, "h w"]:
    """Label map with one sample per pixel: 1 + part of the nearest face, 0 for the background."""
    raster = rasterize(vertices_camera, faces, K, height, width)
    return np.where(raster.face_index >= 0, face_parts[raster.face_index] + 1, 0)

"""Construction of garments: copies of regions of the body, moved outwards, smoothed and cut at straight hems.

A garment is a rest-pose displacement of the body's own vertices (SMPL+D) and the part of its surface that the
cloth covers. It is posed with the body's skinning; the ground truth is the body underneath.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis.noise_fields import fractal_noise

HEAD_PARTS = tuple(SMPL_24.index(joint) for joint in ("neck", "head"))
ARM_PARTS = tuple(
    SMPL_24.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hand")
)


@dataclass(frozen=True)
class RestBody:
    """A body in its zero pose, on which garments are built.

    Attributes:
        vertices: (V, 3) metres, y up, z forward, x to the person's left.
        faces: (F, 3) vertex indices.
        joints: Joint positions by SMPL-24 name, metres.
        parts: (V,) SMPL-24 part of each vertex.
        landmarks: Surface points by name, metres.
    """

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    joints: dict[str, Float[np.ndarray, "3"]]
    parts: Int[np.ndarray, "v"]
    landmarks: dict[str, Float[np.ndarray, "3"]]


@dataclass(frozen=True)
class Garment:
    """One layer over the body.

    Attributes:
        material: Key of the colours, see `images.materials.albedo`.
        offsets: (V, 3) rest-pose displacement of the body's vertices, metres; 0 away from the garment.
        inside: (V,) signed distance to the hem, metres; positive on the cloth.
    """

    material: str
    offsets: Float[np.ndarray, "v 3"]
    inside: Float[np.ndarray, "v"]


@dataclass(frozen=True)
class CutMesh:
    """Part of a mesh where a scalar is positive, with triangles split at zero.

    Attributes:
        sources: (N, 2) the two original vertices between which each new vertex lies.
        shares: (N,) weight of the second original vertex.
        faces: (M, 3) triangles of the N new vertices.
    """

    sources: Int[np.ndarray, "n 2"]
    shares: Float[np.ndarray, "n"]
    faces: Int[np.ndarray, "m 3"]

    def take(self, values: Float[np.ndarray, "v c"]) -> Float[np.ndarray, "n c"]:
        """(N, C) values at the new vertices, interpolated from (V, C) values of the uncut mesh."""
        return (
            values[self.sources[:, 0]] * (1 - self.shares[:, None]) + values[self.sources[:, 1]] * self.shares[:, None]
        )


def cut_mesh(faces: Int[np.ndarray, "f 3"], inside: Float[np.ndarray, "v"]) -> CutMesh:
    """Cuts a mesh along the zero of a vertex scalar and keeps the positive side.

    Args:
        faces: (F, 3) vertex indices.
        inside: (V,) vertex scalar, linear along edges.

    Returns:
        The kept triangles, whole or split.
    """
    numbers: dict[tuple[int, int], int] = {}
    shares: list[float] = []

    def vertex(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in numbers:
            numbers[key] = len(numbers)
            low, high = key
            span = inside[low] - inside[high]
            shares.append(0.0 if low == high else float(inside[low] / span))
        return numbers[key]

    kept = []
    positive = inside > 0
    for index in np.flatnonzero(positive[faces].any(axis=1)):
        loop = []
        for i in range(3):
            a, b = int(faces[index, i]), int(faces[index, (i + 1) % 3])
            if positive[a]:
                loop.append(vertex(a, a))
            if positive[a] != positive[b]:
                loop.append(vertex(a, b))
        kept += [(loop[0], loop[i], loop[i + 1]) for i in range(1, len(loop) - 1)]
    return CutMesh(
        np.array(list(numbers), dtype=np.int64).reshape(-1, 2),
        np.array(shares),
        np.array(kept, dtype=np.int64).reshape(-1, 3),
    )


def vertex_normals(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "v 3"]:
    """Unit vertex normals, faces weighted by their area."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.zeros(vertices.shape)
    for i in range(3):
        np.add.at(normals, faces[:, i], face_normals)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)


def neighbour_mean(faces: Int[np.ndarray, "f 3"], n_vertices: int) -> sp.csr_matrix:
    """(V, V) matrix that replaces each vertex by the mean of its neighbours."""
    rows = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1)
    columns = faces[:, [1, 0, 2, 1, 0, 2]].reshape(-1)
    adjacency = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), (n_vertices, n_vertices))
    adjacency.data[:] = 1.0
    degree = np.asarray(adjacency.sum(axis=1)).ravel().clip(1)
    return sp.csr_matrix(sp.diags(1 / degree) @ adjacency)


def make_garment(
    body: RestBody,
    material: str,
    inside: Float[np.ndarray, "v"],
    thickness: Float[np.ndarray, "v"],
    smoothing: int,
    fold_m: float,
    seed: int,
    under: Garment | None = None,
) -> Garment:
    """Builds a layer at a distance from the body, smoothed and with folds; it never enters the body or ``under``.

    Args:
        body: Resting body.
        material: Material of the garment.
        inside: (V,) signed distance to the hem, metres; positive on the garment.
        thickness: (V,) distance from the body before smoothing, metres.
        smoothing: Number of smoothing steps.
        fold_m: Amplitude of the folds, metres.
        seed: Seed of the folds.
        under: Layer below.
    """
    normals = vertex_normals(body.vertices, body.faces)
    mean = neighbour_mean(body.faces, len(body.vertices))
    covered = inside > -0.03
    surface = body.vertices + normals * thickness[:, None]
    for _ in range(smoothing):
        surface = np.where(covered[:, None], 0.5 * surface + 0.5 * (mean @ surface), surface)
    stretched = body.vertices * (1.0, 0.35, 1.0)
    folds = fold_m * (2 * fractal_noise(stretched, size_m=0.05, octaves=2, seed=seed) - 1)
    floor = 0.4 * thickness
    if under is not None:
        floor = np.maximum(floor, (under.offsets * normals).sum(axis=1) + 0.006)
    outwards = np.maximum(((surface - body.vertices) * normals).sum(axis=1) + folds, floor)
    for _ in range(3):
        outwards = np.maximum(0.5 * outwards + 0.5 * (mean @ outwards), floor)
    return Garment(material, np.where(covered[:, None], normals * outwards[:, None], 0.0), inside)

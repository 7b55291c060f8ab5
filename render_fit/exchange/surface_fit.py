"""Fits a body's pose, shape and place to a mesh in space: by known pairs of points, by keypoints, and by nearness.

Each step is one of Gauss and Newton with damping (Levenberg–Marquardt), with exact derivatives of the posed points. A
mesh of another topology has no pairs: each vertex is drawn to the plane of the nearest surface, and each target point
draws the nearest vertex (Besl and McKay 1992; Chen and Medioni 1992), with weights that fade for what is far away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.exchange.nearest_surface import TargetMesh
from render_fit.exchange.posed_points import Posed, SkinnedSurface, posed_points, posed_vertices

SIGMA_M = 0.004
"""Standard deviation of a surface point, metres: what bodies of other builders differ by within their shape spaces."""

KEYPOINT_SIGMA_M = 0.03
"""Standard deviation of another system's keypoint relative to ours of the same name, metres."""

INDEPENDENT_POINTS = 400.0
"""Number of points whose errors count as independent: neighbours on a surface err together."""

POSE_SIGMA_RAD = 0.5
"""Standard deviation of a joint's rotation about where it started, radians; it holds what the surface does not show."""

STEPS = 30
"""Steps of Gauss and Newton at most."""

SAMPLES = 1200
"""Vertices, and target points, that are compared in each step."""


@dataclass(frozen=True)
class Pairs:
    """Points of a body that should be where target points are.

    Attributes:
        vertices: (n,) vertices.
        targets: (n, 3) where they should be, metres.
        weights: (n,) weights, inverse variances.
        normals: (n, 3) directions in which alone the distance counts; None: all.
        mix: (m, n) weights of means of vertices, which the targets (m, 3) and weights (m,) are then of; None: none.
    """

    vertices: Int64[Tensor, "n"]
    targets: Float[Tensor, "m 3"]
    weights: Float[Tensor, "m"]
    normals: Float[Tensor, "m 3"] | None = None
    mix: Float[Tensor, "m n"] | None = None


PairsOf = Callable[[Posed, Float[Tensor, "v 3"]], list[Pairs]]
"""Pairs for a state and its posed vertices."""


def known_pairs(vertices: Int64[Tensor, "n"], targets: Float[Tensor, "n 3"], sigma_m: float = SIGMA_M) -> PairsOf:
    """Pairs of vertices and target points that belong together."""
    weights = torch.full((len(vertices),), INDEPENDENT_POINTS / len(vertices) / sigma_m**2, dtype=torch.float64)
    pairs = [Pairs(vertices, targets.double(), weights)]
    return lambda state, posed: pairs


def keypoint_pairs(
    landmarks: Mapping[str, Float[Tensor, "v"]], keypoints: Mapping[str, Float[np.ndarray, "3"]], sigma_m: float
) -> list[Pairs]:
    """Pairs of a body's landmarks, weighted means of vertices, and keypoints of the same names."""
    names = [name for name in keypoints if name in landmarks]
    rows = torch.stack([landmarks[name] for name in names]).double()
    used = (rows != 0).any(0).nonzero()[:, 0]
    targets = torch.from_numpy(np.stack([keypoints[name] for name in names])).double()
    return [Pairs(used, targets, torch.full((len(names),), sigma_m**-2, dtype=torch.float64), mix=rows[:, used])]


def nearest_pairs(
    target: TargetMesh, faces: Int64[Tensor, "f 3"], reach_m: float, generator: np.random.Generator
) -> PairsOf:
    """Pairs by nearness, found anew in each step.

    Args:
        target: Mesh to fit to.
        faces: Triangles of the body.
        reach_m: Distance at which a pair's weight has fallen to a quarter, metres (Geman and McClure).
        generator: Source of the choice of points.
    """
    corners = faces.numpy()

    def pairs(_: Posed, posed: Float[Tensor, "v 3"]) -> list[Pairs]:
        own = TargetMesh(posed.numpy(), corners)
        there = generator.permutation(len(target.vertices))[:SAMPLES]
        points = target.vertices[there]
        nearest = np.asarray(own.tree.query(points)[1])
        # from each target point to the plane at the nearest vertex
        normals = _vertex_normals(own)
        found = [_weighted(nearest, points, posed.numpy()[nearest], normals[nearest], reach_m)]
        if target.faces is not None:
            here = generator.permutation(len(posed))[:SAMPLES]
            foot = target.nearest(posed.numpy()[here])
            assert foot.normals is not None
            same_side = (foot.normals * normals[here]).sum(-1) > 0.3
            found.append(
                _weighted(here, foot.points, posed.numpy()[here], foot.normals, reach_m, same_side.astype(float))
            )
        return found

    return pairs


def _weighted(
    vertices: np.ndarray,
    targets: np.ndarray,
    now: np.ndarray,
    normals: np.ndarray,
    reach_m: float,
    factor: np.ndarray | float = 1.0,
) -> Pairs:
    square = ((targets - now) ** 2).sum(-1)
    weights = factor * (reach_m**2 / (reach_m**2 + square)) ** 2
    weights = weights * INDEPENDENT_POINTS / len(vertices) / SIGMA_M**2
    tensors = (torch.from_numpy(np.ascontiguousarray(value)) for value in (vertices, targets, weights, normals))
    return Pairs(*tensors)


def _vertex_normals(mesh: TargetMesh) -> np.ndarray:
    """Unit normals (v, 3), means of those of the triangles around."""
    assert mesh.faces is not None
    normals = np.zeros_like(mesh.vertices)
    for corner in range(3):
        np.add.at(normals, mesh.faces[:, corner], mesh.face_normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def fit_surface(
    surface: SkinnedSurface,
    start: Posed,
    pairs_of: PairsOf,
    *,
    steps: int = STEPS,
    pose_sigma_rad: float = POSE_SIGMA_RAD,
    shape_weight: float = 1.0,
    tolerance_m: float = 1e-5,
) -> Posed:
    """Moves pose, shape and place of a body until its points are where they should be.

    Args:
        surface: The body.
        start: Where to start.
        pairs_of: Points and where they should be.
        steps: Largest number of steps.
        pose_sigma_rad: Standard deviation of each joint's rotation about the start's; the root is free.
        shape_weight: Weight of the prior on the shape.
        tolerance_m: Largest movement of a joint or vertex in a step that counts as none, metres.

    Returns:
        The state with the smallest sum of squares found.
    """
    state, damping = start, 1e-3
    turned = torch.zeros(len(start.rotations), 3, dtype=torch.float64)  # sum of the turns since the start
    n_turns = 3 * len(start.rotations)
    for _ in range(steps):
        posed = posed_vertices(surface, state)
        pairs = pairs_of(state, posed)
        prior = torch.cat([
            torch.zeros(6), torch.full((n_turns - 3,), pose_sigma_rad**-2), shape_weight * surface.shape_sigma**-2
        ]).double()  # fmt: skip
        off = torch.cat([torch.zeros(3), turned.flatten(), state.shape - surface.shape_mean])
        matrix, vector, cost = torch.diag(prior), prior * off, float((prior * off.square()).sum())
        for pair in pairs:
            residual, jacobian = _residuals(surface, state, pair)
            weights = pair.weights[:, None].expand_as(residual).reshape(-1)
            rows = jacobian.reshape(-1, jacobian.shape[-1])
            matrix = matrix + rows.T @ (weights[:, None] * rows)
            vector = vector + rows.T @ (weights * residual.reshape(-1))
            cost += float((weights * residual.reshape(-1).square()).sum())
        for _ in range(6):
            step = -torch.linalg.solve(matrix + damping * torch.diag(matrix.diagonal()), vector)
            after = state.moved(step)
            later = off + step
            value = float((prior * later.square()).sum()) + sum(_value(surface, after, pair) for pair in pairs)
            if value < cost:
                damping = max(damping / 5, 1e-9)
                break
            damping *= 8
        else:
            break
        state, turned = after, turned + step[3 : 3 + n_turns].reshape(-1, 3)
        if float((posed_vertices(surface, state) - posed).norm(dim=1).max()) < tolerance_m:
            break
    return state


def _residuals(
    surface: SkinnedSurface, state: Posed, pair: Pairs
) -> tuple[Float[Tensor, "m d"], Float[Tensor, "m d p"]]:
    points, jacobian = posed_points(surface, state, pair.vertices)
    if pair.mix is not None:
        points, jacobian = pair.mix @ points, torch.einsum("mn,ncp->mcp", pair.mix, jacobian)
    residual = points - pair.targets
    if pair.normals is None:
        return residual, jacobian
    along = torch.einsum("nc,ncp->np", pair.normals, jacobian)
    return (pair.normals * residual).sum(-1, keepdim=True), along[:, None]


def _value(surface: SkinnedSurface, state: Posed, pair: Pairs) -> float:
    """Weighted sum of squares of a state."""
    points = posed_vertices(surface, state)[pair.vertices]
    points = points if pair.mix is None else pair.mix @ points
    residual = points - pair.targets
    if pair.normals is not None:
        residual = (pair.normals * residual).sum(-1, keepdim=True)
    return float((pair.weights[:, None] * residual.square()).sum())

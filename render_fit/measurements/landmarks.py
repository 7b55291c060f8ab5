"""Landmarks between which measurements are taken, defined by joints and geometry and so on any body with SMPL's joints.

Joints are the body's own. Points of the surface are found once, on the mean shape, and then move with the triangle they
lie on, so that every landmark is linear in betas.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from render_fit.core.errors import InputError

Side = str
"""``left`` or ``right``, the person's own."""

SIDES = ("left", "right")

NEEDED = (
    *("pelvis", "spine1", "spine2", "spine3", "neck", "head"),
    *(f"{side}_{joint}" for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist") for side in SIDES),
)
"""Joints that a body must have to be measured."""

SHOULDER_TILT_DEG = 30.0
"""Angle from the vertical, outwards, under which the shoulder point is seen from the joint. The open body's shoulder
points are then 39 cm apart, as in adults (ANSUR II, Gordon et al. 2014: biacromial breadth 41.6 cm of men, 36.5 cm of
women)."""

BREAST_HEIGHTS = (0.25, 0.6)
"""Where the foremost point of a breast is searched: shares of the way from spine1 up to the neck."""

BREAST_WIDTHS = (0.25, 0.75)
"""The same to the side: shares of the way from the middle to the shoulder joint."""

Weights = Mapping[int, float]


def surface_points(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], joints: Mapping[str, np.ndarray]
) -> dict[str, Weights]:
    """Landmarks of the surface of one body.

    Args:
        vertices: (V, 3) mean shape with lowered arms, metres, y up, z forward, x to the person's left.
        faces: (F, 3) vertex indices.
        joints: Joints of the same body by name, those of `NEEDED` at least.

    Returns:
        For each landmark the vertices that it lies between, and their weights: ``crown``, ``sole``, ``crotch``,
        ``left_nipple``, ``right_nipple``, ``left_shoulder_point``, ``right_shoulder_point``.

    Raises:
        InputError: if the surface has no such point.
    """
    points: dict[str, Weights] = {
        "crown": {int(vertices[:, 1].argmax()): 1.0},
        "sole": {int(vertices[:, 1].argmin()): 1.0},
        "crotch": _seen("crotch", vertices, faces, joints["pelvis"], np.array([0.0, -1.0, 0.0])),
    }
    tilt = np.deg2rad(SHOULDER_TILT_DEG)
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        up = np.array([sign * np.sin(tilt), np.cos(tilt), 0.0])
        shoulder = joints[f"{side}_shoulder"]
        points[f"{side}_shoulder_point"] = _seen(f"{side}_shoulder_point", vertices, faces, shoulder, up)
        points[f"{side}_nipple"] = {_foremost(vertices, joints, sign * abs(float(shoulder[0])), side): 1.0}
    return points


def _foremost(vertices: np.ndarray, joints: Mapping[str, np.ndarray], shoulder_x: float, side: Side) -> int:
    """The foremost vertex of one half of the chest."""
    low, neck = joints["spine1"][1], joints["neck"][1]
    height = (vertices[:, 1] - low) / (neck - low)
    across = (vertices[:, 0] - joints["spine1"][0]) / shoulder_x
    chest = _within(height, BREAST_HEIGHTS) & _within(across, BREAST_WIDTHS)
    if not chest.any():
        raise InputError(f"this body cannot be measured: found no {side}_nipple, as the mesh has no vertices there")
    return int(np.flatnonzero(chest)[vertices[chest, 2].argmax()])


def _within(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return (values >= limits[0]) & (values <= limits[1])


def _seen(name: str, vertices: np.ndarray, faces: np.ndarray, start: np.ndarray, direction: np.ndarray) -> Weights:
    """The first point of the surface along a ray."""
    face, shares, _ = ray_hit(vertices, faces, start, direction)
    if face < 0:
        raise InputError(f"this body cannot be measured: found no {name}, as the mesh has no surface there")
    return {int(vertex): float(share) for vertex, share in zip(faces[face], shares, strict=True)}


def ray_hit(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    start: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    last: bool = False,
) -> tuple[int, Float[np.ndarray, "3"], float]:
    """The first triangle along a ray, or the last one.

    Args:
        vertices: (V, 3) metres.
        faces: (F, 3) vertex indices.
        start: (3,) where the ray begins.
        direction: (3,) of length 1.
        last: Whether to return the triangle farthest along the ray.

    Returns:
        The triangle, -1 if there is none; the weights of its corners at the point; the distance, metres.

    Source: Möller and Trumbore 1997.
    """
    first = vertices[faces[:, 0]]
    one, two = vertices[faces[:, 1]] - first, vertices[faces[:, 2]] - first
    normal = np.cross(np.broadcast_to(direction, two.shape), two)
    volume = (one * normal).sum(1)
    inverse = np.divide(1.0, volume, out=np.zeros_like(volume), where=np.abs(volume) > 1e-14)
    offset = start - first
    u = (offset * normal).sum(1) * inverse
    other = np.cross(offset, one)
    v = (other @ direction) * inverse
    distance = (two * other).sum(1) * inverse
    rounding = 1e-6  # rays along the middle of a symmetric body meet edges
    hit = (inverse != 0) & (u >= -rounding) & (v >= -rounding) & (u + v <= 1 + rounding) & (distance > 0)
    if not hit.any():
        return -1, np.zeros(3), np.inf
    candidates = np.flatnonzero(hit)
    chosen = candidates[distance[candidates].argmax() if last else distance[candidates].argmin()]
    return int(chosen), np.array([1 - u[chosen] - v[chosen], u[chosen], v[chosen]]), float(distance[chosen])

"""Skirts, the lower part of dresses and of coats: tubes around both legs that hang from the waist.

A tube has rings at material heights of the resting body, from the waist to the hem. Each ring lies in a plane across
the mean direction of the legs, around the convex hull of what is underneath; it hangs from the ring above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial import KDTree

from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis.garments.sheets import (
    DOWN,
    PosedBody,
    Sheet,
    grid_faces,
    hull_radius,
)

COLUMNS = 80
"""Vertices of a ring."""

RING_M = 0.022
"""Distance between rings, metres of cloth."""

POKE_CLEARANCE_M = 0.012
"""Distance of a tube's vertices from what is underneath; more than that of strands, as its triangles are larger."""

SEAT_TIGHTENING = 0.08
"""Share by which a ring is narrower than the one above where the legs are horizontal."""

_LOWER = tuple(
    SMPL_24.index(name)
    for name in ("pelvis", "spine1", "spine2")
    + tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("hip", "knee", "ankle", "foot"))
)


@dataclass(frozen=True)
class Tube:
    """Cut of a hanging tube.

    Attributes:
        top_m: Height of the upper edge on the resting body, metres.
        hem_m: Height of the hem on the resting body, metres.
        ease_m: Distance from what is underneath at the top, metres.
        flare: Widening of the radius by length; negative for tapered (pencil) skirts.
        fold_m: Depth of the folds at the hem, metres.
        folds: Number of folds around.
        gap_rad: Half the opening in front at the top and at the hem, radians; None for a closed tube.
    """

    top_m: float
    hem_m: float
    ease_m: float
    flare: float
    fold_m: float
    folds: int
    gap_rad: tuple[float, float] | None = None


def lower_body(posed: PosedBody) -> Bool[np.ndarray, "v"]:
    """(V,) vertices of the pelvis, the lower trunk and the legs."""
    return np.isin(posed.rest.parts, _LOWER)


def hanging_tube(posed: PosedBody, cut: Tube, kind: str, material: str, rng: np.random.Generator) -> Sheet:
    """Hangs a tube around the lower body.

    Args:
        posed: Posed body and the surface underneath.
        cut: Cut of the tube.
        kind: What it is, for its label.
        material: Material of the tube.
        rng: Source of the folds.
    """
    lower = lower_body(posed)
    surface = np.concatenate([posed.surface[lower], *(sheet.vertices for sheet in posed.sheets)])
    height = np.concatenate([posed.rest.vertices[lower, 1], *(sheet.vertices_rest[:, 1] for sheet in posed.sheets)])
    rings = max(4, round((cut.top_m - cut.hem_m) / RING_M) + 1)
    heights = np.linspace(cut.top_m, cut.hem_m, rings)
    step = heights[0] - heights[1]
    bands = [surface[_band(height, one)] for one in heights]
    centres, across, forward, along = _planes(posed, np.stack([band.mean(axis=0) for band in bands]))

    phase, strength = rng.uniform(0, 2 * np.pi, 3), rng.uniform(0.6, 1.4, 3)
    points = np.zeros((rings, COLUMNS, 3))
    for k, band in enumerate(bands):
        share = k / (rings - 1)
        angles = _angles(cut, share)
        local = band - centres[k]
        radius = hull_radius(np.stack([local @ across[k], local @ forward[k]], axis=1), angles)
        radius += cut.ease_m * min(1.0, (k + 1) / 5)  # the upper edge lies close
        if k:
            hung = _hung_radius(points[k - 1], centres[k], across[k], forward[k], along[k], step, angles)
            waves = strength @ np.cos((cut.folds + np.arange(3))[:, None] * angles + (phase + 0.4 * share)[:, None])
            # The ring above has its folds already.
            deeper = cut.fold_m / (rings - 1)
            radius = np.maximum(radius, hung + cut.flare * step) + deeper * (0.3 + waves / strength.sum())
        plane = np.cos(angles)[:, None] * across[k] + np.sin(angles)[:, None] * forward[k]
        points[k] = centres[k] + radius[:, None] * plane
    closed = cut.gap_rad is None
    points = gaussian_filter1d(points, 1.0, axis=0, mode="nearest")
    points = gaussian_filter1d(points, 0.7, axis=1, mode="wrap" if closed else "nearest")
    under = np.concatenate([_covered(posed, cut)[lower], *(np.ones(len(one.vertices), bool) for one in posed.sheets)])
    points = _widened(points, heights, centres, surface[under], height[under], closed)
    turn = np.stack([_angles(cut, k / (rings - 1)) for k in range(rings)])
    cloth = np.stack([0.2 * np.cos(turn), np.repeat(heights[:, None], COLUMNS, 1), 0.2 * np.sin(turn)], axis=-1)
    faces = grid_faces(rings, COLUMNS, closed)
    return Sheet(kind, material, points.reshape(-1, 3), cloth.reshape(-1, 3), faces)


def covered_by_tube(posed: PosedBody, cut: Tube) -> Float[np.ndarray, "v"]:
    """(V,) distance of the body's vertices to the edges of a closed tube, metres; positive under the tube."""
    y = posed.rest.vertices[:, 1]
    return np.where(lower_body(posed), np.minimum(cut.top_m - y, y - cut.hem_m), -1.0)


def _covered(posed: PosedBody, cut: Tube) -> Bool[np.ndarray, "v"]:
    covered = covered_by_tube(posed, cut) > 0
    if cut.gap_rad is None:
        return covered
    # In front of an open coat nothing is underneath.
    x, _, z = posed.rest.vertices.T
    angle = np.abs(np.arctan2(x, z - posed.rest.joints["pelvis"][2] + 0.02))
    return covered & (angle > max(cut.gap_rad))


def _widened(
    points: np.ndarray,
    heights: np.ndarray,
    centres: np.ndarray,
    under: np.ndarray,
    under_heights: np.ndarray,
    closed: bool,
    times: int = 8,
) -> np.ndarray:
    """Rings moved away from their centres until what is underneath no longer pokes through them.

    Points of sheet and surface belong together if they are near each other in space and in material height: in the lap
    of a person who sits, the belly is near cloth that lies on the thighs.
    """
    rings, columns = points.shape[:2]
    outwards = points - centres[:, None]
    outwards = outwards / np.linalg.norm(outwards, axis=-1, keepdims=True).clip(1e-6)
    material = np.repeat(heights, columns)[:, None]
    below = np.concatenate([under, under_heights[:, None]], axis=1)
    for _ in range(times):
        flat = points.reshape(-1, 3)
        distance, own = KDTree(np.concatenate([flat, material], axis=1)).query(below, distance_upper_bound=0.06)
        near = np.isfinite(distance)
        own = np.asarray(own)[near]
        out = ((under[near] - flat[own]) * outwards.reshape(-1, 3)[own]).sum(axis=1) + POKE_CLEARANCE_M
        push = np.zeros(rings * columns)
        np.maximum.at(push, own, out.clip(0, 0.04))
        grid = push.reshape(rings, columns)
        if not grid.any():
            break
        for axis, mode in ((0, "nearest"), (1, "wrap" if closed else "nearest")):
            grid = gaussian_filter1d(maximum_filter1d(grid, 3, axis, mode=mode), 0.8, axis, mode=mode)
        points = points + grid[..., None] * outwards
    return points


def _band(height: np.ndarray, centre: float) -> np.ndarray:
    """Vertices near a height; the nearest ones where the mesh is coarse."""
    near = np.abs(height - centre) < 0.02
    return near if near.sum() >= 24 else np.argsort(np.abs(height - centre))[:24]


def _angles(cut: Tube, share: float) -> np.ndarray:
    """Angles of a ring's vertices: 0 is the person's left, π/2 the front. They begin in front."""
    turn = np.arange(COLUMNS) / (COLUMNS if cut.gap_rad is None else COLUMNS - 1)
    gap = 0.0 if cut.gap_rad is None else cut.gap_rad[0] + share * (cut.gap_rad[1] - cut.gap_rad[0])
    return np.pi / 2 + gap + turn * (2 * np.pi - 2 * gap)


def _planes(posed: PosedBody, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centre, two axes and normal of each ring's plane; the axes point to the person's left and to the front."""
    centres = gaussian_filter1d(centres, 1.5, axis=0, mode="nearest")
    along = np.gradient(centres, axis=0)
    along = gaussian_filter1d(along, 2.0, axis=0, mode="nearest")
    along = along / np.linalg.norm(along, axis=1, keepdims=True).clip(1e-6)
    side = posed.joints["left_hip"] - posed.joints["right_hip"]
    across = side - (along @ side)[:, None] * along
    across = across / np.linalg.norm(across, axis=1, keepdims=True).clip(1e-6)
    return centres, across, np.cross(along, across), along


def _hung_radius(
    above: np.ndarray,
    centre: np.ndarray,
    across: np.ndarray,
    forward: np.ndarray,
    along: np.ndarray,
    step: float,
    angles: np.ndarray,
) -> np.ndarray:
    """Radius, by angle, of the ring above if it falls onto this plane: straight down the more the legs are upright."""
    upright = np.clip((float(along @ DOWN) - 0.3) / 0.4, 0, 1)
    fall = (1 - 0.7 * upright) * along + 0.7 * upright * DOWN
    local = above + step * fall / np.linalg.norm(fall) - centre
    u, v = local @ across, local @ forward
    turned = np.arctan2(v, u)
    order = np.argsort(turned)
    radius = np.interp(angles, turned[order], np.hypot(u, v)[order], period=2 * np.pi)
    # Under the thighs of people who sit, the seat keeps cloth from hanging.
    return radius * (1 - SEAT_TIGHTENING * (1 - upright))

"""Hair that hangs: bobs, long hair, ponytails and buns, over the cap of hair that `items.hair` makes."""

from __future__ import annotations

import numpy as np

from render_fit.synthesis.garments.cutting import HEAD_PARTS
from render_fit.synthesis.garments.sheets import Collider, PosedBody, Sheet, grid_faces, hang, hull_radius

STRANDS = 44
_HEAD = (HEAD_PARTS[1],)


def loose_hair(posed: PosedBody, length_m: float, volume_m: float, rng: np.random.Generator) -> Sheet:
    """Hair that falls from the temples around the back of the head, onto shoulders and back.

    Args:
        posed: Posed body; its surface includes the cap of hair.
        length_m: Length below the ears, metres: 0.1 is a bob, 0.45 reaches the waist.
        volume_m: Distance from the cap of hair, metres.
        rng: Source of irregular ends.
    """
    ear = _ear(posed)
    y = ear[1] + 0.025
    head = np.isin(posed.rest.parts, HEAD_PARTS)
    skull = posed.surface_rest[head & (np.abs(posed.rest.vertices[:, 1] - y) < 0.012)]
    centre = np.array([0.0, y, skull[:, 2].mean()])
    # 0 is the person's left; from the left temple around the back to the right one.
    angles = np.linspace(np.radians(28), np.radians(-208), STRANDS)
    radius = hull_radius((skull - centre)[:, [0, 2]], angles) + 0.004
    ring = np.stack([radius * np.cos(angles), np.zeros(STRANDS), radius * np.sin(angles)], axis=1)
    outwards = ring / np.linalg.norm(ring, axis=1, keepdims=True)
    back = 0.5 - 0.5 * np.sin(angles)
    lengths = length_m * (0.85 + 0.15 * back) * (1 + 0.06 * rng.standard_normal(STRANDS))
    # As far as the neck, hair moves with the head; long hair gathers there and parts before and behind the shoulders.
    free = min(0.09, 0.6 * length_m)
    gathered = float(np.clip((length_m - 0.12) / 0.1, 0, 1))
    parted = np.where(np.sin(angles) > -0.2, 0.035, -0.015) * np.abs(np.cos(angles))
    upper = [centre + ring * 0.97 + (0, 0.03, 0)]
    for share in np.linspace(0, 1, 4):
        inwards = 1 - 0.22 * gathered * share**2
        moved = ring * inwards + outwards * volume_m * (1 - 0.5 * gathered * share) + (0, -free * share, 0)
        moved[:, 2] += parted * gathered * share**2
        upper.append(centre + moved)
    upper = [posed.motion(row, _HEAD) for row in upper]
    rows = max(4, round((length_m - free) / 0.025))
    shoulders = posed.joints["left_shoulder"] - posed.joints["right_shoulder"]
    shoulders = shoulders / np.linalg.norm(shoulders)
    below = (lengths - free).clip(0.02)
    strands = hang(upper[-1], below, rows, Collider.of(posed), clearance_m=0.018, spread_axis=shoulders)
    grid = np.concatenate([np.stack(upper), strands[1:]])
    turn, depth = np.meshgrid(angles, np.linspace(0, length_m, len(grid)))
    texture = np.stack([0.1 * np.cos(turn), y - depth, 0.1 * np.sin(turn)], axis=-1)
    return _sheet(grid, texture)


def ponytail(posed: PosedBody, length_m: float, high: bool, rng: np.random.Generator) -> Sheet:
    """A ponytail of a length in metres, from the crown (``high``) or the nape."""
    ear = _ear(posed)
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    back = _back_of_head(posed, float(ear[1]) + (0.06 if high else 0.0))
    circle = np.stack([np.cos(angles), np.sin(angles), np.zeros(12)], axis=1)
    roots = posed.motion(back + 0.02 * circle, _HEAD)
    middle = posed.motion((back + (0, 0, -0.04))[None], _HEAD) - posed.motion(back[None], _HEAD)
    first = np.broadcast_to(middle / np.linalg.norm(middle), roots.shape) + 0.5 * circle
    first = first / np.linalg.norm(first, axis=1, keepdims=True)
    lengths = length_m * (1 + 0.05 * rng.standard_normal(12))
    rows = max(6, round(length_m / 0.025))
    grid = hang(roots, lengths, rows, Collider.of(posed), first, clearance_m=0.015)
    turn, depth = np.meshgrid(angles, np.linspace(0, length_m, rows))
    texture = np.stack([0.03 * np.cos(turn), ear[1] - depth, 0.03 * np.sin(turn)], axis=-1)
    return _sheet(grid, texture, closed=True)


def bun(posed: PosedBody, radius_m: float, high: bool) -> Sheet:
    """A ball of hair on the back of the head, on the crown if ``high``."""
    back = _back_of_head(posed, float(_ear(posed)[1]) + (0.10 if high else 0.01)) + (0, 0, -0.6 * radius_m)
    theta, phi = np.meshgrid(np.linspace(0, np.pi, 10), np.linspace(0, 2 * np.pi, 16, endpoint=False), indexing="ij")
    ball = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], axis=-1)
    points = (back + radius_m * ball).reshape(-1, 3)
    return Sheet("hair", "hair", posed.motion(points, _HEAD), points, grid_faces(10, 16, True))


def _ear(posed: PosedBody) -> np.ndarray:
    return 0.5 * (posed.rest.landmarks["left_ear"] + posed.rest.landmarks["right_ear"])


def _back_of_head(posed: PosedBody, y: float) -> np.ndarray:
    """Hindmost point of the resting head and its hair at a height."""
    head = np.isin(posed.rest.parts, HEAD_PARTS) & (np.abs(posed.rest.vertices[:, 1] - y) < 0.015)
    band = posed.surface_rest[head]
    return np.array([0.0, y, band[:, 2].min()])


def _sheet(grid: np.ndarray, texture: np.ndarray, closed: bool = False) -> Sheet:
    faces = grid_faces(grid.shape[0], grid.shape[1], closed)
    return Sheet("hair", "hair", grid.reshape(-1, 3), texture.reshape(-1, 3), faces)

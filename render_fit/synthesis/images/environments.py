"""Environments of scenes: a studio, a room and a park, as background images with a ground plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from render_fit.synthesis.noise_fields import fractal_noise

PLACES = ("studio", "room", "park")


@dataclass(frozen=True)
class Environment:
    """Background image of a person and the ground below.

    Attributes:
        albedo: (H, W, 3) colours without shadows, sRGB in [0, 1].
        ground_camera: (H, W, 3) point of the ground at each pixel, camera coordinates, metres; NaN at pixels without
            ground.
    """

    albedo: Float[np.ndarray, "h w 3"]
    ground_camera: Float[np.ndarray, "h w 3"]


class _Surfaces(NamedTuple):
    """What each pixel may see.

    Attributes:
        sees_ground: (H, W) whether the ground is in front of the wall.
        on_ground: (H, W, 2) point on the ground: to the right and backwards, metres.
        on_wall: (H, W, 2) point on the wall: to the right and upwards, metres.
        elevation: (H, W) upward component of the ray of depth 1.
    """

    sees_ground: np.ndarray
    on_ground: np.ndarray
    on_wall: np.ndarray
    elevation: np.ndarray


def render_environment(
    place: str,
    K: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
    up: Float[np.ndarray, "3"],
    foot: Float[np.ndarray, "3"],
    rng: np.random.Generator,
) -> Environment:
    """Renders an environment whose ground passes through a person's lowest point.

    Args:
        place: One of ``PLACES``.
        K: (3, 3) intrinsics, pixels.
        height: Image height, pixels.
        width: Image width, pixels.
        up: (3,) unit vector that points up, in camera axes.
        foot: (3,) the person's lowest point, camera coordinates in metres.
        rng: Source of randomness for colours and textures.

    Returns:
        Background and ground.

    Raises:
        ValueError: for an unknown place.
    """
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(K).T
    # The ground is {p : up · p = up · foot}; the wall is vertical and behind the person.
    depth_to_ground = (up @ foot) / np.minimum(rays @ up, -1e-6)
    ground = rays * depth_to_ground[..., None]
    back = np.array([0.0, 0.0, 1.0]) - up * up[2]
    back /= np.linalg.norm(back)
    right = np.cross(back, -up)
    room = rng.uniform(1.0, 2.5)
    wall_distance = back @ foot + room
    wall = rays * (wall_distance / np.maximum(rays @ back, 1e-6))[..., None]
    sees_ground = (rays @ up < -1e-6) & (ground @ back < (wall_distance if place != "park" else 40.0))
    on_ground = np.stack([ground @ right, ground @ back], axis=-1)
    on_wall = np.stack([wall @ right, (wall - foot) @ up], axis=-1)
    seed = int(rng.integers(2**31))
    render = {"studio": _studio, "room": _room, "park": _park}.get(place)
    if render is None:
        raise ValueError(f"place: expected one of {PLACES}, got {place!r}")
    albedo = render(_Surfaces(sees_ground, on_ground, on_wall, rays @ up), rng, seed)
    return Environment(albedo.clip(0, 1), np.where(sees_ground[..., None], ground, np.nan))


def _studio(seen: _Surfaces, rng: np.random.Generator, seed: int) -> np.ndarray:
    """A paper backdrop that curves from the floor into the wall."""
    colour = rng.uniform(0.35, 0.8) + rng.uniform(-0.06, 0.06, 3)
    vignette = 1 - 0.25 * (seen.on_wall[..., 0] ** 2 + (seen.on_wall[..., 1] - 1) ** 2).clip(0, 4) / 4
    shade = np.where(seen.sees_ground, 0.96, 1.0) * vignette
    shade = gaussian_filter(shade, len(shade) / 40)
    return colour * (shade + 0.02 * fractal_noise(seen.on_wall, 0.4, 3, seed))[..., None]


def _room(seen: _Surfaces, rng: np.random.Generator, seed: int) -> np.ndarray:
    """A plain wall with a skirting board, a door or a framed picture, and a floor of planks."""
    wall_colour = np.array([0.78, 0.76, 0.72]) * rng.uniform(0.65, 1.0) + rng.uniform(-0.1, 0.1, 3)
    colour = wall_colour * (0.93 + 0.1 * fractal_noise(seen.on_wall, 0.7, 4, seed))[..., None]
    across, up = seen.on_wall[..., 0], seen.on_wall[..., 1]
    left = rng.uniform(0.5, 0.9) * rng.choice([-1.0, 1.0])
    for inset, shade in ((0.0, 0.45), (0.05, 0.85)):
        frame = (np.abs(across - left) < 0.32 - inset) & (up > 1.1 + inset) & (up < 1.75 - inset)
        tint = wall_colour[::-1] * shade
        inside = tint * (0.7 + 0.5 * fractal_noise(seen.on_wall * 3, 0.4, 4, seed + 3))[..., None]
        colour = np.where(frame[..., None], inside, colour)
    colour = np.where((up < 0.09)[..., None], 0.92 - 0.1 * (up < 0.012)[..., None], colour)
    plank = np.floor(seen.on_ground[..., 0] / 0.14)
    grain = fractal_noise(seen.on_ground * (1.0, 0.12), 0.02, 3, seed + 1)
    tone = fractal_noise(np.stack([plank * 7.7, np.zeros_like(plank)], axis=-1), 1.0, 1, seed + 2)
    gap = np.abs(seen.on_ground[..., 0] / 0.14 - plank - 0.5) > 0.485
    wood = np.array([0.55, 0.39, 0.25]) * (0.65 + 0.35 * tone + 0.25 * grain - 0.25 * gap)[..., None]
    return np.where(seen.sees_ground[..., None], wood, colour)


def _park(seen: _Surfaces, rng: np.random.Generator, seed: int) -> np.ndarray:
    """Grass, out-of-focus trees and sky."""
    far = seen.on_wall * 0.5
    leaves = fractal_noise(far, 0.25, 5, seed)
    crowns = fractal_noise(far * (1, 0.6), 1.2, 2, seed + 1)
    sky = np.array([0.70, 0.80, 0.92]) - 0.15 * seen.elevation.clip(0, 1)[..., None]
    tree = np.array([0.20, 0.30, 0.13]) * (2.6 * leaves**1.5)[..., None]
    covered = np.clip((0.7 * crowns + 0.3 * leaves - 0.22 - 0.8 * seen.elevation.clip(-1, 1)) * 12, 0, 1)[..., None]
    colour = gaussian_filter(covered * tree + (1 - covered) * sky, (1.5, 1.5, 0))
    blades = fractal_noise(seen.on_ground, 0.05, 3, seed + 2)
    patches = fractal_noise(seen.on_ground, 1.5, 3, seed + 3)
    grass = np.array([0.30, 0.42, 0.17]) * (0.45 + 0.55 * blades + 0.45 * patches)[..., None]
    return np.where(seen.sees_ground[..., None], grass, colour)

"""Light of scenes: a distant lamp with a shadow map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from render_fit.synthesis.garments.outfits import Layers
from render_fit.synthesis.independent_rasterizer import rasterize

SHADOW_MAP_SIZE = 768
"""Side of the shadow map, samples; a sample is 4 mm wide on the person."""


@dataclass(frozen=True)
class Light:
    """Lamp with a shadow map, and the direction of the sky.

    Attributes:
        direction: (3,) unit vector towards the lamp, camera axes.
        up: (3,) unit vector towards the sky, camera axes.
        K: (3, 3) intrinsics of the shadow map.
        rotation: (3, 3) from camera axes to the axes of the shadow map.
        centre: (3,) centre of projection of the shadow map, camera coordinates, metres.
        depth: (S, S) nearest depth per sample of the shadow map, metres.
    """

    direction: Float[np.ndarray, "3"]
    up: Float[np.ndarray, "3"]
    K: Float[np.ndarray, "3 3"]
    rotation: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, "3"]
    depth: Float[np.ndarray, "s s"]

    def visibility(self, points: Float[np.ndarray, "*n 3"], bias_m: float) -> Float[np.ndarray, "*n"]:
        """Share of the lamp's light that reaches points: 0 in shadow, 1 if lit, in between at the edges of shadows.

        Args:
            points: (..., 3) camera coordinates, metres.
            bias_m: Depth tolerance against self-shadowing, metres.
        """
        local = (points - self.centre) @ self.rotation.T
        px = local @ self.K.T
        px = px[..., :2] / np.maximum(px[..., 2:], 1e-6)
        size = len(self.depth)
        total = np.zeros(points.shape[:-1])
        taps = [(dx, dy) for dx in (-2.0, 0.0, 2.0) for dy in (-2.0, 0.0, 2.0)]
        for dx, dy in taps:
            column = np.floor(px[..., 0] + dx).clip(0, size - 1).astype(int)
            row = np.floor(px[..., 1] + dy).clip(0, size - 1).astype(int)
            total += local[..., 2] < self.depth[row, column] + bias_m
        return total / len(taps)


def sample_light(
    layers: Layers, up: Float[np.ndarray, "3"], rng: np.random.Generator, distance_m: float = 20.0
) -> Light:
    """Samples a lamp above and in front of the person, to one side, and renders its shadow map.

    Args:
        layers: Posed body and garments, which cast shadows.
        up: (3,) unit vector that points up, camera axes.
        rng: Source of randomness.
        distance_m: Distance of the lamp, metres.
    """
    side = rng.uniform(0.3, 0.9) * rng.choice([-1.0, 1.0])
    direction = up * rng.uniform(0.7, 1.3) + np.array([side, 0.0, -rng.uniform(0.5, 1.0)])
    direction /= np.linalg.norm(direction)
    middle = 0.5 * (layers.vertices_camera.min(axis=0) + layers.vertices_camera.max(axis=0))
    forward = -direction
    sideways = np.cross(up, forward)
    sideways /= np.linalg.norm(sideways)
    rotation = np.stack([sideways, np.cross(forward, sideways), forward])
    centre = middle + direction * distance_m
    focal = SHADOW_MAP_SIZE * distance_m / 3.2
    K = np.array([[focal, 0, SHADOW_MAP_SIZE / 2], [0, focal, SHADOW_MAP_SIZE / 2], [0, 0, 1]])
    local = (layers.vertices_camera - centre) @ rotation.T
    raster = rasterize(local, layers.faces, K, SHADOW_MAP_SIZE, SHADOW_MAP_SIZE)
    return Light(direction, up, K, rotation, centre, raster.depth)

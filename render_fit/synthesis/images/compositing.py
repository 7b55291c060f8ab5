"""Photograph-like images of a clothed person: materials, a distant lamp, its shadows and an environment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from render_fit.core.cameras import Camera
from render_fit.synthesis.garments.cutting import RestBody
from render_fit.synthesis.garments.outfits import Layers
from render_fit.synthesis.images.environments import render_environment
from render_fit.synthesis.images.materials import Appearance, albedo
from render_fit.synthesis.independent_rasterizer import average_samples, rasterize

GAMMA = 2.2
"""Exponent between linear light and sRGB, approximately (IEC 61966-2-1)."""

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


def render_image(
    layers: Layers,
    rest: RestBody,
    appearance: Appearance,
    camera: Camera,
    up: Float[np.ndarray, "3"],
    place: str,
    rng: np.random.Generator,
    samples: int = 3,
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
    """Renders a clothed person in an environment.

    Args:
        layers: Posed body and garments.
        rest: Resting body, on which textures are defined.
        appearance: Colours of the person.
        camera: One camera.
        up: (3,) unit vector that points up, camera axes.
        place: One of ``environments.PLACES``.
        rng: Source of randomness for light, environment and noise.
        samples: Samples per pixel and axis.

    Returns:
        (H, W, 3) sRGB in [0, 1], and (H, W) coverage of the person in [0, 1].
    """
    K = camera.K[0].numpy()
    light = sample_light(layers, up, rng)
    raster = rasterize(layers.vertices_camera, layers.faces, K, camera.height, camera.width, samples, cull_back=True)
    covered = raster.face_index >= 0
    faces = raster.face_index[covered]
    weights = raster.weights[covered]

    def interpolate(values: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nkc->nc", weights, values[layers.faces[faces]])

    normals = interpolate(layers.normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9)
    points, points_rest = interpolate(layers.vertices_camera), interpolate(layers.vertices_rest)
    colours = np.zeros((len(faces), 3))
    seed = int(rng.integers(2**31))
    for layer, material in enumerate(layers.materials):
        chosen = layers.face_layers[faces] == layer
        colours[chosen] = albedo(material, points_rest[chosen], rest, appearance, seed + layer)
    lit = light.visibility(points + 0.01 * normals, bias_m=0.008)
    person = np.zeros((*covered.shape, 3))
    person[covered] = colours.clip(0, 1) ** GAMMA * _shade(normals, light, lit)[:, None]

    foot = layers.vertices_camera[np.argmin(layers.vertices_camera @ up)]
    environment = render_environment(place, K, camera.height, camera.width, up, foot, rng)
    is_ground = np.isfinite(environment.ground_camera[..., 0])
    ground_lit = np.ones(is_ground.shape)
    ground_lit[is_ground] = light.visibility(environment.ground_camera[is_ground], bias_m=0.01)
    ground_lit = gaussian_filter(ground_lit, camera.height / 400)
    flat = _shade(np.broadcast_to(up, (*is_ground.shape, 3)), light, ground_lit)
    background = environment.albedo**GAMMA * np.where(is_ground, flat, 0.75)[..., None]

    coverage = average_samples(covered.astype(np.float64), samples)
    linear = average_samples(person, samples) + (1 - coverage[..., None]) * background
    image = linear.clip(0, 1) ** (1 / GAMMA)
    image = gaussian_filter(image, (0.5, 0.5, 0)) + rng.normal(0, 0.008, image.shape)
    return image.clip(0, 1), coverage


def _shade(normals: np.ndarray, light: Light, lit: np.ndarray) -> np.ndarray:
    """Linear irradiance of matt surfaces: sky, light from the ground, and the lamp where it is visible (``lit``)."""
    sky = 0.5 + 0.5 * normals @ light.up
    lamp = np.maximum(normals @ light.direction, 0) * lit
    return 0.10 + 0.34 * sky + 0.85 * lamp

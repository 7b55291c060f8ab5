"""Photograph-like images of a clothed person: materials, light, cast shadows and an environment."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from render_fit.core.cameras import Camera
from render_fit.synthesis.appearance.materials import Appearance, albedo
from render_fit.synthesis.garments.cutting import RestBody
from render_fit.synthesis.garments.outfits import Layers
from render_fit.synthesis.images.environments import render_environment
from render_fit.synthesis.images.lighting import Light, sample_light
from render_fit.synthesis.independent_rasterizer import average_samples, rasterize

GAMMA = 2.2
"""Exponent between linear light and sRGB, approximately (IEC 61966-2-1)."""


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

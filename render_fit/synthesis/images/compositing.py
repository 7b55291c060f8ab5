"""A photograph-like picture of a dressed synthetic person: layers, light, cast shadows, a place behind."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from render_fit.core.cameras import Camera
from render_fit.synthesis.appearance.materials import Appearance, albedo
from render_fit.synthesis.garments.cutting import RestBody
from render_fit.synthesis.garments.outfits import Layers
from render_fit.synthesis.images.environments import render_environment
from render_fit.synthesis.images.lighting import Light, set_light
from render_fit.synthesis.independent_rasterizer import average_samples, rasterize

GAMMA = 2.2
"""Exponent between linear light and sRGB, approximately (IEC 61966-2-1)."""


def render_image(
    layers: Layers,
    rest: RestBody,
    look: Appearance,
    camera: Camera,
    up: Float[np.ndarray, "3"],
    place: str,
    rng: np.random.Generator,
    samples: int = 3,
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
    """Draw the person in a place.

    Args:
        layers: Posed body and garments.
        rest: The resting body that textures are laid on.
        look: Colours.
        camera: One camera.
        up: (3,) unit vector that points up, camera axes.
        place: One of ``backdrops.PLACES``.
        rng: Decides light, place and noise.
        samples: Samples per pixel and axis.

    Returns:
        (H, W, 3) sRGB in [0, 1], and (H, W) the person's coverage.
    """
    K = camera.K[0].numpy()
    light = set_light(layers, up, rng)
    raster = rasterize(layers.vertices_camera, layers.faces, K, camera.height, camera.width, samples, cull_back=True)
    seen = raster.face_index >= 0
    faces = raster.face_index[seen]
    weights = raster.weights[seen]

    def at_samples(values: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nkc->nc", weights, values[layers.faces[faces]])

    normals = at_samples(layers.normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9)
    points, resting = at_samples(layers.vertices_camera), at_samples(layers.vertices_rest)
    colours = np.zeros((len(faces), 3))
    seed = int(rng.integers(2**31))
    for layer, material in enumerate(layers.materials):
        chosen = layers.face_layers[faces] == layer
        colours[chosen] = albedo(material, resting[chosen], rest, look, seed + layer)
    lit = light.reaches(points + 0.01 * normals, bias_m=0.008)
    person = np.zeros((*seen.shape, 3))
    person[seen] = colours.clip(0, 1) ** GAMMA * _brightness(normals, light, lit)[:, None]

    foot = layers.vertices_camera[np.argmin(layers.vertices_camera @ up)]
    backdrop = render_environment(place, K, camera.height, camera.width, up, foot, rng)
    is_ground = np.isfinite(backdrop.ground_camera[..., 0])
    ground_lit = np.ones(is_ground.shape)
    ground_lit[is_ground] = light.reaches(backdrop.ground_camera[is_ground], bias_m=0.01)
    ground_lit = gaussian_filter(ground_lit, camera.height / 400)
    flat = _brightness(np.broadcast_to(up, (*is_ground.shape, 3)), light, ground_lit)
    behind = backdrop.albedo**GAMMA * np.where(is_ground, flat, 0.75)[..., None]

    coverage = average_samples(seen.astype(np.float64), samples)
    linear = average_samples(person, samples) + (1 - coverage[..., None]) * behind
    picture = linear.clip(0, 1) ** (1 / GAMMA)
    picture = gaussian_filter(picture, (0.5, 0.5, 0)) + rng.normal(0, 0.008, picture.shape)
    return picture.clip(0, 1), coverage


def _brightness(normals: np.ndarray, light: Light, lit: np.ndarray) -> np.ndarray:
    """Linear brightness of matt surfaces: sky, light bounced from the ground, and the lamp where it reaches."""
    sky = 0.5 + 0.5 * normals @ light.up
    lamp = np.maximum(normals @ light.direction, 0) * lit
    return 0.10 + 0.34 * sky + 0.85 * lamp

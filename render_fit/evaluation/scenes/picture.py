"""A photograph-like picture of a dressed synthetic person: layers, light, cast shadows, a place behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.cameras import Camera
from render_fit.evaluation.scenes.backdrops import draw_backdrop
from render_fit.evaluation.scenes.drawing import average_samples, rasterize
from render_fit.evaluation.scenes.garments import (
    Garment,
    RestBody,
    cut_mesh,
    hair,
    shirt,
    shoes,
    trousers,
    vertex_normals,
)
from render_fit.evaluation.scenes.materials import Look, albedo
from render_fit.skeletons import SMPL_24

GAMMA = 2.2
"""Exponent between linear light and sRGB, approximately (IEC 61966-2-1)."""

COVERED_M = 0.035
"""Further than this from an outer layer's hem, an inner layer is not drawn, metres."""

SHADOW_MAP_SIZE = 768
"""Side of the shadow map, samples: 4 mm over a person."""


@dataclass(frozen=True)
class Layers:
    """Body and garments as one mesh that is ready to draw.

    Attributes:
        vertices_camera: (N, 3) posed, metres.
        vertices_rest: (N, 3) where each vertex lies on the resting body, metres.
        normals: (N, 3) posed unit normals, outwards.
        faces: (M, 3) vertex indices.
        materials: Name of each layer's material.
        face_layers: (M,) layer of each face.
    """

    vertices_camera: Float[np.ndarray, "n 3"]
    vertices_rest: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "m 3"]
    materials: tuple[str, ...]
    face_layers: Int[np.ndarray, "m"]


def rest_body(body: Body, parameters: BodyParameters) -> RestBody:
    """The zero pose of one body's shape, as garments are cut on it."""
    vertices = body.rest_vertices(parameters.betas)[0]
    joints = body.rest_joints(parameters.betas)[0].numpy()
    landmarks = (body.landmark_regressor @ vertices).numpy()
    return RestBody(
        vertices.numpy().astype(np.float64),
        body.faces.numpy(),
        dict(zip(SMPL_24.joints, joints, strict=True)),
        body.vertex_parts.numpy(),
        dict(zip(body.landmark_names, landmarks, strict=True)),
    )


def dress(rest: RestBody, rng: np.random.Generator) -> tuple[Garment, ...]:
    """A random outfit from the inside out: trousers or shorts, shirt, shoes, hair."""
    seed = int(rng.integers(2**31))
    sleeve = float(rng.choice([0.6, 0.75, 2.0]))
    length = float(rng.choice([0.8, 2.0, 2.0]))
    legs = trousers(rest, length, rng.uniform(0.008, 0.03), seed)
    return (
        legs,
        shirt(rest, sleeve, rng.uniform(0.02, 0.045), seed + 1, under=legs),
        shoes(rest, seed + 2),
        hair(rest, rng.uniform(0.008, 0.025), seed + 3),
    )


def pose_layers(body: Body, parameters: BodyParameters, rest: RestBody, garments: tuple[Garment, ...]) -> Layers:
    """Pose the body and each garment (as SMPL+D), cut the garments at their hems, and stack them."""
    faces = rest.faces
    parts = []
    bare = body(parameters).vertices[0].numpy()
    layers = [("skin", None, np.ones(len(bare)))]
    layers += [(garment.material, garment.offsets, garment.inside) for garment in garments]
    for index, (name, offsets, inside) in enumerate(layers):
        # What an outer layer covers well is left out: bent joints would push it through.
        for _, _, outer in layers[index + 1 :]:
            inside = np.minimum(inside, COVERED_M - outer)
        posed = bare
        if offsets is not None:
            moved = torch.tensor(offsets[None], dtype=torch.float32)
            posed = (
                body(BodyParameters(parameters.rotations, parameters.betas, parameters.transl, moved))
                .vertices[0]
                .numpy()
            )
        cut = cut_mesh(faces, inside)
        normals = cut.take(vertex_normals(posed, faces))
        parts.append((name, cut.take(posed), cut.take(rest.vertices), normals, cut.faces))
    starts = np.cumsum([0] + [len(part[1]) for part in parts])
    return Layers(
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
        np.concatenate([part[3] for part in parts]),
        np.concatenate([part[4] + start for part, start in zip(parts, starts[:-1], strict=True)]),
        tuple(part[0] for part in parts),
        np.repeat(np.arange(len(parts)), [len(part[4]) for part in parts]),
    )


@dataclass(frozen=True)
class Light:
    """Sun or lamp with a shadow map, and sky.

    Attributes:
        direction: (3,) unit vector towards the light, camera axes.
        up: (3,) unit vector towards the sky, camera axes.
        K: (3, 3) intrinsics of the shadow map.
        rotation: (3, 3) camera axes to the shadow map's axes.
        centre: (3,) where the shadow map is taken from, camera coordinates.
        depth: (S, S) nearest depth in the shadow map, metres.
    """

    direction: Float[np.ndarray, "3"]
    up: Float[np.ndarray, "3"]
    K: Float[np.ndarray, "3 3"]
    rotation: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, "3"]
    depth: Float[np.ndarray, "s s"]

    def reaches(self, points: Float[np.ndarray, "*n 3"], bias_m: float) -> Float[np.ndarray, "*n"]:
        """Share of light that gets to points: 0 in shadow, 1 in the open, between at edges."""
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


def set_light(layers: Layers, up: Float[np.ndarray, "3"], rng: np.random.Generator, distance_m: float = 20.0) -> Light:
    """A light above and in front of the person, to one side."""
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


def paint(
    layers: Layers,
    rest: RestBody,
    look: Look,
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
    backdrop = draw_backdrop(place, K, camera.height, camera.width, up, foot, rng)
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

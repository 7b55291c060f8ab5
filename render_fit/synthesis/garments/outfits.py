"""Random outfits, and body and garments posed as one mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis.garments.bottoms import trousers
from render_fit.synthesis.garments.cutting import Garment, RestBody, cut_mesh, vertex_normals
from render_fit.synthesis.garments.hair import hair
from render_fit.synthesis.garments.shoes import shoes
from render_fit.synthesis.garments.tops import shirt

COVERED_M = 0.035
"""Further than this from an outer layer's hem, an inner layer is not drawn, metres."""


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


def sample_outfit(rest: RestBody, rng: np.random.Generator) -> tuple[Garment, ...]:
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

"""Random outfits, and the mesh of a posed body with its garments."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis.garments.cutting import Garment, RestBody, cut_mesh, vertex_normals
from render_fit.synthesis.garments.items import hair, shirt, shoes, trousers

COVERED_M = 0.035
"""An inner layer is left out where an outer layer covers it further than this from its hem, metres."""


@dataclass(frozen=True)
class Layers:
    """Posed body and garments as one mesh.

    Attributes:
        vertices_camera: (N, 3) posed vertices, camera coordinates, metres.
        vertices_rest: (N, 3) the same points on the resting body, metres.
        normals: (N, 3) outward unit normals of the posed mesh.
        faces: (M, 3) vertex indices.
        materials: Material of each layer.
        face_layers: (M,) index of each face's layer.
        face_parts: (M,) SMPL-24 part underneath each face.
    """

    vertices_camera: Float[np.ndarray, "n 3"]
    vertices_rest: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "m 3"]
    materials: tuple[str, ...]
    face_layers: Int[np.ndarray, "m"]
    face_parts: Int[np.ndarray, "m"]


def rest_body(body: Body, parameters: BodyParameters) -> RestBody:
    """Zero pose of one body's shape."""
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
    """Samples trousers or shorts, a shirt, shoes and hair, in the order from inner to outer layer."""
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


def pose_garment(
    body: Body, parameters: BodyParameters, offsets: Float[np.ndarray, "v 3"] | None
) -> Float[np.ndarray, "v 3"]:
    """Posed vertices of the body with rest-pose offsets (SMPL+D), camera coordinates, metres."""
    if offsets is not None:
        parameters = replace(parameters, offsets=torch.tensor(offsets[None], dtype=torch.float32))
    return body(parameters).vertices[0].numpy()


def pose_layers(
    body: Body,
    parameters: BodyParameters,
    rest: RestBody,
    garments: tuple[Garment, ...],
    covered: Float[np.ndarray, "v"] | None = None,
) -> Layers:
    """Poses the body and each garment (as SMPL+D), cuts the garments at their hems, and merges the meshes.

    Args:
        body: Body model.
        parameters: One body without clothing.
        rest: Its zero pose.
        garments: Garments from inner to outer layer.
        covered: (V,) distance of vertices to the edges of what else covers them, metres; positive under it.
    """
    parts = []
    uncovered = np.full(len(rest.vertices), np.inf) if covered is None else COVERED_M - covered
    layers = [
        ("skin", None, np.ones(len(rest.vertices))),
        *((one.material, one.offsets, one.inside) for one in garments),
    ]
    for index, (name, offsets, inside) in enumerate(layers):
        # Covered parts are left out: at bent joints they would intersect the outer layer.
        inside = np.minimum(inside, uncovered)
        for _, _, outer in layers[index + 1 :]:
            inside = np.minimum(inside, COVERED_M - outer)
        posed = pose_garment(body, parameters, offsets)
        cut = cut_mesh(rest.faces, inside)
        normals = cut.take(vertex_normals(posed, rest.faces))
        own = rest.parts[cut.sources[cut.faces[:, 0], 0]]
        parts.append((name, cut.take(posed), cut.take(rest.vertices), normals, cut.faces, own))
    names, vertices, resting, normals, faces, face_parts = zip(*parts, strict=True)
    starts = np.cumsum([0, *map(len, vertices)])
    return Layers(
        np.concatenate(vertices),
        np.concatenate(resting),
        np.concatenate(normals),
        np.concatenate([layer + start for layer, start in zip(faces, starts[:-1], strict=True)]),
        names,
        np.repeat(np.arange(len(names)), [len(layer) for layer in faces]),
        np.concatenate(face_parts),
    )

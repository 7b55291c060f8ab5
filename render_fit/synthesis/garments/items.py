"""Garments and hair: one function for each kind, which builds it on a resting body.

Every function defines where the garment is (``inside``) and how thick it is, and calls `make_garment`. To add one:
docs/synthesis.md.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from render_fit.synthesis.garments.cutting import ARM_PARTS, HEAD_PARTS, Garment, RestBody, make_garment


def shirt(
    body: RestBody,
    sleeve: float,
    looseness_m: float,
    seed: int,
    under: Garment | None,
    *,
    material: str = "shirt",
    below_hips_m: float = 0.05,
    neckline_m: float = 0.0,
    gap_m: float | None = None,
) -> Garment:
    """A shirt from the neck to the hips; also jackets, and the upper part of dresses and coats.

    Args:
        body: Resting body.
        sleeve: Length of the sleeves: 0 ends at the shoulder, 1 at the elbow, 2 at the wrist.
        looseness_m: Distance of the cloth from the body at the hem, metres.
        seed: Seed of the folds.
        under: Garment below the shirt.
        material: Material of the garment.
        below_hips_m: How far the hem is below the hip joints, metres; negative ends higher.
        neckline_m: How far the collar is lower in front than a shirt's, metres.
        gap_m: Half the width of the opening in front, metres; None for a closed garment.
    """
    x, y, z = body.vertices.T
    j = body.joints
    shoulder, elbow, wrist = (abs(j[f"left_{name}"][0]) for name in ("shoulder", "elbow", "wrist"))
    reach = float(np.interp(sleeve, (0, 1, 2), (shoulder + 0.03, elbow, wrist - 0.02)))
    hem = j["left_hip"][1] - below_hips_m
    neck = j["neck"]
    # The collar is the foot of the neck: lower in front than at the back.
    collar = neck[1] + 0.045 - 0.45 * (z - neck[2]).clip(-0.08, 0.10)
    collar = collar - neckline_m * ((z - neck[2] - 0.02) / 0.06).clip(0, 1)
    near_neck = (np.abs(x) < 0.5 * shoulder) | np.isin(body.parts, HEAD_PARTS)
    off_neck = np.where(near_neck, collar - y, 0.2)
    arm = np.isin(body.parts, ARM_PARTS)
    inside = np.minimum.reduce([reach - np.abs(x), np.where(arm, 1.0, y - hem), off_neck])
    if gap_m is not None:
        front = ~arm & (z > j["spine2"][2])
        inside = np.minimum(inside, np.where(front, np.abs(x) - gap_m, 1.0))
    drop = (0.3 + (j["spine3"][1] - y) / (j["spine3"][1] - hem)).clip(0, 1)
    along_arm = ((np.abs(x) - shoulder) / 0.25).clip(0, 1)
    thickness = 0.008 + looseness_m * np.maximum(np.where(arm, 0, drop), 0.6 * along_arm)
    fold_m = 0.3 * looseness_m
    return make_garment(body, material, inside, thickness, smoothing=30, fold_m=fold_m, seed=seed, under=under)


def trousers(body: RestBody, length: float, looseness_m: float, seed: int, wide_m: float = 0.0) -> Garment:
    """Trousers or shorts from the waist down.

    Args:
        body: Resting body.
        length: Length of the legs: 1 ends at the knee, 2 at the ankle.
        looseness_m: Distance of the cloth from the body at the lower hem, metres.
        seed: Seed of the folds.
        wide_m: Further distance of wide trousers from the leg, from below the seat on, metres.
    """
    y = body.vertices[:, 1]
    j = body.joints
    hip, knee, ankle = (j[f"left_{name}"][1] for name in ("hip", "knee", "ankle"))
    hem = float(np.interp(length, (0, 1, 2), (hip - 0.1, knee, ankle + 0.01)))
    waist = j["spine1"][1] + 0.02
    inside = np.where(np.isin(body.parts, ARM_PARTS), -1.0, np.minimum(waist - y, y - hem))
    drop = ((hip - y) / (hip - hem)).clip(0, 1)
    thickness = 0.007 + looseness_m * drop + wide_m * ((hip - 0.05 - y) / 0.25).clip(0, 1)
    return make_garment(body, "trousers", inside, thickness, smoothing=8, fold_m=0.2 * looseness_m, seed=seed)


def shoes(body: RestBody, seed: int, smoothing: int = 6, sole_m: float = 0.009) -> Garment:
    """Shoes, whose surface smooths the toes away.

    Args:
        body: Resting body.
        seed: Seed of the folds.
        smoothing: Number of smoothing steps; few leave the shape of the toes.
        sole_m: Thickness of the shoes, metres.
    """
    y = body.vertices[:, 1]
    ankle = body.joints["left_ankle"][1]
    return make_garment(
        body, "shoes", ankle - 0.012 - y, np.full(len(y), sole_m), smoothing=smoothing, fold_m=0.0, seed=seed
    )


def hair(body: RestBody, length_m: float, seed: int) -> Garment:
    """Hair on the scalp and the back of the head.

    Args:
        body: Resting body.
        length_m: Thickness of the hair, metres; thicker hair also reaches further down the neck.
        seed: Seed of the strands.
    """
    x, y, z = body.vertices.T
    eye = 0.5 * (body.landmarks["left_eye"] + body.landmarks["right_eye"])
    ear = 0.5 * (body.landmarks["left_ear"] + body.landmarks["right_ear"])
    head: Bool[np.ndarray, "v"] = y > body.joints["neck"][1]
    # The hairline rises from the nape, over the ears, to the forehead.
    forward = ((z - ear[2]) / (eye[2] - ear[2])).clip(-1, 1)
    nape = ear[1] - 0.045 - 1.5 * length_m
    line = np.where(forward < 0.1, nape + (ear[1] + 0.015 - nape) * (forward + 1) / 1.1, 0.0)
    line = np.where(forward >= 0.1, ear[1] + 0.015 + (eye[1] + 0.055 - ear[1] - 0.015) * forward, line)
    inside = np.where(head & (np.abs(x - eye[0]) < 0.2), y - line, -1.0)
    thickness = 0.004 + length_m * (inside / 0.05).clip(0, 1)
    return make_garment(body, "hair", inside, thickness, smoothing=5, fold_m=0.15 * length_m, seed=seed)


def hat_crown(body: RestBody, thickness_m: float, seed: int, under: Garment) -> Garment:
    """A beanie, or the crown of a hat, from above the brows and ears.

    Args:
        body: Resting body.
        thickness_m: Distance from the hair, metres.
        seed: Seed of the folds.
        under: Hair below the hat.
    """
    x, y, _ = body.vertices.T
    inside = np.where(np.abs(x) < 0.2, y - hat_line(body), -1.0)
    thickness = np.full(len(y), thickness_m)
    return make_garment(body, "hat", inside, thickness, smoothing=8, fold_m=0.1 * thickness_m, seed=seed, under=under)


def hat_line(body: RestBody) -> float:
    """Height of the lower edge of a hat on the resting body, metres."""
    eye = 0.5 * (body.landmarks["left_eye"] + body.landmarks["right_eye"])
    return float(eye[1] + 0.045)

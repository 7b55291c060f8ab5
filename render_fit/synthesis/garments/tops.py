"""Shirts."""

from __future__ import annotations

import numpy as np

from render_fit.synthesis.garments.cutting import ARM_PARTS, HEAD_PARTS, Garment, RestBody, _garment


def shirt(body: RestBody, sleeve: float, looseness_m: float, seed: int, under: Garment) -> Garment:
    """A shirt from the neck to the hips.

    Args:
        body: The body to dress.
        sleeve: How far the sleeves reach: 0 the shoulder, 1 the elbow, 2 the wrist.
        looseness_m: How far the cloth stands off the body at the hem, metres.
        seed: Decides the folds.
        under: The trousers that it hangs over.
    """
    x, y, z = body.vertices.T
    j = body.joints
    shoulder, elbow, wrist = (abs(j[f"left_{name}"][0]) for name in ("shoulder", "elbow", "wrist"))
    reach = float(np.interp(sleeve, (0, 1, 2), (shoulder + 0.03, elbow, wrist - 0.02)))
    hem = j["left_hip"][1] - 0.05
    neck = j["neck"]
    # The collar is the foot of the neck: lower in front than at the back.
    collar = neck[1] + 0.045 - 0.45 * (z - neck[2]).clip(-0.08, 0.10)
    near_neck = (np.abs(x) < 0.5 * shoulder) | np.isin(body.parts, HEAD_PARTS)
    off_neck = np.where(near_neck, collar - y, 0.2)
    arm = np.isin(body.parts, ARM_PARTS)
    inside = np.minimum.reduce([reach - np.abs(x), np.where(arm, 1.0, y - hem), off_neck])
    drop = (0.3 + (j["spine3"][1] - y) / (j["spine3"][1] - hem)).clip(0, 1)
    along_arm = ((np.abs(x) - shoulder) / 0.25).clip(0, 1)
    thickness = 0.008 + looseness_m * np.maximum(np.where(arm, 0, drop), 0.6 * along_arm)
    fold_m = 0.3 * looseness_m
    return _garment(body, "shirt", inside, thickness, smoothing=30, fold_m=fold_m, seed=seed, under=under)

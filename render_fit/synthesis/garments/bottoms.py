"""Trousers and shorts."""

from __future__ import annotations

import numpy as np

from render_fit.synthesis.garments.cutting import ARM_PARTS, Garment, RestBody, _garment


def trousers(body: RestBody, length: float, looseness_m: float, seed: int) -> Garment:
    """Trousers or shorts from the waist down.

    Args:
        body: The body to dress.
        length: How far the legs reach: 1 the knee, 2 the ankle.
        looseness_m: How far the cloth stands off the body at the lower hem, metres.
        seed: Decides the folds.
    """
    y = body.vertices[:, 1]
    j = body.joints
    hip, knee, ankle = (j[f"left_{name}"][1] for name in ("hip", "knee", "ankle"))
    hem = float(np.interp(length, (0, 1, 2), (hip - 0.1, knee, ankle + 0.01)))
    waist = j["spine1"][1] + 0.02
    inside = np.where(np.isin(body.parts, ARM_PARTS), -1.0, np.minimum(waist - y, y - hem))
    drop = ((hip - y) / (hip - hem)).clip(0, 1)
    thickness = 0.007 + looseness_m * drop
    return _garment(body, "trousers", inside, thickness, smoothing=8, fold_m=0.2 * looseness_m, seed=seed)

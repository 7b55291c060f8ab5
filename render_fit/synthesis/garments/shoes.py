"""Shoes."""

from __future__ import annotations

import numpy as np

from render_fit.synthesis.garments.cutting import Garment, RestBody, _garment


def shoes(body: RestBody, seed: int) -> Garment:
    """Shoes that smooth the toes away."""
    y = body.vertices[:, 1]
    ankle = body.joints["left_ankle"][1]
    return _garment(body, "shoes", ankle - 0.012 - y, np.full(len(y), 0.009), smoothing=6, fold_m=0.0, seed=seed)

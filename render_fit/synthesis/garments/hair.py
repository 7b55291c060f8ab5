"""Hair."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from render_fit.synthesis.garments.cutting import Garment, RestBody, _garment


def hair(body: RestBody, length_m: float, seed: int) -> Garment:
    """Hair on the scalp and the back of the head.

    Args:
        body: The body.
        length_m: Thickness of the hair, metres; long hair also reaches further down the neck.
        seed: Decides the strands.
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
    return _garment(body, "hair", inside, thickness, smoothing=5, fold_m=0.15 * length_m, seed=seed)

"""Places within triangles of an image."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def barycentric(
    corners_px: Float[np.ndarray, "n 3 2"], points_px: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n 3"]:
    """(N, 3) barycentric weights at points inside their triangles; 1/3 each where a triangle has no area."""

    def cross(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]

    a, b, c = (corners_px[:, corner] - points_px for corner in range(3))
    areas = np.stack([cross(b, c), cross(c, a), cross(a, b)], axis=1)
    total = areas.sum(axis=1, keepdims=True)
    return np.where(np.abs(total) > 1e-9, areas / np.where(total == 0, 1, total), 1 / 3)

"""Errors of a motion against the true one, frame by frame."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def acceleration_error(
    joints: Float[Tensor, "n k 3"], joints_true: Float[Tensor, "n k 3"], fps: int | float | None = None
) -> Float[Tensor, "n"]:
    """Mean distance of the joints' accelerations from the true ones, by second differences.

    Args:
        joints: (N, K, 3) consecutive frames, metres; root-aligned by custom.
        joints_true: (N, K, 3) the same joints and frames.
        fps: Frames a second; None: per squared frame, as published tables have it.

    Returns:
        (N,) metres per squared second (or frame); NaN for the first and the last frame.

    Source: Kanazawa et al., HMMR, CVPR 2019, sec. 4; ``compute_error_accel``.
    """
    error = joints - joints_true
    found = error.new_full((len(error),), torch.nan)
    if len(error) > 2:
        second = error[:-2] - 2 * error[1:-1] + error[2:]
        found[1:-1] = second.norm(dim=-1).mean(dim=-1) * (1.0 if fps is None else fps**2)
    return found

"""Peaks of heat maps, between their cells."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

BLUR_CELLS, BLUR_RADIUS = 0.8, 5
"""Standard deviation and radius of the blur before the peak is read, cells of the heat map."""


def decode(heatmaps: Float[Tensor, "b k h w"]) -> tuple[Float[Tensor, "b k 2"], Float[Tensor, "b k"]]:
    """Peaks of heat maps, between cells.

    The heat map is blurred; the maximum of the parabola through its logarithm around the highest cell is the peak.

    Args:
        heatmaps: (B, K, h, w) scores.

    Returns:
        (B, K, 2) cells (x, y), 0 is the middle of the first one, at most one cell from the highest; and (B, K) scores
        of the highest cells.

    Source:
        Zhang et al., Distribution-Aware Coordinate Representation (CVPR 2020), with the constants of transformers'
        ``post_process_pose_estimation``.
    """
    width = heatmaps.shape[3]
    scores, highest = heatmaps.flatten(2).max(dim=2)
    x, y = highest % width, highest // width
    logs = F.pad(_blurred(heatmaps).clamp(1e-3, 50.0).log(), (1, 1, 1, 1), mode="replicate").flatten(2)
    row = width + 2
    at = (x + 1) + (y + 1) * row

    def value(dx: int, dy: int) -> Tensor:
        return logs.gather(2, (at + dx + dy * row)[..., None])[..., 0].double()

    middle = value(0, 0)
    slope = torch.stack([(value(1, 0) - value(-1, 0)) / 2, (value(0, 1) - value(0, -1)) / 2], dim=-1)
    xx = value(1, 0) - 2 * middle + value(-1, 0)
    yy = value(0, 1) - 2 * middle + value(0, -1)
    sides = value(1, 0) + value(0, 1) + value(-1, 0) + value(0, -1)
    xy = (value(1, 1) + value(-1, -1) + 2 * middle - sides) / 2
    determinant = xx * yy - xy**2
    peaked = (determinant > 1e-9) & (xx < 0)
    step_x = (xy * slope[..., 1] - yy * slope[..., 0]) / determinant
    step_y = (xy * slope[..., 0] - xx * slope[..., 1]) / determinant
    step = torch.where(peaked[..., None], torch.stack([step_x, step_y], dim=-1), 0.0).clamp(-1, 1)
    return (torch.stack([x, y], dim=-1) + step).float(), scores


def _blurred(heatmaps: Tensor) -> Tensor:
    """Gaussian blur, mirrored at the edges."""
    offsets = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / BLUR_CELLS) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    for axis in (2, 3):
        lines = heatmaps.movedim(axis, -1)
        flat = _mirrored_ends(lines.reshape(-1, 1, lines.shape[-1]))
        heatmaps = F.conv1d(flat, kernel).reshape(lines.shape).movedim(-1, axis)
    return heatmaps


def _mirrored_ends(lines: Tensor) -> Tensor:
    """Lines continued by `BLUR_RADIUS` values on both sides: d c b a | a b c d | d c b a, however short they are."""
    length = lines.shape[-1]
    index = torch.arange(-BLUR_RADIUS, length + BLUR_RADIUS) % (2 * length)
    return lines[..., torch.where(index < length, index, 2 * length - 1 - index)]

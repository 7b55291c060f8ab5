"""Smooth random fields: the irregularity of cloth, walls and leaves."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

TABLE_SIZE = 512
"""Length of the table of random values that lattice points are hashed into."""


def fractal_noise(points: Float[np.ndarray, "*n d"], size_m: float, octaves: int, seed: int) -> Float[np.ndarray, "*n"]:
    """Value noise summed over octaves, at any points of the plane or of space.

    Args:
        points: (..., 2 or 3) coordinates.
        size_m: Size of the largest features, in the points' unit.
        octaves: Number of octaves, each half as large and half as strong as the one before.
        seed: Decides the field.

    Returns:
        (...) values in [0, 1], mean about 0.5.
    """
    rng = np.random.default_rng(seed)
    table = rng.random(TABLE_SIZE)
    hashes = rng.permutation(TABLE_SIZE)
    total, weight = np.zeros(points.shape[:-1]), 0.0
    for octave in range(octaves):
        strength = 0.5**octave
        total += strength * _value_noise(points / size_m * 2**octave + 17.3 * octave, table, hashes)
        weight += strength
    return total / weight


def _value_noise(points: np.ndarray, table: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Random values at integer points, blended smoothly between them."""
    cell = np.floor(points)
    share = points - cell
    share = share * share * (3 - 2 * share)
    cell = cell.astype(np.int64)
    dimensions = points.shape[-1]
    value = np.zeros(points.shape[:-1])
    for corner in range(2**dimensions):
        key = np.zeros(points.shape[:-1], dtype=np.int64)
        blend = np.ones(points.shape[:-1])
        for axis in range(dimensions):
            upper = corner >> axis & 1
            key = hashes[(key + cell[..., axis] + upper) % TABLE_SIZE]
            blend = blend * (share[..., axis] if upper else 1 - share[..., axis])
        value += blend * table[key]
    return value


def smooth_noise(count: int, channels: int, size: int, generator: torch.Generator) -> Float[Tensor, "n c s s"]:
    """Noise of about unit variance, waves of a third to a twentieth of a side, each picture as rough as chance says."""
    noise = torch.zeros(count, channels, size, size)
    rough = torch.rand(count, 1, 1, 1, generator=generator)
    for octave, grid in enumerate((3, 6, 12, 20)):
        waves = torch.randn(count, channels, grid, grid, generator=generator)
        noise += rough**octave * interpolate(waves, size, mode="bilinear", align_corners=True)
    return 1.5 * noise * (1 - rough**2).clamp(min=0.25).sqrt()

"""Random fields and regions: smooth noise for textures and backgrounds, ellipses and rectangles for occluders."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

TABLE_SIZE = 512
"""Length of the table of random values, into which lattice points are hashed."""


def fractal_noise(points: Float[np.ndarray, "*n d"], size_m: float, octaves: int, seed: int) -> Float[np.ndarray, "*n"]:
    """Value noise summed over octaves, at given points of the plane or of space.

    Args:
        points: (..., 2 or 3) coordinates.
        size_m: Size of the largest features, metres like the points.
        octaves: Number of octaves, each half as large and half as strong as the one before.
        seed: Seed of the field.

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
    """Random values at integer points, interpolated smoothly between them."""
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
    """Smooth noise of about unit variance, with wavelengths of a third to a twentieth of the image's side.

    Args:
        count: Number of images; the roughness of each is random.
        channels: Number of independent fields per image.
        size: Side of the images, pixels.
        generator: Source of randomness.
    """
    noise = torch.zeros(count, channels, size, size)
    rough = torch.rand(count, 1, 1, 1, generator=generator)
    for octave, grid in enumerate((3, 6, 12, 20)):
        waves = torch.randn(count, channels, grid, grid, generator=generator)
        noise += rough**octave * interpolate(waves, size, mode="bilinear", align_corners=True)
    return 1.5 * noise * (1 - rough**2).clamp(min=0.25).sqrt()


def random_regions(
    count: int, size: int, smallest: float, largest: float, generator: torch.Generator
) -> Bool[Tensor, "n s s"]:
    """Masks of one ellipse or rectangle per image, at a random place and angle.

    Args:
        count: Number of images.
        size: Side of the images, pixels.
        smallest: Smallest half-axis, share of the side.
        largest: Largest half-axis, share of the side.
        generator: Source of randomness.
    """
    centres = (torch.arange(size) + 0.5) / size
    middle = 0.1 + 0.8 * torch.rand(count, 2, 1, 1, generator=generator)
    half = smallest + (largest - smallest) * torch.rand(count, 2, 1, 1, generator=generator) ** 2
    angle = math.pi * torch.rand(count, 1, 1, generator=generator)
    x, y = centres[None, None, :] - middle[:, 0], centres[None, :, None] - middle[:, 1]
    along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    u, v = (along / half[:, 0]).abs(), (across / half[:, 1]).abs()
    rectangle = (torch.rand(count, generator=generator) < 0.4)[:, None, None]
    return torch.where(rectangle, torch.maximum(u, v), (u * u + v * v).sqrt()) < 1

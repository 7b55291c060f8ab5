"""What is behind drawn people: nothing that exists, in as many ways as are cheap to draw."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.synthesis.appearance.body_textures import cloth_colours, skin_colours
from render_fit.synthesis.noise_fields import smooth_noise
from render_fit.synthesis.observation_noise import random_blobs


def backgrounds(count: int, size: int, things: int, generator: torch.Generator) -> Float[Tensor, "n 3 s s"]:
    """Smooth noise, gradients or stripes in two colours, with boxes and ellipses before them.

    Args:
        count: How many.
        size: Side, pixels.
        things: Boxes and ellipses at the most.
        generator: Source of randomness.

    Returns:
        sRGB in [0, 1].
    """
    first, second = (cloth_colours(count, generator)[..., None, None] for _ in range(2))
    kind = torch.randint(4, (count, 1, 1, 1), generator=generator)
    centres = (torch.arange(size) + 0.5) / size - 0.5
    angle = 2 * math.pi * torch.rand(count, 1, 1, 1, generator=generator)
    along = angle.cos() * centres + angle.sin() * centres[:, None]
    waves = 0.5 + 0.5 * (2 * math.pi * along * (1 + 11 * torch.rand(count, 1, 1, 1, generator=generator))).sin()
    sharp = ((waves - 0.5) * 8 + 0.5).clamp(0, 1)
    noise = (0.5 + 0.25 * smooth_noise(count, 1, size, generator)).clamp(0, 1)
    share = torch.where(kind == 0, sharp, torch.where(kind == 1, (0.5 + along).clamp(0, 1), noise))
    picture = torch.lerp(first, second, share)
    picture = picture + 0.08 * torch.rand(count, 1, 1, 1, generator=generator) * smooth_noise(count, 3, size, generator)
    for _ in range(things):
        picture = add_occluders(picture, 0.03, 0.4, 0.5, generator)
    return picture.clamp(0, 1)


def add_occluders(
    picture: Float[Tensor, "n 3 s s"], smallest: float, largest: float, share: float, generator: torch.Generator
) -> Float[Tensor, "n 3 s s"]:
    """Puts a box or an ellipse into some pictures, in one colour that gets lighter to one side.

    Some are as skin is, so that skin alone does not make a person.

    Args:
        picture: sRGB.
        smallest: Half-axis, share of the side.
        largest: Half-axis, share of the side.
        share: Of the pictures.
        generator: Source of randomness.
    """
    count, _, size, _ = picture.shape
    like_skin = torch.rand(count, 1, generator=generator) < 0.3
    colour = torch.where(like_skin, skin_colours(count, generator), cloth_colours(count, generator))[..., None, None]
    slope = 0.3 * torch.randn(count, 1, 1, 1, generator=generator)
    shade = 1 + slope * ((torch.arange(size) + 0.5) / size - 0.5)
    there = random_blobs(count, size, smallest, largest, generator)
    there &= torch.rand(count, 1, 1, generator=generator) < share
    return torch.where(there[:, None], (colour * shade).clamp(0, 1), picture)

"""Random backgrounds and occluders for training images: noise, gradients, stripes, ellipses and rectangles."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.synthesis.appearance.body_textures import sample_cloth_colours, sample_skin_colours
from render_fit.synthesis.noise_fields import random_regions, smooth_noise


def sample_backgrounds(count: int, size: int, shapes: int, generator: torch.Generator) -> Float[Tensor, "n 3 s s"]:
    """Smooth noise, gradients or stripes in two colours, with ellipses and rectangles in front.

    Args:
        count: Number of images.
        size: Side of the images, pixels.
        shapes: Number of passes that each add an ellipse or a rectangle to half of the images.
        generator: Source of randomness.

    Returns:
        (N, 3, S, S) sRGB in [0, 1].
    """
    first, second = (sample_cloth_colours(count, generator)[..., None, None] for _ in range(2))
    kind = torch.randint(4, (count, 1, 1, 1), generator=generator)
    centres = (torch.arange(size) + 0.5) / size - 0.5
    angle = 2 * math.pi * torch.rand(count, 1, 1, 1, generator=generator)
    along = angle.cos() * centres + angle.sin() * centres[:, None]
    waves = 0.5 + 0.5 * (2 * math.pi * along * (1 + 11 * torch.rand(count, 1, 1, 1, generator=generator))).sin()
    stripes = ((waves - 0.5) * 8 + 0.5).clamp(0, 1)
    noise = (0.5 + 0.25 * smooth_noise(count, 1, size, generator)).clamp(0, 1)
    share = torch.where(kind == 0, stripes, torch.where(kind == 1, (0.5 + along).clamp(0, 1), noise))
    image = torch.lerp(first, second, share)
    image = image + 0.08 * torch.rand(count, 1, 1, 1, generator=generator) * smooth_noise(count, 3, size, generator)
    for _ in range(shapes):
        image = add_occluders(image, 0.03, 0.4, 0.5, generator)
    return image.clamp(0, 1)


def add_occluders(
    image: Float[Tensor, "n 3 s s"], smallest: float, largest: float, share: float, generator: torch.Generator
) -> Float[Tensor, "n 3 s s"]:
    """Images with an ellipse or a rectangle, in one colour with a horizontal gradient.

    Some have the colour of skin, so that colour alone does not identify a person.

    Args:
        image: (N, 3, S, S) sRGB in [0, 1].
        smallest: Smallest half-axis, share of the image's side.
        largest: Largest half-axis, share of the image's side.
        share: Share of the images that get one.
        generator: Source of randomness.
    """
    count, _, size, _ = image.shape
    as_skin = torch.rand(count, 1, generator=generator) < 0.3
    skin, cloth = sample_skin_colours(count, generator), sample_cloth_colours(count, generator)
    colour = torch.where(as_skin, skin, cloth)[..., None, None]
    slope = 0.3 * torch.randn(count, 1, 1, 1, generator=generator)
    shade = 1 + slope * ((torch.arange(size) + 0.5) / size - 0.5)
    region = random_regions(count, size, smallest, largest, generator)
    region &= torch.rand(count, 1, 1, generator=generator) < share
    return torch.where(region[:, None], (colour * shade).clamp(0, 1), image)

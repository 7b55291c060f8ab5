"""RGB images of training people: the renderer's face index shaded, over random backgrounds, then augmented.

The images are not photorealistic: there are no cast shadows and no facial features. Networks trained on them alone
have not been shown to transfer to photos.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from kornia.enhance import adjust_gamma
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn.functional import normalize

from render_fit.bodies.body import Body
from render_fit.core.config import StrictModel
from render_fit.synthesis.images.background_photos import BackgroundPhotos
from render_fit.synthesis.images.body_textures import (
    sample_body_albedo,
    sample_cloth_colours,
    sample_skin_colours,
)
from render_fit.synthesis.noise_fields import random_regions, smooth_noise

GAMMA = 2.2
"""Exponent between linear light and sRGB, approximately (IEC 61966-2-1)."""

_BLUR_KERNEL_PX = 7
"""Size of the blur's kernel: three standard deviations of one pixel to each side."""


class ImageAugmentation(StrictModel):
    """Appearance and augmentation of RGB images. Shares are probabilities.

    Attributes:
        patchwork: Share of people with a random colour for each body part instead of skin and clothes.
        background_shapes: Number of times that ellipses and rectangles are added to backgrounds.
        occluded: Share of people with an occluder.
        albedo_noise: Relative amplitude of smooth noise on the albedo.
        blur_px: Largest standard deviation of the Gaussian blur, pixels.
        noise: Largest standard deviation of the pixel noise, sRGB in [0, 1].
        contrast: Standard deviation of the logarithms of contrast and of gamma.
        channel_gain: Standard deviation of the logarithm of each channel's gain.
    """

    renamed: ClassVar[Mapping[str, str]] = {
        "patched": "patchwork",
        "things": "background_shapes",
        "creases": "albedo_noise",
        "cast": "channel_gain",
    }

    patchwork: float = 0.2
    background_shapes: int = 6
    occluded: float = 0.2
    albedo_noise: float = 0.1
    blur_px: float = 1.0
    noise: float = 0.06
    contrast: float = 0.2
    channel_gain: float = 0.08


def render_rgb(
    body: Body,
    vertices: Float[Tensor, "n v 3"],
    face_index: Int[Tensor, "n s s"],
    augmentation: ImageAugmentation,
    generator: torch.Generator,
    backgrounds: BackgroundPhotos | None = None,
) -> Float[Tensor, "n 3 s s"]:
    """RGB images of rendered people, with random appearance, light, background and camera effects.

    Args:
        body: Body model of the mesh.
        vertices: (N, V, 3) posed vertices, camera axes.
        face_index: (N, S, S) visible face per pixel; −1 is background.
        augmentation: Appearance and augmentation.
        generator: Source of randomness.
        backgrounds: Photos that take the place of most synthetic backgrounds; None: all are synthetic.

    Returns:
        (N, 3, S, S) sRGB in [0, 1].
    """
    count, size, _ = face_index.shape
    image = sample_backgrounds(count, size, augmentation.background_shapes, generator)
    if backgrounds is not None:
        image = backgrounds.replace(image, generator)
    covered = face_index >= 0
    person, row, column = covered.nonzero(as_tuple=True)
    faces = face_index[covered].long()
    albedo = sample_body_albedo(body, person, faces, count, augmentation.patchwork, generator)
    noise = smooth_noise(count, 1, size, generator)[person, 0, row, column, None]
    albedo = albedo * (1 + augmentation.albedo_noise * noise)
    light = _sample_shading(vertices[person[:, None], body.faces[faces]], person, count, generator)
    image[person, :, row, column] = (albedo.clamp(0, 1) ** GAMMA * light).clamp(1e-6, 1) ** (1 / GAMMA)
    image = add_occluders(image, 0.05, 0.25, augmentation.occluded, generator)
    return add_camera_effects(image, augmentation, generator)


def _sample_shading(
    corners: Float[Tensor, "p 3 3"], person: Tensor, count: int, generator: torch.Generator
) -> Float[Tensor, "p 3"]:
    """Linear light on matt faces: a tinted lamp from any direction but behind the person, and tinted sky light."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, generator=generator)

    a, b, c = corners.unbind(1)
    normal = normalize(torch.linalg.cross(b - a, c - a), dim=1)
    normal = torch.where((normal * a).sum(1, keepdim=True) > 0, -normal, normal)
    lamp = normalize(torch.randn(count, 3, generator=generator) + torch.tensor([0.0, -0.7, -1.0]), dim=1)
    warmth = 0.12 * torch.randn(count, 1, generator=generator) * torch.tensor([1.0, 0.0, -1.0])
    cosine = (normal * lamp[person]).sum(1, keepdim=True).clamp(min=0)
    direct = (uniform(0.2, 1.1) * warmth.exp())[person] * cosine
    sky = (uniform(0.15, 0.6) * (-0.5 * warmth).exp())[person] * (1 - uniform(0.0, 0.6)[person] * normal[:, 1:2])
    return direct + sky


def add_camera_effects(
    image: Float[Tensor, "n 3 s s"], augmentation: ImageAugmentation, generator: torch.Generator
) -> Float[Tensor, "n 3 s s"]:
    """Images with Gaussian blur, gamma, channel gains, contrast and pixel noise, different for each image."""
    count = len(image)

    def normal(channels: int) -> Tensor:
        return torch.randn(count, channels, 1, 1, generator=generator)

    def uniform() -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator)

    sigma = (augmentation.blur_px * uniform()).clamp(min=0.05).view(-1, 1).expand(-1, 2)
    image = gaussian_blur2d(image, _BLUR_KERNEL_PX, sigma)
    gamma = (augmentation.contrast * normal(1)).exp()
    image = adjust_gamma(image.clamp(min=1e-4), gamma.flatten()) * (augmentation.channel_gain * normal(3)).exp()
    # Not kornia's contrast, which weights the channels of the mean and clips before the noise is added.
    image = torch.lerp(image.mean((1, 2, 3), keepdim=True), image, (augmentation.contrast * normal(1)).exp())
    noise = augmentation.noise * uniform().square() * torch.randn(image.shape, generator=generator)
    return (image + noise).clamp(0, 1)


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

"""Pictures in colour of drawn people, lit, before backgrounds.

They resemble no photograph, and how well a network reads them says nothing of how well it reads photographs. The hard
pass that draws part maps says which face every pixel sees; the rest is arithmetic on those pixels. There are no cast
shadows, and faces have no features.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import conv2d, normalize, pad

from render_fit.bodies.body import Body
from render_fit.core.config import StrictModel
from render_fit.synthesis.appearance.body_textures import body_albedo
from render_fit.synthesis.images.backgrounds import add_occluders, backgrounds
from render_fit.synthesis.noise_fields import smooth_noise

GAMMA = 2.2
"""Exponent between linear light and sRGB, approximately (IEC 61966-2-1)."""

_REACH_PX = 3
"""Of the blur's kernel; three standard deviations of a pixel."""


class ImageAugmentation(StrictModel):
    """How pictures in colour are varied. Shares are probabilities.

    Attributes:
        patched: Share of people who are a patchwork of colours by body part, in place of skin and clothes.
        things: Boxes and ellipses in the background, at the most.
        occluded: Something before the person.
        creases: How much lighter and darker cloth and skin are here and there.
        blur_px: Largest standard deviation of the blur, pixels.
        noise: Largest standard deviation of the pixels' noise.
        contrast: Standard deviation of the logarithm of contrast and of gamma.
        cast: Standard deviation of the logarithm of each channel's gain.
    """

    patched: float = 0.2
    things: int = 6
    occluded: float = 0.2
    creases: float = 0.1
    blur_px: float = 1.0
    noise: float = 0.06
    contrast: float = 0.2
    cast: float = 0.08


def render_rgb(
    body: Body,
    vertices: Float[Tensor, "n v 3"],
    face_index: Int[Tensor, "n s s"],
    mix: ImageAugmentation,
    generator: torch.Generator,
) -> Float[Tensor, "n 3 s s"]:
    """Colours people whom the hard pass has drawn.

    Args:
        body: Whose faces.
        vertices: Posed, in the camera's axes.
        face_index: The face that every pixel sees; −1 where there is none.
        mix: How.
        generator: Source of randomness.

    Returns:
        sRGB in [0, 1].
    """
    count, size, _ = face_index.shape
    picture = backgrounds(count, size, mix.things, generator)
    seen = face_index >= 0
    who, row, column = seen.nonzero(as_tuple=True)
    faces = face_index[seen].long()
    albedo = body_albedo(body, who, faces, count, mix.patched, generator)
    albedo = albedo * (1 + mix.creases * smooth_noise(count, 1, size, generator)[who, 0, row, column, None])
    lit = albedo.clamp(0, 1) ** GAMMA * _shading(vertices[who[:, None], body.faces[faces]], who, count, generator)
    picture[who, :, row, column] = lit.clamp(1e-6, 1) ** (1 / GAMMA)
    return _camera_effects(add_occluders(picture, 0.05, 0.25, mix.occluded, generator), mix, generator)


def _shading(
    corners: Float[Tensor, "p 3 3"], who: Tensor, count: int, generator: torch.Generator
) -> Float[Tensor, "p 3"]:
    """Linear light on matt faces: a lamp from anywhere but behind, and the sky's, both tinted."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, generator=generator)

    a, b, c = corners.unbind(1)
    normal = normalize(torch.linalg.cross(b - a, c - a), dim=1)
    normal = torch.where((normal * a).sum(1, keepdim=True) > 0, -normal, normal)
    lamp = normalize(torch.randn(count, 3, generator=generator) + torch.tensor([0.0, -0.7, -1.0]), dim=1)
    warmth = 0.12 * torch.randn(count, 1, generator=generator) * torch.tensor([1.0, 0.0, -1.0])
    direct = (uniform(0.2, 1.1) * warmth.exp())[who] * (normal * lamp[who]).sum(1, keepdim=True).clamp(min=0)
    sky = (uniform(0.15, 0.6) * (-0.5 * warmth).exp())[who] * (1 - uniform(0.0, 0.6)[who] * normal[:, 1:2])
    return direct + sky


def _camera_effects(picture: Float[Tensor, "n 3 s s"], mix: ImageAugmentation, generator: torch.Generator) -> Tensor:
    """Blurred, exposed and noisy, as cameras take pictures."""
    count, _, size, _ = picture.shape

    def normal(channels: int) -> Tensor:
        return torch.randn(count, channels, 1, 1, generator=generator)

    def uniform() -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator)

    sigma = (mix.blur_px * uniform()).clamp(min=0.05)
    kernel = (torch.arange(-_REACH_PX, _REACH_PX + 1).square() / (-2 * sigma**2)).exp()
    kernel = (kernel / kernel.sum(-1, keepdim=True)).expand(-1, 3, -1, -1).reshape(3 * count, 1, 1, -1)
    channels = pad(picture.reshape(1, 3 * count, size, size), [_REACH_PX] * 4, mode="reflect")
    channels = conv2d(conv2d(channels, kernel, groups=3 * count), kernel.mT, groups=3 * count)
    picture = channels.view(count, 3, size, size)
    exposed = picture.clamp(min=1e-4) ** (mix.contrast * normal(1)).exp() * (mix.cast * normal(3)).exp()
    grey = exposed.mean((1, 2, 3), keepdim=True)
    exposed = torch.lerp(grey, exposed, (mix.contrast * normal(1)).exp())
    noise = mix.noise * uniform().square() * torch.randn(picture.shape, generator=generator)
    return (exposed + noise).clamp(0, 1)

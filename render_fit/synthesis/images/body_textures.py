"""Skin, hair and clothes painted on the body's surface, for training images: colours per person and face."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis.images.materials import HAIR_TONES, RGB, SKIN_TONES

_ARMS, _LEGS, _FEET, _HANDS = (
    torch.tensor([any(word in name for word in words) for name in SMPL_24.joints])
    for words in (("shoulder", "elbow", "wrist", "hand"), ("hip", "knee"), ("ankle", "foot"), ("wrist", "hand"))
)
_HEAD, _NECK = SMPL_24.index("head"), SMPL_24.index("neck")


def sample_skin_colours(count: int, generator: torch.Generator) -> Float[Tensor, "n 3"]:
    """(N, 3) skin colours from light to dark, sRGB in [0, 1]."""
    return _sample_tones(SKIN_TONES, count, 0.04, generator)


def sample_cloth_colours(count: int, generator: torch.Generator) -> Float[Tensor, "n 3"]:
    """(N, 3) colours of any hue and saturation, sRGB in [0, 1]."""
    grey = torch.rand(count, 1, generator=generator)
    colour = torch.rand(count, 3, generator=generator)
    return torch.lerp(grey.expand(-1, 3), colour, torch.rand(count, 1, generator=generator)).clamp(0.03, 0.97)


def _sample_tones(tones: tuple[RGB, ...], count: int, spread: float, generator: torch.Generator) -> Tensor:
    """(N, 3) tones from a table, with normal noise."""
    index = torch.randint(len(tones), (count,), generator=generator)
    return (torch.tensor(tones)[index] + spread * torch.randn(count, 3, generator=generator)).clamp(0.02, 0.98)


def sample_body_albedo(
    body: Body,
    person: Int64[Tensor, "p"],
    faces: Int64[Tensor, "p"],
    count: int,
    patchwork: float,
    generator: torch.Generator,
) -> Float[Tensor, "p 3"]:
    """Colours of surface points of people with random skin, hair and clothes.

    Hems are planes in the zero pose: sleeves end at a distance from the middle, trousers and waist at a height.

    Args:
        body: Body model whose rest pose is SMPL's zero pose.
        person: (P,) index of each point's person.
        faces: (P,) face of each point.
        count: Number of people.
        patchwork: Share of people with a random colour for each of the 24 parts instead.
        generator: Source of randomness.

    Returns:
        (P, 3) sRGB in [0, 1].
    """
    joints = body.rest_joints(torch.zeros(1, body.n_betas))[0]
    middles = body.v_template[body.faces].mean(1)
    rest, part = middles[faces], body.face_parts[faces]
    skull = middles[body.face_parts == _HEAD].mean(0)
    x, y = rest[:, 0].abs(), rest[:, 1]

    def uniform(low: float | Tensor = 0.0, high: float | Tensor = 1.0) -> Tensor:
        return (low + (high - low) * torch.rand(count, generator=generator))[person]

    def chance(share: float) -> Tensor:
        return (torch.rand(count, generator=generator) < share)[person]

    def height(name: str) -> float:
        return float(joints[SMPL_24.index(name), 1])

    shoulder, wrist = (float(joints[SMPL_24.index(f"left_{name}"), 0].abs()) for name in ("shoulder", "wrist"))
    neck, hip, ankle = height("neck"), height("left_hip"), height("left_ankle")
    reach = torch.where(chance(0.35), wrist - 0.02, uniform(shoulder - 0.03, wrist))
    hem = torch.where(chance(0.55), ankle + 0.01, uniform(ankle, hip - 0.1))
    waist = uniform(hip - 0.05, height("spine1") + 0.05)
    collar = uniform(neck - 0.06, neck + 0.05)
    legs, arms = _LEGS[part], _ARMS[part]
    shirt = torch.where(arms, x < reach, (y > waist) & ((y < collar) | (x > 0.5 * shoulder))) & ~legs
    shirt &= ~(part == _HEAD) & ~chance(0.06)
    trousers = ~arms & (y <= waist) & (y > hem)
    shoes = _FEET[part] & (y < ankle + 0.02) & chance(0.85)
    behind = (y - skull[1]) + uniform(0.4, 1.2) * (skull[2] - rest[:, 2])
    hair = ((part == _HEAD) | (part == _NECK)) & (behind > uniform(0.0, 0.06)) & ~chance(0.08)

    colour = sample_skin_colours(count, generator)[person]
    top, bottom = (_sample_cloth(rest, person, count, generator) for _ in range(2))
    bottom = torch.where(chance(0.15)[:, None], top, bottom)  # a dress, or a suit
    with_hat = chance(0.12)[:, None]
    hat, natural = sample_cloth_colours(count, generator), _sample_tones(HAIR_TONES, count, 0.03, generator)
    head, shoe = torch.where(with_hat, hat[person], natural[person]), sample_cloth_colours(count, generator)[person]
    for where, layer in ((trousers, bottom), (shirt, top), (shoes, shoe), (hair, head)):
        colour = torch.where((where & ~_HANDS[part])[:, None], layer, colour)
    patches = sample_cloth_colours(24 * count, generator)[24 * person + part]
    return torch.where(chance(patchwork)[:, None], patches, colour)


def _sample_cloth(
    rest: Float[Tensor, "p 3"], person: Int64[Tensor, "p"], count: int, generator: torch.Generator
) -> Float[Tensor, "p 3"]:
    """(P, 3) colours of plain, striped, checked or spotted cloth in two colours, a function of the place at rest."""
    first, second = (sample_cloth_colours(count, generator)[person] for _ in range(2))
    turn = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator)).Q
    upright = (torch.rand(count, generator=generator) < 0.6)[:, None, None]
    axes = torch.where(upright, torch.eye(3)[[1, 0, 2]], turn)
    period_m = 0.05 + 0.2 * torch.rand(count, 1, generator=generator) ** 2
    phase = 2 * math.pi * torch.rand(count, 3, generator=generator)
    waves = (2 * math.pi * (axes[person] @ rest[..., None])[..., 0] / period_m[person] + phase[person]).sin()
    kind = torch.randint(6, (count,), generator=generator)[person]
    limit = -0.5 + torch.rand(count, generator=generator)[person]
    striped, checked = waves[:, 0] > limit, (waves[:, 0] > 0) ^ (waves[:, 1] > 0)
    spotted = waves.prod(1) > 0.2
    use = ((kind == 3) & striped) | ((kind == 4) & checked) | ((kind == 5) & spotted)
    return torch.where(use[:, None], second, first)

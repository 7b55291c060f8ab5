"""Colours of people: skin, hair and clothes that lie on the resting body, so that they move with it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis.appearance.materials import HAIR_TONES, SKIN_TONES

_ARMS, _LEGS, _FEET, _HANDS = (
    torch.tensor([any(word in name for word in words) for name in SMPL_24.joints])
    for words in (("shoulder", "elbow", "wrist", "hand"), ("hip", "knee"), ("ankle", "foot"), ("wrist", "hand"))
)
_HEAD, _NECK = SMPL_24.index("head"), SMPL_24.index("neck")


def skin_colours(count: int, generator: torch.Generator) -> Float[Tensor, "n 3"]:
    """Skin from light to dark, sRGB."""
    return _one_of(SKIN_TONES, count, 0.04, generator)


def cloth_colours(count: int, generator: torch.Generator) -> Float[Tensor, "n 3"]:
    """Anything from grey to gaudy, sRGB."""
    grey = torch.rand(count, 1, generator=generator)
    colour = torch.rand(count, 3, generator=generator)
    return torch.lerp(grey.expand(-1, 3), colour, torch.rand(count, 1, generator=generator)).clamp(0.03, 0.97)


def _one_of(
    tones: tuple[tuple[float, float, float], ...], count: int, off: float, generator: torch.Generator
) -> Tensor:
    index = torch.randint(len(tones), (count,), generator=generator)
    return (torch.tensor(tones)[index] + off * torch.randn(count, 3, generator=generator)).clamp(0.02, 0.98)


def body_albedo(
    body: Body,
    who: Int64[Tensor, "p"],
    faces: Int64[Tensor, "p"],
    count: int,
    patched: float,
    generator: torch.Generator,
) -> Float[Tensor, "p 3"]:
    """What colour some places of people's bodies are.

    Clothes end where the resting body has been cut: sleeves at a distance from the middle, legs and waist at a height.

    Args:
        body: In SMPL's zero pose at rest.
        who: The person that each place is of, from 0.
        faces: The face that it is on.
        count: People.
        patched: Share of people who are a patchwork instead: a colour for each of the 24 parts.
        generator: Source of randomness.

    Returns:
        sRGB in [0, 1].
    """
    joints = body.rest_joints(torch.zeros(1, body.n_betas))[0]
    middles = body.v_template[body.faces].mean(1)
    rest, part = middles[faces], body.face_parts[faces]
    skull = middles[body.face_parts == _HEAD].mean(0)
    x, y = rest[:, 0].abs(), rest[:, 1]

    def uniform(low: float | Tensor = 0.0, high: float | Tensor = 1.0) -> Tensor:
        return (low + (high - low) * torch.rand(count, generator=generator))[who]

    def chance(share: float) -> Tensor:
        return (torch.rand(count, generator=generator) < share)[who]

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

    skin = skin_colours(count, generator)[who]
    tops, bottoms = (_cloth(rest, who, count, generator) for _ in range(2))
    bottoms = torch.where(chance(0.15)[:, None], tops, bottoms)  # a dress, or a suit
    hats = torch.where(chance(0.12)[:, None], cloth_colours(count, generator)[who], _hair(count, generator)[who])
    colour = skin
    for where, worn in (
        (trousers, bottoms),
        (shirt, tops),
        (shoes, cloth_colours(count, generator)[who]),
        (hair, hats),
    ):
        colour = torch.where((where & ~_HANDS[part])[:, None], worn, colour)
    patches = cloth_colours(24 * count, generator)[24 * who + part]
    return torch.where(chance(patched)[:, None], patches, colour)


def _hair(count: int, generator: torch.Generator) -> Tensor:
    return _one_of(HAIR_TONES, count, 0.03, generator)


def _cloth(rest: Float[Tensor, "p 3"], who: Int64[Tensor, "p"], count: int, generator: torch.Generator) -> Tensor:
    """Cloth in two colours: plain, striped, checked or spotted, by where on the resting body it is."""
    first, second = (cloth_colours(count, generator)[who] for _ in range(2))
    turn = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator)).Q
    upright = (torch.rand(count, generator=generator) < 0.6)[:, None, None]
    axes = torch.where(upright, torch.eye(3)[[1, 0, 2]], turn)
    period_m = 0.05 + 0.2 * torch.rand(count, 1, generator=generator) ** 2
    phase = 2 * math.pi * torch.rand(count, 3, generator=generator)
    waves = (2 * math.pi * (axes[who] @ rest[..., None])[..., 0] / period_m[who] + phase[who]).sin()
    kind = torch.randint(6, (count,), generator=generator)[who]
    limit = -0.5 + torch.rand(count, generator=generator)[who]
    striped, checked = waves[:, 0] > limit, (waves[:, 0] > 0) ^ (waves[:, 1] > 0)
    spotted = waves.prod(1) > 0.2
    use = ((kind == 3) & striped) | ((kind == 4) & checked) | ((kind == 5) & spotted)
    return torch.where(use[:, None], second, first)

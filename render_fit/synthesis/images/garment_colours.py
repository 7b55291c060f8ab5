"""Colours of dressed people of great variety: any hue, plain or patterned, for training images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int

from render_fit.synthesis.garments.dressing import DressedPerson
from render_fit.synthesis.images.materials import (
    HAIR_TONES,
    RGB,
    SKIN_TONES,
    Appearance,
    albedo,
    sample_appearance,
    sample_other_colours,
)
from render_fit.synthesis.noise_fields import fractal_noise

ANY_HUE = 0.5
"""Share of garments of any hue; the others have tones of usual clothes."""

PATTERNED = 0.3
"""Share of garments other than shirts with a pattern in a second colour."""

SAME = 0.12
"""Share of people whose bottom and outer garments have the shirt's colour."""


@dataclass(frozen=True)
class GarmentColours:
    """Colours of one dressed person.

    Attributes:
        appearance: Colours by material.
        second: Second colour of patterned materials, sRGB in [0, 1].
    """

    appearance: Appearance
    second: dict[str, RGB] = field(default_factory=dict)


def sample_colours(rng: np.random.Generator) -> GarmentColours:
    """Random colours of one person."""
    usual = sample_appearance(rng)
    others = sample_other_colours(rng)

    def tone(base: RGB, spread: float = 0.06) -> RGB:
        if spread > 0.05 and rng.random() < ANY_HUE:
            base = _any_colour(rng)
        r, g, b = (np.array(base) * rng.uniform(0.8, 1.2) + rng.normal(0, spread, 3)).clip(0.02, 0.97).tolist()
        return (r, g, b)

    shirt = (tone(usual.shirt[0]), tone(usual.shirt[1]))
    others = {name: tone(colour) for name, colour in others.items()}
    trousers = tone(usual.trousers)
    if rng.random() < SAME:
        trousers, others = shirt[0], others | dict.fromkeys(("skirt", "coat"), shirt[0])
    appearance = replace(
        usual,
        skin=tone(SKIN_TONES[rng.integers(len(SKIN_TONES))], 0.03),
        hair=tone(HAIR_TONES[rng.integers(len(HAIR_TONES))], 0.03),
        shirt=shirt,
        trousers=trousers,
        shoes=tone(usual.shoes),
        others=others,
    )
    patterned = [name for name in ("trousers", *others) if rng.random() < PATTERNED]
    return GarmentColours(appearance, {name: _any_colour(rng) for name in patterned})


def surface_colours(
    dressed: DressedPerson,
    faces: Int[np.ndarray, "p"],
    resting: Float[np.ndarray, "p 3"],
    colours: GarmentColours,
    rng: np.random.Generator,
) -> Float[np.ndarray, "p 3"]:
    """Albedo of points of a dressed person, sRGB.

    Args:
        dressed: The person.
        faces: (P,) face of each point.
        resting: (P, 3) the points on the resting body, metres.
        colours: Colours of the person.
        rng: Source of randomness for patterns.
    """
    layers = dressed.layers
    result = np.zeros((len(faces), 3))
    of, seed = layers.face_layers[faces], int(rng.integers(2**31))
    size, limit, turn = rng.uniform(0.02, 0.15), rng.uniform(0.4, 0.6), rng.normal(0, 1, (3, 3))
    for layer in np.unique(of):
        chosen, material = of == layer, layers.materials[layer]
        found = albedo(material, resting[chosen], dressed.rest, colours.appearance, seed + int(layer))
        if material in colours.second:
            kind = seed % 3
            points = resting[chosen]
            if kind == 0:
                share = fractal_noise(points, size, 2, seed) > limit
            else:
                waves = np.sin(2 * np.pi * points @ (turn if kind == 1 else np.eye(3)) / size)
                share = waves[:, 0] > 0 if kind == 1 else (waves[:, 1] > 0) ^ (waves[:, 0] > 0)
            found = np.where(share[:, None], np.array(colours.second[material]), found)
        result[chosen] = found
    return result


def _any_colour(rng: np.random.Generator) -> RGB:
    """A colour of any hue and saturation."""
    grey, share = rng.random(), rng.random()
    r, g, b = (grey + share * (rng.random(3) - grey)).clip(0.03, 0.97).tolist()
    return (r, g, b)

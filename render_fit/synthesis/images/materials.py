"""Colours of skin, face, hair and cloth of scenes, as functions of a point on the resting body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from render_fit.synthesis.garments.cutting import RestBody
from render_fit.synthesis.noise_fields import fractal_noise

RGB = tuple[float, float, float]
"""sRGB in [0, 1]."""

SKIN_TONES: tuple[RGB, ...] = (
    (0.87, 0.68, 0.57),
    (0.78, 0.57, 0.44),
    (0.64, 0.44, 0.32),
    (0.45, 0.30, 0.22),
    (0.31, 0.20, 0.15),
)
"""From light to dark, sRGB; spread like the Fitzpatrick scale's types II to VI."""

HAIR_TONES: tuple[RGB, ...] = (
    (0.08, 0.06, 0.05),
    (0.20, 0.13, 0.08),
    (0.38, 0.25, 0.14),
    (0.62, 0.48, 0.30),
)
CLOTH_TONES: tuple[RGB, ...] = (
    (0.75, 0.15, 0.13),
    (0.12, 0.24, 0.47),
    (0.90, 0.89, 0.85),
    (0.10, 0.10, 0.12),
    (0.16, 0.42, 0.28),
    (0.80, 0.60, 0.18),
    (0.55, 0.35, 0.55),
    (0.40, 0.55, 0.66),
)
TROUSER_TONES: tuple[RGB, ...] = (
    (0.16, 0.22, 0.36),
    (0.09, 0.09, 0.10),
    (0.52, 0.45, 0.34),
    (0.30, 0.31, 0.33),
    (0.35, 0.42, 0.55),
)


@dataclass(frozen=True)
class Appearance:
    """Colours of one person, sRGB in [0, 1].

    Attributes:
        skin: Colour of the skin.
        hair: Colour of the hair.
        shirt: First and second colour of the shirt.
        pattern: ``plain``, ``stripes`` or ``checks``; plain shirts have only the first colour.
        trousers: Colour of the trousers.
        shoes: Colour of the shoes.
        others: Colours of other garments and things by material; those that are missing have the shoes' colour.
    """

    skin: RGB
    hair: RGB
    shirt: tuple[RGB, RGB]
    pattern: str
    trousers: RGB
    shoes: RGB
    others: Mapping[str, RGB] = field(default_factory=dict)


def sample_appearance(rng: np.random.Generator) -> Appearance:
    """Random colours for one person."""
    first, second = rng.choice(len(CLOTH_TONES), 2, replace=False)
    return Appearance(
        skin=SKIN_TONES[rng.integers(len(SKIN_TONES))],
        hair=HAIR_TONES[rng.integers(len(HAIR_TONES))],
        shirt=(CLOTH_TONES[first], CLOTH_TONES[second]),
        pattern=("plain", "stripes", "checks")[rng.integers(3)],
        trousers=TROUSER_TONES[rng.integers(len(TROUSER_TONES))],
        shoes=((0.12, 0.11, 0.11), (0.85, 0.85, 0.83), (0.32, 0.21, 0.14))[rng.integers(3)],
    )


def sample_other_colours(rng: np.random.Generator) -> dict[str, RGB]:
    """Random colours of skirts, dresses, coats, hats, scarves and bags."""
    tones = (*CLOTH_TONES, *TROUSER_TONES)
    return {name: tones[rng.integers(len(tones))] for name in ("skirt", "dress", "coat", "hat", "scarf", "bag")}


def albedo(
    material: str, points: Float[np.ndarray, "n 3"], body: RestBody, appearance: Appearance, seed: int
) -> Float[np.ndarray, "n 3"]:
    """Albedo of points of one material.

    Args:
        material: ``skin``, ``hair``, ``shirt``, ``trousers``, ``shoes`` or a key of ``appearance.others``.
        points: (N, 3) points on the resting body, metres.
        body: Resting body with its landmarks.
        appearance: Colours of the person.
        seed: Seed of the irregularities.

    Returns:
        (N, 3) sRGB in [0, 1].
    """
    if material == "skin":
        return _skin(points, body, appearance, seed)
    if material == "hair":
        strands = fractal_noise(points * (1, 0.15, 1), size_m=0.006, octaves=3, seed=seed)
        return np.array(appearance.hair) * (0.6 + 0.8 * strands)[:, None]
    if material == "shirt":
        first, second = np.array(appearance.shirt[0]), np.array(appearance.shirt[1])
        wave = np.sin(2 * np.pi * points[:, 1] / 0.055) > 0.2
        if appearance.pattern == "checks":
            wave = wave ^ (np.sin(2 * np.pi * points[:, 0] / 0.06) > 0.2)
        colour = np.where((wave & (appearance.pattern != "plain"))[:, None], second, first)
        return colour * _creases(points, seed, 0.12)[:, None]
    plain = {"trousers": appearance.trousers, "shoes": appearance.shoes} | dict(appearance.others)
    base = np.array(plain.get(material, appearance.shoes))
    return base * _creases(points, seed, 0.16)[:, None]


def _creases(points: np.ndarray, seed: int, strength: float) -> np.ndarray:
    """Factors on the albedo: folds that are too small for the mesh, and the weave."""
    folds = fractal_noise(points * (1, 0.4, 1), size_m=0.04, octaves=3, seed=seed)
    weave = fractal_noise(points, size_m=0.003, octaves=1, seed=seed + 1)
    return 1 + strength * (2 * folds - 1) + 0.06 * (2 * weave - 1)


def _ellipse(dx: np.ndarray, dy: np.ndarray, rx: float, ry: float) -> np.ndarray:
    """1 inside an ellipse of the given radii (metres), 0 outside; the edge is a tenth of its size wide."""
    distance = np.sqrt((dx / rx) ** 2 + (dy / ry) ** 2)
    return np.clip((1.05 - distance) / 0.1, 0, 1)


def _skin(points: np.ndarray, body: RestBody, appearance: Appearance, seed: int) -> np.ndarray:
    """Skin with a painted face: eyes, lashes, brows, lips, cheeks."""
    blotches = fractal_noise(points, size_m=0.03, octaves=3, seed=seed)
    colour = np.array(appearance.skin) * (0.95 + 0.1 * blotches)[:, None]
    marks = body.landmarks
    eyes = {side: marks[f"{side}_eye"] for side in ("left", "right")}
    front = points[:, 2] > 0.5 * (eyes["left"][2] + eyes["right"][2]) - 0.035
    face = front & (points[:, 1] > marks["mouth_left"][1] - 0.06)

    def paint(amount: np.ndarray, paint_colour: np.ndarray | RGB) -> None:
        share = np.where(face, amount, 0.0)[:, None]
        colour[:] = colour * (1 - share) + np.array(paint_colour) * share

    lips = np.array(appearance.skin) * (0.88, 0.66, 0.66)
    mouth = 0.5 * (marks["mouth_left"] + marks["mouth_right"])
    half_mouth = float(0.5 * abs(marks["mouth_left"][0] - marks["mouth_right"][0]))
    dx, dy = points[:, 0] - mouth[0], points[:, 1] - mouth[1]
    paint(_ellipse(dx, dy, half_mouth, 0.009), lips)
    paint(0.8 * _ellipse(dx, dy, 0.95 * half_mouth, 0.0015), 0.4 * lips)
    for side, eye in eyes.items():
        outwards = 1.0 if side == "left" else -1.0
        dx, dy = points[:, 0] - eye[0], points[:, 1] - eye[1]
        paint(0.12 * _ellipse(dx - 0.012 * outwards, dy + 0.035, 0.025, 0.02), lips)
        paint(0.25 * _ellipse(dx, dy, 0.021, 0.013), 0.7 * np.array(appearance.skin))
        paint(_ellipse(dx, dy, 0.0135, 0.0052), (0.86, 0.84, 0.82))
        paint(_ellipse(dx, dy, 0.0062, 0.0062), (0.24, 0.16, 0.10))
        paint(_ellipse(dx, dy, 0.0028, 0.0028), (0.02, 0.02, 0.02))
        paint(_ellipse(dx, dy - 0.005, 0.0145, 0.0014), (0.08, 0.06, 0.05))
        brow = dy - 0.021 + 6.0 * (dx - 0.002 * outwards) ** 2
        paint(0.7 * _ellipse(dx - 0.002 * outwards, brow, 0.019, 0.0032), appearance.hair)
    nose = marks["nose"]
    for sign in (-1, 1):
        dx, dy = points[:, 0] - nose[0] - 0.008 * sign, points[:, 1] - nose[1] + 0.011
        paint(0.7 * _ellipse(dx, dy, 0.0045, 0.003), 0.35 * np.array(appearance.skin))
    return colour

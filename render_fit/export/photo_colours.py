"""Colours of the surface from photos: of each point those of the photos that show it best; the rest is filled in."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, UInt8

from render_fit.bodies import Body
from render_fit.core.skeletons import SMPL_24
from render_fit.export.atlas import body_atlas
from render_fit.export.colour_fill import filled
from render_fit.export.photo_samples import ColourFrame, sampled
from render_fit.export.surface_colours import SurfaceColours
from render_fit.renderers.base import Renderer

BEST_VIEW = 4.0
"""Power of the weights when photos are mixed. So one photo decides nearly everywhere, and a feature that two photos
show at places a little apart is not seen twice; where two are equally good, they blend."""

OUTLIER = 0.15
"""Distance from the median of the photos, in RGB 0–1, at which a colour has lost 40 % of its weight (a Gaussian)."""

SURE = 0.02
"""Weight of the best photo of a point under which its colour is mixed with the filled-in one."""

LEAST_SEEN = 0.25
"""Share of the texels around a vertex that a photo must show; else the vertex is filled in."""

GAIN_STEPS = 30
"""Iterations for the factors of the photos."""

GAIN_PRIOR = 0.01
"""Pull of a photo's factors to 1, in shares of all that an average photo shows: two photos that have little in common,
as of front and back, do not tell them."""

HANDS = [SMPL_24.index(joint) for joint in ("left_hand", "right_hand")]
"""Parts of one colour: no fit moves fingers, so what photos show there is often something else."""


def photo_colours(body: Body, frames: Iterable[ColourFrame], renderer: Renderer) -> SurfaceColours | None:
    """Gathers colours of the surface from photos.

    Photos are made equally bright first (`_gains`). A photo has more weight where it shows the surface squarely and far
    from outlines, of the person as of limbs before each other. Colours far from the median of the photos lose weight,
    as where a misfit shows the background; on hands those far from the median of both hands. What no photo shows is
    filled in from the mirror side and the surroundings (`filled`). The light of the photos remains.

    Args:
        body: The body, for its surface and its left-right pairs.
        frames: The photos, taken one after the other.
        renderer: Renderer, any backend; only ``depth`` is used.

    Returns:
        The colours; None if no photo shows any of the surface.
    """
    atlas = body_atlas(body)
    seen_by = [sampled(frame, body, atlas, renderer) for frame in frames]
    if not any(weight.any() for _, weight in seen_by):
        return None
    weights = np.stack([weight for _, weight in seen_by]).astype(np.float32)
    samples = np.stack([colours for colours, _ in seen_by])
    hands = np.isin(body.vertex_parts.numpy()[atlas.corners], HANDS).any(axis=1)
    weights[:, hands] *= _of_one_colour(samples[:, hands], weights[:, hands])
    around = atlas.around_vertices()
    mass = np.stack([around @ weight for weight in weights])
    means = np.stack([around @ (weight[:, None] * sample) for sample, weight in zip(samples, weights, strict=True)])
    means /= 255 * mass.clip(1e-6)[..., None]
    gains = _gains(means, mass)
    reference = atlas.interpolated(_weighted_median(gains[:, None] * means, mass))
    best = weights.max(axis=0)
    total, colours = np.zeros_like(best), np.zeros_like(reference)
    for sample, weight, gain in zip(samples, weights, gains, strict=True):
        balanced = gain * (sample / 255)
        share = (weight / best.clip(1e-6)) ** BEST_VIEW * _inlier(balanced, reference).clip(1e-6)
        total += share
        colours += share[:, None] * balanced
    colours /= total.clip(1e-12)[:, None]
    sure = (best / SURE).clip(0, 1)
    known = around @ sure
    seen = known > LEAST_SEEN * np.asarray(around.sum(axis=1)).ravel()
    complete = filled((around @ (sure[:, None] * colours)) / known.clip(1e-6)[:, None], seen, body)
    colours = sure[:, None] * colours + (1 - sure[:, None]) * atlas.interpolated(complete)
    return SurfaceColours.of_texels(atlas, _bytes(colours))


def _of_one_colour(samples: UInt8[np.ndarray, "n p 3"], weights: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n p"]:
    """How near samples of several texels are to the median of them all."""
    chosen = samples[weights > 0.25 * weights.max(initial=0)]
    return _inlier(samples / 255, np.median(chosen, axis=0) / 255) if len(chosen) else np.ones_like(weights)


def _inlier(
    colours: Float[np.ndarray, "*n 3"], reference: Float[np.ndarray, "*p 3"], width: float = OUTLIER
) -> Float[np.ndarray, "*n"]:
    """1 where a colour is the reference, falling to 0 far from it."""
    return np.exp(-((colours - reference) ** 2).sum(axis=-1) / (2 * width**2))


def _gains(means: Float[np.ndarray, "n v 3"], mass: Float[np.ndarray, "n v"]) -> Float[np.ndarray, "n 3"]:
    """Factors of the photos' channels that make their colours of the same vertices agree; their geometric mean is 1.

    They undo exposure and white balance. A vertex that one photo shows says nothing about them.
    """
    shared = mass * ((mass > 0).sum(axis=0) > 1)
    pull = GAIN_PRIOR * (mass[..., None] * means**2).sum(axis=(0, 1)) / len(means) + 1e-6
    gains = np.ones((len(means), 3))
    for _ in range(GAIN_STEPS):
        balanced = gains[:, None] * means
        reference = (shared[..., None] * balanced).sum(axis=0) / shared.sum(axis=0).clip(1e-6)[:, None]
        inlying = (shared * _inlier(balanced, reference, 2 * OUTLIER))[..., None]
        gains = ((inlying * reference * means).sum(axis=1) + pull) / ((inlying * means**2).sum(axis=1) + pull)
        gains /= np.exp(np.log(gains).mean(axis=0))
    return gains


def _weighted_median(values: Float[np.ndarray, "n v 3"], weights: Float[np.ndarray, "n v"]) -> Float[np.ndarray, "v 3"]:
    """Weighted median over the first axis, per channel."""
    order = values.argsort(axis=0)
    reached = np.take_along_axis(np.broadcast_to(weights[..., None], values.shape), order, axis=0).cumsum(axis=0)
    middle = (reached >= reached[-1:] / 2).argmax(axis=0)
    return np.take_along_axis(np.take_along_axis(values, order, axis=0), middle[None], axis=0)[0]


def _bytes(colours: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """RGB 0–1 as bytes."""
    return np.round(255 * colours.clip(0, 1)).astype(np.uint8)

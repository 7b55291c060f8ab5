"""Likelihood of labels of parts and clothes under the unclothed body, given the person's mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from render_fit.losses.fit_state import FitState
from render_fit.losses.pixels import label_curvature, label_nats
from render_fit.renderers.image_jacobian import Motion


@dataclass(frozen=True)
class ClothedParts:
    """Negative log-likelihood of the labels on the person, if clothes and hair stand off the body.

    `PartLikelihood` explains every labelled pixel by the body, which then swells until it fills its clothes. Here the
    mask says where the person is (`ClothedSilhouette` compares it with the body), and labels say only what is seen
    there: a part of the body, or clothes beside it. P(label | beside the body) follows from the looseness of the label
    (`PartSpace.emission_on_person`).

    Args:
        correlation_m: Side of the square in which errors of labels are alike, metres: pixels are not independent.

    Returns:
        (B,) nats, summed over the valid pixels of the mask.

    Differentiability: smooth in the rendered probabilities. The size of a pixel at the person is held fixed.
    Source: the likelihood of `PartLikelihood`, conditioned on the mask. The looseness of labels and correlation_m are
        set by hand (docs/losses.md).
    """

    requires: ClassVar[tuple[str, ...]] = ("mask", "labels")

    correlation_m: float = 0.04

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        return label_nats(state, state.targets.label_evidence_on_person, self.pixel_weights(state))

    def pixel_weights(self, state: FitState) -> Float[Tensor, "b h w"]:
        """Share of an independent observation that a pixel is, for a body at the distance of each of B states."""
        on_person = state.targets.valid_float * state.targets.seen_mask
        return on_person * (state.pixel_size_m / self.correlation_m).square()[:, None, None]

    def picture_curvature(self, state: FitState, motion: Motion) -> Float[Tensor, "n"]:
        """Second derivative along each row."""
        emission = state.targets.known_part_space.emission_on_person
        return label_curvature(state, motion, emission, self.pixel_weights(state))

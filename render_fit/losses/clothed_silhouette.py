"""Likelihood of a mask under the unclothed body: the body lies inside the outline of the person."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.core.parts import LABELS_OF_BODY_M
from render_fit.losses.fit_state import FitState
from render_fit.losses.targets import MASK_ERROR_M, FitTargets
from render_fit.renderers.image_jacobian import Motion


@dataclass(frozen=True)
class ClothedSilhouette:
    """Negative log-likelihood of the mask, if clothes, hair and carried things stand off the body by unknown amounts.

    A rendered pixel outside of the mask contradicts it: nothing explains it but the mask's own error, or far from the
    mask something that hides the person. A pixel of the
    mask outside of the body is explained by clothes, the worse the thicker they are, up to a limit: a coat that hangs
    15 cm away says as little about the body as one at 8 cm. The cost of a gap t between outline and body is
    ∫₀ᵗ (1 + (u / loose_m)²)⁻² du / (tight_m · correlation_m) per metre of outline, which grows like t / tight_m for
    small gaps. It is computed as a weight of every pixel of the mask by its distance to the mask's outline.

    A label map tells what stands off the body: at a label of looseness ℓ (`PartSpace.looseness_m`) tight_m is ℓ, and
    loose_m is at least 2 ℓ. Skin and tight garments then bind the body, loose garments bound it, and labels that say
    nothing of the body, such as bags, pull it neither out nor in. Labels of the body itself leave no room for clothes:
    tight_m is outside_m. Without labels ℓ is that of clothed people at the nearest part, by the keypoints.

    Clothes that are near what was learned of them (`FitTargets.clothing_mean`) end at the outline, whatever the label:
    with ``learned_m`` tight_m and outside_m are that, loose_m is twice as large, and only bags are left out.

    Args:
        outside_m: Usual distance by which a body passes a mask's outline, metres: the mask's error.
        tight_m: Usual distance of tight clothes from the body, metres.
        loose_m: Distance from which on clothes are loose and the pull on the body fades, metres.
        correlation_m: Length of outline along which errors and clothes are alike, metres: pixels are not independent.
        body_correlation_m: The same for labels of the body, which are not bent by clothes, metres.
        by_label: Whether ℓ is used; without it, tight_m and loose_m hold everywhere.
        learned_m: Usual distance of the mask's outline from clothes with a learned prior, metres; 0: it makes no
            difference.
        occluded_m: Distance outside of the mask from which on a pixel of the body is rather hidden by something in
            front of the person than an error, metres; 0: never. Not used with a label map, which says what is there.

    Returns:
        (B,) nats.

    Differentiability: smooth in the silhouette. The size of a pixel at the person is held fixed.
    Source: that the body lies inside the outline, with a robust cost where it is clothed, is the idea of Balan & Black,
        "The Naked Truth", ECCV 2008. The law and its defaults are set by hand, on street photos and COCO people
        (docs/evaluation.md).
    """

    requires: ClassVar[tuple[str, ...]] = ("mask",)

    outside_m: float = MASK_ERROR_M
    tight_m: float = 0.01
    loose_m: float = 0.03
    correlation_m: float = 0.12
    body_correlation_m: float = 0.03
    by_label: bool = True
    learned_m: float = 0.0
    occluded_m: float = 0.0

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        difference = state.render("silhouette") - state.targets.seen_mask
        return (self.pixel_weights(state) * difference.square()).sum(dim=(1, 2))

    def pixel_weights(self, state: FitState) -> Float[Tensor, "b h w"]:
        """Nats of a pixel that is wrong, for a body at the distance of each of B states."""
        targets = state.targets
        size_m = state.pixel_size_m[:, None, None]
        of_clothes = self.learned_m > 0 and targets.clothing_mean is not None
        tight_m, loose_m, outside = self._law_of_clothes(targets) if of_clothes else self._law(targets)
        gap = targets.depth_in_mask_px * size_m / loose_m
        inside = (1 + gap.square()).reciprocal().square() / tight_m
        mask = targets.seen_mask
        if self.occluded_m > 0 and targets.labels is None:
            outside = outside * self._unoccluded(targets.distance_to_mask_px * size_m)
        density = mask * inside + (1 - mask) * outside
        of_body = self.by_label and targets.part_space is not None and targets.part_space.is_of_body
        correlation_m = self.body_correlation_m if of_body else self.correlation_m
        return targets.valid_float * density * size_m.square() / correlation_m

    def _unoccluded(self, away_m: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
        """Weight of a pixel as evidence that the body is not there, by its distance from the mask, metres.

        A mask's outline is wrong by millimetres. Where keypoints and priors want the body centimetres outside of it, a
        bag, a table or somebody else hides it. The weight is that of Geman & McClure's estimator.
        """
        return (1 + (away_m / self.occluded_m).square()).reciprocal().square()

    def _law(self, targets: FitTargets) -> tuple[Tensor | float, Tensor | float, Tensor | float]:
        """tight_m, loose_m, and the cost of a pixel outside of the mask, 1 / m, for every pixel or for all."""
        looseness_m = targets.looseness_m if self.by_label else None
        if looseness_m is None:
            return self.tight_m, self.loose_m, 1 / self.outside_m
        of_body = looseness_m < LABELS_OF_BODY_M
        tight_m = torch.where(of_body, self.outside_m, looseness_m)
        loose_m = torch.where(of_body, math.inf, (2 * looseness_m).clamp(min=self.loose_m))
        return tight_m, loose_m, torch.where(self._carried(targets), 0.0, 1 / self.outside_m)

    def _law_of_clothes(self, targets: FitTargets) -> tuple[Tensor | float, Tensor | float, Tensor | float]:
        """`_law` for clothes with a learned prior."""
        free = self._carried(targets)
        tight_m = torch.where(free, math.inf, self.learned_m)
        return tight_m, 2 * self.loose_m, torch.where(free, 0.0, 1 / self.learned_m)

    @staticmethod
    def _carried(targets: FitTargets) -> Bool[Tensor, "n h w"]:
        """Pixels of labels that say nothing of the body or its clothes, such as bags."""
        if targets.labels is None or targets.looseness_m is None:
            return torch.zeros_like(targets.valid)
        return targets.looseness_m.isinf() & targets.labelled

    def picture_curvature(self, state: FitState, motion: Motion) -> Float[Tensor, "n"]:
        """Second derivative along each row."""
        weights, change = self.pixel_weights(state), motion.silhouette
        difference = motion.values(state.render("silhouette")) - motion.beside(state.targets.seen_mask)
        pulls = 2 * motion.beside(weights) * change * difference
        return motion.curvature(pulls, 2 * motion.values(weights) * change.square())

"""Likelihood of a mask under the unclothed body: the body lies inside the outline of the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from render_fit.losses.fit_state import FitState
from render_fit.renderers.image_jacobian import Motion


@dataclass(frozen=True)
class ClothedSilhouette:
    """Negative log-likelihood of the mask, if clothes, hair and carried things stand off the body by unknown amounts.

    A rendered pixel outside of the mask contradicts it: nothing explains it but the mask's own error. A pixel of the
    mask outside of the body is explained by clothes, the worse the thicker they are, up to a limit: a coat that hangs
    15 cm away says as little about the body as one at 8 cm. The cost of a gap t between outline and body is
    ∫₀ᵗ (1 + (u / loose_m)²)⁻² du / (tight_m · correlation_m) per metre of outline, which grows like t / tight_m for
    small gaps. It is computed as a weight of every pixel of the mask by its distance to the mask's outline.

    Args:
        outside_m: Usual distance by which a body passes a mask's outline, metres: the mask's error.
        tight_m: Usual distance of tight clothes from the body, metres.
        loose_m: Distance from which on clothes are loose and the pull on the body fades, metres.
        correlation_m: Length of outline along which errors and clothes are alike, metres: pixels are not independent.

    Returns:
        (B,) nats.

    Differentiability: smooth in the silhouette. The size of a pixel at the person is held fixed.
    Source: that the body lies inside the outline, with a robust cost where it is clothed, is the idea of Balan & Black,
        "The Naked Truth", ECCV 2008. The law and its defaults are set by hand, on street photos and COCO people
        (docs/evaluation.md).
    """

    requires: ClassVar[tuple[str, ...]] = ("mask",)

    outside_m: float = 0.01
    tight_m: float = 0.01
    loose_m: float = 0.03
    correlation_m: float = 0.12

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        difference = state.render("silhouette") - state.targets.seen_mask
        return (self.pixel_weights(state) * difference.square()).sum(dim=(1, 2))

    def pixel_weights(self, state: FitState) -> Float[Tensor, "b h w"]:
        """Nats of a pixel that is wrong, for a body at the distance of each of B states."""
        targets = state.targets
        focal_px = targets.camera.K[:, 0, 0]
        size_m = (state.parameters.transl[:, 2].detach() / focal_px).clamp(min=1e-4)[:, None, None]
        gap = targets.depth_in_mask_px * size_m / self.loose_m
        inside = (1 + gap.square()).reciprocal().square() / self.tight_m
        mask = targets.seen_mask
        density = mask * inside + (1 - mask) / self.outside_m
        return targets.valid_float * density * size_m.square() / self.correlation_m

    def picture_curvature(self, state: FitState, motion: Motion) -> Float[Tensor, "n"]:
        """Second derivative along each row."""
        weights, change = self.pixel_weights(state), motion.silhouette
        difference = motion.values(state.render("silhouette")) - motion.beside(state.targets.seen_mask)
        pulls = 2 * motion.beside(weights) * change * difference
        return motion.curvature(pulls, 2 * motion.values(weights) * change.square())

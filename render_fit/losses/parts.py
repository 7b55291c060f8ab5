"""Likelihood of a part-label map under the rendered parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.losses.fit_state import FitState
from render_fit.renderers.image_jacobian import Motion


@dataclass(frozen=True)
class PartLikelihood:
    """Mean negative log-likelihood of the observed labels per pixel of the person.

    The renderer gives P(part) for SMPL's 24 parts and the background; the label space's emission matrix E says how
    often a part bears each label (a skirt covers thighs and background), so P(label) = Σ P(part) E(part, label).
    The outlier floor in E bounds what one wrong pixel can cost.

    Returns:
        (B,) nats per labelled person pixel, summed over valid pixels.

    Differentiability: smooth in the rendered probabilities.
    """

    requires: ClassVar[tuple[str, ...]] = ("labels",)

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        targets = state.targets
        parts_rather, background = targets.label_evidence
        # Σ P(part) E(part, label) over parts and background, whose probability is what the parts leave.
        likelihood = ((state.render("parts") * parts_rather).sum(dim=1) + background).clamp(min=1e-6)
        return -(targets.valid_float * likelihood.log()).sum(dim=(1, 2)) / targets.labelled_area

    def picture_curvature(self, state: FitState, motion: Motion) -> Float[Tensor, "n"]:
        """Second derivative along each row."""
        targets = state.targets
        if targets.labels is None or targets.part_space is None or motion.parts is None:
            return torch.zeros_like(motion.silhouette)
        emission = targets.part_space.emission.to(motion.parts)
        parts = state.render("parts").flatten(2).movedim(1, 2)[motion.image, motion.pixel]
        shown = torch.cat([parts, (1 - parts.sum(dim=1, keepdim=True)).clamp(min=0)], dim=1) @ emission
        change = torch.cat([motion.parts, -motion.parts.sum(dim=1, keepdim=True)], dim=1) @ emission
        relative = (change / shown.clamp(min=1e-6)).mT  # (L, N): of the probability of every label
        here = relative.gather(0, motion.values(targets.labels)[None])[0]
        pulls = -relative.gather(0, motion.beside(targets.labels))
        weight = (1 / targets.labelled_area).expand(len(state.parameters))[motion.image] * motion.values(
            targets.valid_float
        )
        return weight * motion.curvature(pulls, here.square())

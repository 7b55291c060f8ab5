"""Likelihood of a part-label map under the rendered parts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.losses.term import Scene


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

    def __call__(self, scene: Scene) -> Float[Tensor, "b"]:
        targets = scene.targets
        if targets.labels is None or targets.part_space is None:
            raise ValueError("labels: the observation has no part map; leave part terms out of the objective")
        parts = scene.render("parts")
        background = (1 - parts.sum(dim=1, keepdim=True)).clamp(min=0)
        emission = targets.part_space.emission.to(parts)
        # E[:, observed label] is what each part would have to say to explain the pixel.
        explains = emission[:, targets.labels].movedim(0, 1)
        likelihood = (torch.cat([parts, background], dim=1) * explains).sum(dim=1).clamp(min=1e-6)
        area = ((targets.labels != 0) & targets.valid).sum(dim=(1, 2)).clamp(min=1)
        return -(targets.valid_float * likelihood.log()).sum(dim=(1, 2)) / area

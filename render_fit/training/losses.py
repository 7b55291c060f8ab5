"""What a regressor is trained to lower: distances between its hypotheses and the truth, as far as that is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core.cameras import view_camera
from render_fit.core.config import StrictModel
from render_fit.regressors.network import Prediction
from render_fit.training.label_availability import LABELS
from render_fit.training.samples import GroundTruth

Count = Callable[[Tensor], Tensor]


class LossWeights(StrictModel):
    """Weights of the terms; 0 leaves one out.

    L_lat is `rotations` and `betas` (Omran et al. 2018, eq. 3), L_3D `joints`, L_2D `projection`.
    """

    renamed: ClassVar[Mapping[str, str]] = {
        "place": "pelvis_offset",
        "spread": "joint_error",
    }

    rotations: float = Field(default=0.5, ge=0, description="mean squared difference of rotation matrices")
    betas: float = Field(default=0.02, ge=0, description="mean squared difference, standard deviations")
    joints: float = Field(default=5.0, ge=0, description="mean distance from the pelvis's frame, metres")
    projection: float = Field(default=1.0, ge=0, description="mean distance in the picture, shares of half the view")
    pelvis_offset: float = Field(
        default=0.5, ge=0, description="mean absolute difference of the pelvis's place in the view"
    )
    clothing: float = Field(default=0.02, ge=0, description="mean squared difference, centimetres")
    choice: float = Field(default=0.1, ge=0, description="cross-entropy of the hypotheses' probabilities, nats")
    joint_error: float = Field(default=0.05, ge=0, description="negative log-likelihood of the joints' distances, nats")
    all_hypotheses: float = Field(
        default=0.05, ge=0, le=1, description="share of the loss that every hypothesis gets, not only the best one"
    )


@dataclass(frozen=True)
class Losses:
    """A step's losses.

    Attributes:
        total: Scalar.
        terms: Means of the best hypotheses' distances, by name, for logs; 0 where nobody carries the label.
    """

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]

    def plus(self, other: Losses) -> Losses:
        """Both, added up."""
        total = self.total + other.total.to(self.total.device)
        return Losses(total, self.terms | other.terms | {"total": total.detach()})


def distances(prediction: Prediction, truth: GroundTruth, body: Body) -> dict[str, Float[Tensor, "n h"]]:
    """How far every hypothesis is from the truth, by term.

    Args:
        prediction: H hypotheses for each of N people.
        truth: What the people are.
        body: M.

    Differentiability: smooth but where a distance is zero.
    """
    n, h = prediction.log_likelihood.shape
    parameters = prediction.parameters(body, truth.focal)
    posed = body.kinematics(parameters).joints.unflatten(0, (n, h))
    joints = posed - posed[:, :, :1]
    off = (joints - truth.joints[:, None]).norm(dim=-1)
    camera, everyone = view_camera(truth.focal, 2), torch.arange(n, device=off.device)  # pixels are half views
    shown = camera[everyone.repeat_interleave(h)].project(posed.flatten(0, 1)).unflatten(0, (n, h))
    true_shown = camera.project(truth.joints + truth.pelvis[:, None])[:, None]
    return {
        "rotations": (prediction.rotations - truth.rotations[:, None]).square().sum((-1, -2)).mean(-1),
        "betas": (prediction.betas - truth.betas[:, None]).square().mean(-1),
        "joints": off.mean(-1),
        "projection": (shown - true_shown).norm(dim=-1).clamp(max=2.0).mean(-1),
        "pelvis_offset": (prediction.pelvis_offset - truth.pelvis_offset[:, None]).abs().mean(-1),
        "clothing": (prediction.clothing - truth.clothing[:, None]).square().mean(-1)
        if prediction.clothing.shape[-1]
        else torch.zeros_like(off[..., 0]),
        "joint_error": (
            off.detach() / prediction.joint_error.clamp(min=1e-3) + prediction.joint_error.clamp(min=1e-3).log()
        ).mean(-1),
    }


def losses(
    prediction: Prediction, truth: GroundTruth, body: Body, weights: LossWeights, count: Count | None = None
) -> Losses:
    """The training loss: the best hypothesis of each person learns, and which one it was.

    Every term is a mean over those people who carry its label; which hypothesis is best is judged by the labels that
    the person carries, `joint_error` learns where joints are known, `choice` where anything is.

    Args:
        prediction: H hypotheses for each of N people.
        truth: What the people are, and what is known of it.
        body: M.
        weights: Of the terms.
        count: Makes numbers of people those of all processes; given where several train together, so that means are
            over all of them.

    Source: multiple choice learning, Guzman-Rivera et al., NeurIPS 2012; hypotheses of bodies, Biggs et al., NeurIPS
        2020.
    """
    known = dict(zip(LABELS, truth.labels.T, strict=True))
    known |= {"joint_error": known["joints"], "choice": truth.labels.any(1)}
    off = distances(prediction, truth, body) | {"choice": -prediction.log_likelihood}
    off = {name: torch.where(known[name][:, None], value, 0.0) for name, value in off.items()}
    best = torch.stack([getattr(weights, name) * off[name].detach() for name in LABELS]).sum(0).argmin(1, keepdim=True)
    have = torch.stack([known[name].sum() for name in off]).to(best.device, torch.float32)
    everybody = have if count is None else count(have)
    total = prediction.betas.new_zeros(())
    means: dict[str, Tensor] = {}
    for name, value, here, people in zip(off, off.values(), have, everybody, strict=True):
        chosen = value.gather(1, best)[:, 0]
        means[name] = chosen.detach().sum() / here.clamp(min=1)
        if name in LABELS:
            chosen = torch.lerp(chosen, value.mean(1), weights.all_hypotheses)
        # With nobody, the sum is 0 too.
        total = total + getattr(weights, name) * chosen.sum() / torch.where(people > 0, people, 1.0)
    return Losses(total, means | {"total": total.detach()})

"""Supervised training losses: distances between a regressor's hypotheses and the available ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core.cameras import view_camera
from render_fit.core.config import StrictModel
from render_fit.regressors.prediction import Prediction
from render_fit.training.processes import ALONE, Processes
from render_fit.training.samples import LABELS, GroundTruth


class LossWeights(StrictModel):
    """Weights of the loss terms; 0 removes a term.

    L_lat is `rotations` and `betas` (Omran et al. 2018, eq. 3), L_3D `joints`, L_2D `projection`.
    """

    renamed: ClassVar[Mapping[str, str]] = {
        "place": "pelvis_offset",
        "spread": "joint_error",
    }

    rotations: float = Field(default=0.5, ge=0, description="mean squared difference of rotation matrices")
    betas: float = Field(default=0.02, ge=0, description="mean squared difference, standard deviations")
    joints: float = Field(default=5.0, ge=0, description="mean distance of joints relative to the pelvis, metres")
    projection: float = Field(default=1.0, ge=0, description="mean distance of projected joints, half crop sides")
    pelvis_offset: float = Field(default=0.5, ge=0, description="mean absolute difference of the pelvis offset")
    clothing: float = Field(default=0.02, ge=0, description="mean squared difference, centimetres")
    choice: float = Field(default=0.1, ge=0, description="cross-entropy of the hypothesis probabilities, nats")
    joint_error: float = Field(default=0.05, ge=0, description="negative log-likelihood of the joint errors, nats")
    all_hypotheses: float = Field(
        default=0.05, ge=0, le=1, description="share of the loss on the mean of all hypotheses, not on the best one"
    )


@dataclass(frozen=True)
class Losses:
    """Losses of one step.

    Attributes:
        total: Weighted sum, to be minimised.
        terms: Unweighted means of the best hypotheses, by name, for the log; 0 where no person has the label.
    """

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]

    def plus(self, other: Losses) -> Losses:
        """Sum of two losses, with the terms of both."""
        total = self.total + other.total.to(self.total.device)
        return Losses(total, self.terms | other.terms | {"total": total.detach()})


def distances(prediction: Prediction, truth: GroundTruth, body: Body) -> dict[str, Float[Tensor, "n h"]]:
    """Distance of every hypothesis from the ground truth, by term.

    Args:
        prediction: H hypotheses for each of N people.
        truth: Ground truth of these people.
        body: Body model.

    Differentiability: smooth except where a distance is zero.
    """
    n, h = prediction.log_likelihood.shape
    parameters = prediction.parameters(body, truth.focal)
    posed = body.kinematics(parameters).joints.unflatten(0, (n, h))
    joints = posed - posed[:, :, :1]
    error = (joints - truth.joints[:, None]).norm(dim=-1)
    camera, people = view_camera(truth.focal, 2), torch.arange(n, device=error.device)  # a pixel is half a crop side
    projected = camera[people.repeat_interleave(h)].project(posed.flatten(0, 1)).unflatten(0, (n, h))
    true_projected = camera.project(truth.joints + truth.pelvis[:, None])[:, None]
    predicted_error = prediction.joint_error.clamp(min=1e-3)
    return {
        "rotations": (prediction.rotations - truth.rotations[:, None]).square().sum((-1, -2)).mean(-1),
        "betas": (prediction.betas - truth.betas[:, None]).square().mean(-1),
        "joints": error.mean(-1),
        "projection": (projected - true_projected).norm(dim=-1).clamp(max=2.0).mean(-1),
        "pelvis_offset": (prediction.pelvis_offset - truth.pelvis_offset[:, None]).abs().mean(-1),
        "clothing": (prediction.clothing - truth.clothing[:, None]).square().mean(-1)
        if prediction.clothing.shape[-1]
        else torch.zeros_like(error[..., 0]),
        "joint_error": (error.detach() / predicted_error + predicted_error.log()).mean(-1),
    }


def losses(
    prediction: Prediction,
    truth: GroundTruth,
    body: Body,
    weights: LossWeights,
    processes: Processes = ALONE,
) -> Losses:
    """Multiple-choice loss: regression of each person's best hypothesis, and cross-entropy of which one that was.

    Every term is a mean over the people who have its label. The best hypothesis has the lowest weighted sum of the
    available terms. `joint_error` needs the label of the joints, `choice` any label.

    Args:
        prediction: H hypotheses for each of N people.
        truth: Ground truth of these people, and which labels they have.
        body: Body model.
        weights: Weights of the terms.
        processes: Processes that train together.

    Source: multiple choice learning, Guzman-Rivera et al., NeurIPS 2012; hypotheses of bodies, Biggs et al., NeurIPS
        2020.
    """
    known = dict(zip(LABELS, truth.labels.T, strict=True))
    known |= {"joint_error": known["joints"], "choice": truth.labels.any(1)}
    values = distances(prediction, truth, body) | {"choice": -prediction.log_likelihood}
    values = {name: torch.where(known[name][:, None], value, 0.0) for name, value in values.items()}
    weighted = torch.stack([getattr(weights, name) * values[name].detach() for name in LABELS])
    best = weighted.sum(0).argmin(1, keepdim=True)
    labelled = torch.stack([known[name].sum() for name in values]).to(best.device, torch.float32)
    everywhere = processes.global_count(labelled)
    total = prediction.betas.new_zeros(())
    means: dict[str, Tensor] = {}
    for name, value, here, people in zip(values, values.values(), labelled, everywhere, strict=True):
        chosen = value.gather(1, best)[:, 0]
        means[name] = chosen.detach().sum() / here.clamp(min=1)
        if name in LABELS:
            chosen = torch.lerp(chosen, value.mean(1), weights.all_hypotheses)
        # Without any labelled person, the sum is 0 too.
        total = total + getattr(weights, name) * chosen.sum() / torch.where(people > 0, people, 1.0)
    return Losses(total, means | {"total": total.detach()})

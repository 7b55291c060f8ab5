"""SPIN: the regressor starts a fit to what was observed, and the best fit so far of every image teaches the regressor.

Nobody has labelled the images. A fit from a good start ends better than one from the mean pose, better fits make a
better regressor, and that one gives better starts.

Source: Kolotouros et al., ICCV 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.batch import Batch
from render_fit.core.config import StrictModel
from render_fit.fitting.problem import Problem
from render_fit.fitting.recipe import Edge, TermSetting, TermSettings
from render_fit.fitting.solvers import make_solver
from render_fit.fitting.variables import Variables
from render_fit.losses.targets import FitTargets
from render_fit.regressors.network import Prediction, place_in_view
from render_fit.regressors.person_crop import PersonCrop
from render_fit.renderers.base import RenderSettings
from render_fit.renderers.cpu import CpuRenderer
from render_fit.training.label_availability import LABELS
from render_fit.training.losses import Count, Losses, LossWeights, losses
from render_fit.training.render_supervision import UnlabelledPhotos, objective_for
from render_fit.training.samples import GroundTruth

_TERMS: Mapping[str, TermSetting] = {
    "keypoints": TermSetting(weight=1.0, options={"scale": 0.1}),
    "pose_mixture": TermSetting(weight=1.0),
    "pose_limits": TermSetting(weight=1.0),
    "shape": TermSetting(weight=2.0),
    "torso_tilt": TermSetting(weight=30.0),
}
"""SMPLify's: keypoints and priors, which need no picture."""


class FittingInTheLoopConfig(StrictModel):
    """Fits that teach the regressor, beside drawn people."""

    weight: float = Field(default=1.0, ge=0, description="of what is learnt from fits, beside drawn people")
    iterations: int = Field(default=15, gt=0, description="of every fit")
    worst_nats: float = Field(
        default=250.0, gt=0, description="fits with a higher objective teach nothing: they are probably wrong"
    )
    edge: Edge = Edge(sigma_px=1.0)
    terms: TermSettings = Field(default_factory=lambda: dict(_TERMS))


@dataclass(frozen=True)
class BestFits(Batch):
    """Fits of P images, in the photos' camera axes.

    Attributes:
        rotations: (P, J, 3, 3) local rotations.
        betas: (P, S) shape.
        pelvis: (P, 3) metres.
        value: (P,) the objective, nats; infinite where there is no fit yet.
    """

    rotations: Float[Tensor, "p j 3 3"]
    betas: Float[Tensor, "p s"]
    pelvis: Float[Tensor, "p 3"]
    value: Float[Tensor, "p"]

    @staticmethod
    def none(count: int, n_joints: int, n_betas: int) -> BestFits:
        """No fit yet of any image."""
        return BestFits(
            torch.eye(3).repeat(count, n_joints, 1, 1),
            torch.zeros(count, n_betas),
            torch.tensor([0.0, 0.0, 1.0]).repeat(count, 1),
            torch.full((count,), torch.inf),
        )

    def improve(self, rows: Tensor, found: BestFits) -> None:
        """Puts other fits of some images in these ones' places where the objective is lower."""
        better = found.value < self.value[rows]
        for name, value in found.tensors().items():
            getattr(self, name)[rows[better]] = value[better]

    def truth(self, view: PersonCrop, body: Body, n_clothing: int, good: Bool[Tensor, "p"]) -> GroundTruth:
        """The fits as what a regressor should say, in the axes of the views: nothing of clothes, and nothing at all
        where a fit is not good."""
        pelvis = (view.rotation @ self.pelvis[..., None])[..., 0]
        rotations = torch.cat([view.rotation[:, None] @ self.rotations[:, :1], self.rotations[:, 1:]], 1)
        joints = body.kinematics(BodyParameters(rotations, self.betas, torch.zeros_like(pelvis))).joints
        return GroundTruth(
            rotations,
            self.betas,
            self.betas.new_zeros(len(pelvis), n_clothing),
            place_in_view(pelvis, view.focal),
            pelvis,
            joints - joints[:, :1],
            view.focal,
            good[:, None] & torch.tensor([name != "clothing" for name in LABELS]),
        )


def fit_batch(prediction: Prediction, seen: UnlabelledPhotos, body: Body, setting: FittingInTheLoopConfig) -> BestFits:
    """Fits N people, each from the hypothesis of theirs that the terms without pictures like best.

    Args:
        prediction: H hypotheses for each of N people.
        seen: Those people.
        body: M.
        setting: Terms and iterations.
    """
    n, h = prediction.log_likelihood.shape
    with torch.no_grad():
        rotations, pelvis = prediction.in_photo_camera(seen.view)
        betas = prediction.betas.flatten(0, 1)
        start = Variables.from_parameters(
            body, BodyParameters(rotations, betas, pelvis - body.rest_joints(betas)[:, 0])
        )
        everyone = torch.arange(n).repeat_interleave(h)
        value = fit_problem(setting, seen.targets[everyone], body, skeletal=True).loss(start).view(n, h)
        best = torch.arange(n) * h + value.nan_to_num(torch.inf).argmin(1)
    return refine(start[best].detached(), seen.targets, body, setting)


def refine(start: Variables, targets: FitTargets, body: Body, setting: FittingInTheLoopConfig) -> BestFits:
    """Fits N people from given starts, all at once."""
    problem = fit_problem(setting, targets, body)
    free = ("orient", "position", "pose", "betas")
    found, solution = problem.minimise(start, free, make_solver("lbfgs", {}), setting.iterations)
    with torch.no_grad():
        parameters = found.parameters(body)
        pelvis = parameters.transl + body.rest_joints(parameters.betas)[:, 0]
    value = solution.loss.detach().nan_to_num(torch.inf)
    return BestFits(parameters.rotations.detach(), parameters.betas.detach(), pelvis, value)


def fit_problem(setting: FittingInTheLoopConfig, targets: FitTargets, body: Body, skeletal: bool = False) -> Problem:
    """What fits of some images minimise."""
    objective, edge = objective_for(setting.terms, targets), setting.edge
    settings = RenderSettings(edge.silhouette, edge.sigma_px, edge.gamma_m)
    return Problem(body, targets, objective.skeletal() if skeletal else objective, CpuRenderer(), settings)


def fit_loss(
    prediction: Prediction,
    seen: UnlabelledPhotos,
    fits: BestFits,
    body: Body,
    weights: LossWeights,
    setting: FittingInTheLoopConfig,
    count: Count,
) -> Losses:
    """What the regressor learns from fits.

    Args:
        prediction: H hypotheses for each of N people.
        seen: Those people.
        fits: The best one of each so far.
        body: M.
        weights: Of the terms; a fit says nothing of clothes.
        setting: Which fits teach.
        count: Makes a number of people one of all processes'; see `objective.losses`.
    """
    good = fits.value <= setting.worst_nats
    truth = fits.truth(seen.view, body, prediction.clothing.shape[-1], good)
    taught = losses(prediction, truth, body, weights, count)
    mean = torch.where(good, fits.value, 0.0).sum() / good.sum().clamp(min=1)
    return Losses(setting.weight * taught.total, {"taught": good.float().mean(), "fits": mean})

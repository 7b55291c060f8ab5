"""Render-and-compare supervision: the predicted body is rendered and compared with the observations of a photo.

The loss is dist(R(M(θ, β, c)), z(I)), with the terms that also refine single images. Its gradient passes through R and
M into the weights of the network, so no labels are needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.config import StrictModel
from render_fit.core.rotations import roma
from render_fit.fitting.problem import Problem
from render_fit.fitting.recipe import Edge, TermSetting, TermSettings
from render_fit.losses.fit_state import FitState
from render_fit.losses.registry import is_observed, make_term
from render_fit.losses.targets import FitTargets
from render_fit.losses.term import Objective
from render_fit.regressors.prediction import Prediction
from render_fit.renderers.base import RenderSettings
from render_fit.renderers.cpu import CpuRenderer
from render_fit.training.losses import Losses
from render_fit.training.processes import Processes
from render_fit.training.supervision import StepBatch, StepPrediction, Supervision
from render_fit.training.unlabelled_photos import UnlabelledPhotos

DEFAULT_TERMS: Mapping[str, TermSetting] = {
    "keypoints": TermSetting(weight=2.0, options={"scale": 0.1}),
    "silhouette_l2": TermSetting(weight=1600.0, options={"noise": 0.028}),
    "silhouette_distance": TermSetting(weight=200.0),
    "parts": TermSetting(weight=100.0),
    "pose_mixture": TermSetting(weight=1.0),
    "pose_limits": TermSetting(weight=1.0),
    "shape": TermSetting(weight=1.0),
    "torso_tilt": TermSetting(weight=30.0),
}
"""Terms of the default fit recipe (`hybrid`), with half its weight on the mask: here, a detector estimates it."""


class PhotoObjective(StrictModel):
    """An objective on the observations of photos: the terms and the soft edge of renderings."""

    edge: Edge = Edge(sigma_px=1.0)
    terms: TermSettings

    def problem(self, targets: FitTargets, body: Body) -> Problem:
        """The objective of those terms whose observations are available, on ``targets``."""
        made = {name: (term.weight, make_term(name, term.options)) for name, term in self.terms.items()}
        objective = Objective({name: pair for name, pair in made.items() if is_observed(pair[1], targets)})
        settings = RenderSettings(self.edge.silhouette, self.edge.sigma_px, self.edge.gamma_m)
        return Problem(body, targets, objective, CpuRenderer(), settings)


class RenderSupervisionConfig(PhotoObjective):
    """Render-and-compare losses on unlabelled photos, added to the losses on synthetic people."""

    weight: float = Field(default=0.01, ge=0, description="weight of the sum of the terms (nats); 0: off")
    batch: int = Field(default=16, gt=0, description="unlabelled people in a step, over all processes")
    resolution: int = Field(default=64, gt=0, description="side of the rendered square crop, pixels")
    terms: TermSettings = Field(default_factory=lambda: dict(DEFAULT_TERMS))


class RenderComparison(NamedTuple):
    """Result of comparing predictions with observations.

    Attributes:
        values: (N,) objective of each person's best hypothesis, nats.
        best: (N,) index of that hypothesis.
        state: Body, renderings and targets of that hypothesis.
    """

    values: Float[Tensor, "n"]
    best: Int64[Tensor, "n"]
    state: FitState


@dataclass(frozen=True)
class RenderSupervision(Supervision):
    """Render-and-compare losses on the step's unlabelled photos.

    Attributes:
        config: Terms, weight and soft edge.
        body: Body model, on the CPU.
        basis: Clothing basis; None: bodies without clothing.
        processes: Processes that train together.
    """

    config: RenderSupervisionConfig
    body: Body
    basis: ClothingBasis | None
    processes: Processes

    def loss(self, prediction: StepPrediction, batch: StepBatch) -> Losses:
        """Objective of the best hypotheses, and cross-entropy of the hypotheses' probabilities."""
        assert batch.photos is not None
        values, best, _ = render_and_compare(prediction.photos, batch.photos, self.body, self.basis, self.config)
        choice = -prediction.photos.log_likelihood.gather(1, best[:, None])[:, 0]
        people = self.processes.global_count(torch.tensor(float(len(values))))
        total = self.config.weight * (values.sum() + choice.sum()) / people
        return Losses(total, {"unlabelled": values.detach().mean()})


def render_and_compare(
    prediction: Prediction,
    observed: UnlabelledPhotos,
    body: Body,
    basis: ClothingBasis | None,
    config: PhotoObjective,
) -> RenderComparison:
    """Renders a regressor's predictions and compares them with observations.

    Args:
        prediction: H hypotheses for each of N people, of which the best is rendered (`best_hypotheses`).
        observed: Observations of these people.
        body: Body model.
        basis: Clothing basis; None: bodies without clothing.
        config: Terms and soft edge.

    Differentiability: in the prediction, as the terms are.
    """
    problem = config.problem(observed.targets, body)
    parameters, best = best_hypotheses(prediction, observed, problem)
    clothing = offsets = None
    if basis is not None and prediction.clothing.shape[-1]:
        clothing = prediction.clothing[torch.arange(len(best)), best]
        offsets = basis(clothing)
    state = _fit_state(problem, replace(parameters, offsets=offsets), observed.targets, clothing)
    return RenderComparison(problem.objective(state), best, state)


def best_hypotheses(
    prediction: Prediction, observed: UnlabelledPhotos, problem: Problem
) -> tuple[BodyParameters, Int64[Tensor, "n"]]:
    """Each person's best hypothesis: the one with the lowest sum of those terms that need no rendering.

    Args:
        prediction: H hypotheses for each of N people.
        observed: Observations of these people.
        problem: Objective and body.

    Returns:
        N bodies without clothing in the axes of the photos' cameras, and the (N,) indices of their hypotheses.

    Differentiability: in the prediction; the choice is not.
    """
    n, h = prediction.log_likelihood.shape
    rotations, pelvis = prediction.in_photo_camera(observed.view)
    betas, people = prediction.betas.flatten(0, 1), torch.arange(n)
    parameters = BodyParameters(rotations, betas, pelvis - problem.body.rest_joints(betas)[:, 0])
    with torch.no_grad():
        every = _fit_state(replace(problem, renderer=None), parameters, observed.targets[people.repeat_interleave(h)])
        best = problem.objective.skeletal()(every).view(n, h).nan_to_num(torch.inf).argmin(1)
    return parameters[people * h + best], best


def _fit_state(
    problem: Problem, parameters: BodyParameters, targets: FitTargets, clothing: Tensor | None = None
) -> FitState:
    local = roma.rotmat_to_rotvec(parameters.rotations[:, 1:])
    pose = torch.cat([torch.zeros_like(local[:, :1]), local], 1)
    return FitState(
        problem.body, parameters, targets, problem.renderer, problem.settings, pose_rotvec=pose, clothing=clothing
    )

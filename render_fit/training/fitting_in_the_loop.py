"""Fitting in the loop (SPIN): fits initialised from the regressor's predictions supervise the regressor.

The photos have no labels. The best fit of each photo so far is the regression target. A better regressor initialises
better fits, and better fits train a better regressor.

Source: Kolotouros et al., ICCV 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.batch import Batch
from render_fit.fitting.recipe import TermSetting, TermSettings
from render_fit.fitting.solvers import make_solver
from render_fit.fitting.variables import Variables
from render_fit.losses.targets import FitTargets
from render_fit.regressors.person_crop import PersonCrop
from render_fit.regressors.prediction import Prediction, place_in_view
from render_fit.training.losses import Losses, LossWeights, losses
from render_fit.training.processes import Processes
from render_fit.training.render_supervision import PhotoObjective, best_hypotheses
from render_fit.training.samples import LABELS, GroundTruth
from render_fit.training.supervision import StepBatch, StepPrediction, Supervision
from render_fit.training.unlabelled_photos import UnlabelledPhotos

_TERMS: Mapping[str, TermSetting] = {
    "keypoints": TermSetting(weight=1.0, options={"scale": 0.1}),
    "pose_mixture": TermSetting(weight=1.0),
    "pose_limits": TermSetting(weight=1.0),
    "shape": TermSetting(weight=2.0),
    "torso_tilt": TermSetting(weight=30.0),
}
"""Terms of SMPLify: keypoints and priors. None of them needs a rendering."""


class FittingInTheLoopConfig(PhotoObjective):
    """Supervision by fits to unlabelled photos, added to the losses on synthetic people."""

    weight: float = Field(default=1.0, ge=0, description="weight of the losses towards the fits")
    iterations: int = Field(default=15, gt=0, description="iterations of each fit")
    worst_nats: float = Field(default=250.0, gt=0, description="largest objective of a fit that is used, nats")
    terms: TermSettings = Field(default_factory=lambda: dict(_TERMS))


@dataclass(frozen=True)
class BestFits(Batch):
    """Fits of P people, in the camera axes of the photos.

    Attributes:
        rotations: (P, J, 3, 3) local rotations.
        betas: (P, S) shape.
        pelvis: (P, 3) position of the pelvis, metres.
        value: (P,) objective, nats; infinite where there is no fit yet.
    """

    rotations: Float[Tensor, "p j 3 3"]
    betas: Float[Tensor, "p s"]
    pelvis: Float[Tensor, "p 3"]
    value: Float[Tensor, "p"]

    @staticmethod
    def none(count: int, n_joints: int, n_betas: int) -> BestFits:
        """State before the first fit."""
        return BestFits(
            torch.eye(3).repeat(count, n_joints, 1, 1),
            torch.zeros(count, n_betas),
            torch.tensor([0.0, 0.0, 1.0]).repeat(count, 1),
            torch.full((count,), torch.inf),
        )

    def improve(self, rows: Tensor, found: BestFits) -> None:
        """Replaces the fits of ``rows`` by those of ``found`` where the objective is lower."""
        better = found.value < self.value[rows]
        for name, value in found.tensors().items():
            getattr(self, name)[rows[better]] = value[better]

    def truth(self, view: PersonCrop, body: Body, n_clothing: int, good: Bool[Tensor, "p"]) -> GroundTruth:
        """The fits as regression targets, in the axes of the crop cameras.

        Args:
            view: Crop cameras of the people.
            body: Body model.
            n_clothing: Number of clothing coefficients, all without a label.
            good: (P,) fits to use; the others get no label.
        """
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


@dataclass
class FitSupervision(Supervision):
    """Base of supervisions by fits of unlabelled photos.

    Attributes:
        weights: Weights of the regression losses; clothing is not compared.
        body: Body model, on the CPU.
        fits: A fit of every photo, on the CPU. All processes keep the same fits.
        processes: Processes that train together.
    """

    weights: LossWeights
    body: Body
    fits: BestFits
    processes: Processes

    def towards(
        self, fits: BestFits, good: Bool[Tensor, "p"], prediction: Prediction, observed: UnlabelledPhotos
    ) -> Losses:
        """Losses of P people's hypotheses towards fits of them.

        Args:
            fits: A fit of each person.
            good: (P,) fits to use.
            prediction: Hypotheses for each person.
            observed: The people, whose crop cameras are used.
        """
        truth = fits.truth(observed.view, self.body, prediction.clothing.shape[-1], good)
        return losses(prediction, truth, self.body, self.weights, self.processes)


@dataclass
class FittingInTheLoop(FitSupervision):
    """Fits of the step's unlabelled photos, and losses towards the best fit of each photo so far.

    Attributes:
        config: Terms, iterations, weight.
    """

    config: FittingInTheLoopConfig

    def loss(self, prediction: StepPrediction, batch: StepBatch) -> Losses:
        """Fits the step's photos, keeps the better fits, and compares the predictions with the best."""
        assert batch.photos is not None and batch.photo_rows is not None
        found = fit_batch(prediction.photos, batch.photos, self.body, self.config)
        gathered = {name: self.processes.all_gather(value) for name, value in found.tensors().items()}
        self.fits.improve(self.processes.all_gather(batch.photo_rows), BestFits(**gathered))
        return self.regression(prediction.photos, batch.photos, self.fits[batch.photo_rows])

    def regression(self, prediction: Prediction, observed: UnlabelledPhotos, fits: BestFits) -> Losses:
        """Losses of N people's hypotheses towards their fits, as far as these are good enough."""
        good = fits.value <= self.config.worst_nats
        regression = self.towards(fits, good, prediction, observed)
        mean = torch.where(good, fits.value, 0.0).sum() / good.sum().clamp(min=1)
        return Losses(self.config.weight * regression.total, {"good_fits": good.float().mean(), "fits": mean})

    def state_dict(self) -> dict[str, Any]:
        """Best fits so far."""
        return self.fits.tensors()

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Restores the best fits."""
        self.fits = BestFits(**{name: value.cpu() for name, value in content.items()})


def fit_batch(
    prediction: Prediction, observed: UnlabelledPhotos, body: Body, config: FittingInTheLoopConfig
) -> BestFits:
    """Fits N people, each initialised from its best hypothesis (`best_hypotheses`).

    Args:
        prediction: H hypotheses for each of N people.
        observed: Observations of these people.
        body: Body model.
        config: Terms and iterations.
    """
    with torch.no_grad():
        start, _ = best_hypotheses(prediction, observed, config.problem(observed.targets, body))
        variables = Variables.from_parameters(body, start)
    return refine(variables, observed.targets, body, config)


def refine(start: Variables, targets: FitTargets, body: Body, config: FittingInTheLoopConfig) -> BestFits:
    """Fits N people from given initial values, in one batch."""
    free = ("orient", "position", "pose", "betas")
    solver = make_solver("lbfgs", {})
    found, solution = config.problem(targets, body).minimise(start, free, solver, config.iterations)
    with torch.no_grad():
        parameters = found.parameters(body)
        pelvis = parameters.transl + body.rest_joints(parameters.betas)[:, 0]
    value = solution.loss.detach().nan_to_num(torch.inf)
    return BestFits(parameters.rotations.detach(), parameters.betas.detach(), pelvis, value)

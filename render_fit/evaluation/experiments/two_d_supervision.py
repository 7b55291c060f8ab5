"""Supervision by 2D keypoints alone: projections become correct, but depth is unconstrained without a prior on bodies.

Three regressors have the same inputs and differ in supervision: a reprojection loss on 2D joints (L_2D), the same loss
with an adversarial prior trained on unpaired motion capture, and all labels.

Source: Kanazawa et al., CVPR 2018, section 3.4 and figure 6 ("monsters").
"""

from __future__ import annotations

import logging

import torch

from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import view_camera
from render_fit.core.rotations import roma
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.fit_errors import render_views
from render_fit.evaluation.regressors import covered_pixels, regressor_metrics
from render_fit.evaluation.tables import ExperimentResult, Metrics
from render_fit.export.overlays import Pixels
from render_fit.losses.priors import default_joint_limits, default_pose_prior
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.regressors.prediction import Prediction
from render_fit.renderers import CpuRenderer
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.adversarial import AdversarialConfig
from render_fit.training.checkpointing import REGRESSOR
from render_fit.training.loop import train
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.runs import make_people_sampler
from render_fit.training.samples import LabelAvailability
from render_fit.training.validation import HeldOut, sample_held_out

log = logging.getLogger(__name__)

STEPS = 1000
PICTURED, PICTURE_PX = 6, 160
"""Number of people on the contact sheet, and the side of their images in pixels."""

IMPOSSIBLE = 0.15
"""Excess over the joint limits, radians squared, above which a pose counts as impossible."""

_PROJECTION_ONLY = LabelAvailability(latent=0.0, joints=0.0)
VARIANTS: dict[str, dict[str, object]] = {
    "L_2D alone": {"label_availability": _PROJECTION_ONLY},
    "L_2D and adversary": {"label_availability": _PROJECTION_ONLY, "adversarial": AdversarialConfig(weight=0.02)},
    "all labels": {},
}


def two_d_supervision(config: ExperimentConfig) -> ExperimentResult:
    """Training with L_2D alone, with an adversarial prior, and with 3D labels: errors and plausibility of poses."""
    recipe = TrainingRecipe(
        name="two-d-supervision",
        description="body from keypoints alone",
        clothing=False,
        regressor=RegressorConfig(pictures=(), hypotheses=1),
        steps=config.steps(STEPS),
        seed=config.seed,
    )
    synthesis = make_people_sampler(recipe, config.bank("train"))
    evaluation = make_people_sampler(recipe, config.bank("held_out"))
    held_out = sample_held_out(evaluation, config.people)
    rows = []
    for name, changes in VARIANTS.items():
        log.info("training: %s", name)
        folder = config.out / "trainings" / name.replace(" ", "_")
        train(recipe.model_copy(update=changes), folder, synthesis, workers=config.workers)
        regressor = load_regressor(folder / REGRESSOR)
        values = (
            {"what": name} | regressor_metrics(regressor, held_out, evaluation) | _plausibility(regressor, held_out)
        )
        rows.append(Metrics(values, tuple(_comparison_images(regressor, held_out, evaluation)), name))
    poses = config.bank("held_out").pose[:, 1:22]
    rows.append(Metrics({"what": "real poses of the held-out subjects"} | _pose_plausibility(poses)))
    columns = ("what", "pa_mpjpe_mm", "mpjpe_mm", "iou", "mixture_nats", "impossible")
    return ExperimentResult("two-d-supervision", rows, {"held-out people": config.people}, columns)


@torch.no_grad()
def _plausibility(regressor: Regressor, held_out: HeldOut) -> dict[str, float]:
    """Plausibility of the poses that a regressor predicts."""
    prediction: Prediction = regressor(held_out.inputs)
    return _pose_plausibility(roma.rotmat_to_rotvec(prediction.rotations[:, 0, 1:22]))


def _pose_plausibility(poses: torch.Tensor) -> dict[str, float]:
    """Median energy of poses (N, 21, 3) under the shipped mixture, nats, and the share beyond the joint limits."""
    energy, excess = default_pose_prior()(poses.flatten(1)), default_joint_limits()(poses)
    return {
        "mixture_nats": round(float(energy.median()), 1),
        "impossible": round(float((excess > IMPOSSIBLE).float().mean()), 3),
    }


@torch.no_grad()
def _comparison_images(regressor: Regressor, held_out: HeldOut, synthesis: PeopleSampler) -> list[Pixels]:
    """Predictions for some people, over the true silhouette and from the side."""
    rows = torch.arange(PICTURED)
    truth = held_out.truth[rows]
    prediction: Prediction = regressor(held_out.inputs[rows])
    transl = truth.pelvis - synthesis.body.rest_joints(truth.betas)[:, 0]
    true = covered_pixels(BodyParameters(truth.rotations, truth.betas, transl), truth.focal, synthesis, PICTURE_PX)
    predicted, camera = prediction.parameters(synthesis.body, truth.focal), view_camera(truth.focal, PICTURE_PX)
    whole = torch.tensor([0.0, 0.0, PICTURE_PX, PICTURE_PX])
    result: list[Pixels] = []
    for index in range(PICTURED):
        one = slice(index, index + 1)
        grey = 0.2 + 0.5 * true[index].float().expand(3, -1, -1)
        _, over, side = render_views(grey, synthesis.body, predicted[one], camera[one], whole, CpuRenderer())
        result += [over, side]
    return result

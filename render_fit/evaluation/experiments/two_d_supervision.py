"""Supervision by 2D keypoints alone: projections become correct, but depth is unconstrained without a prior on bodies.

The regressors have the same inputs and differ in supervision: a reprojection loss on 2D joints (L_2D), the same loss
with a prior on the predicted poses (Gaussian mixture, variational autoencoder, or discriminators trained on unpaired
motion capture), and all labels. Mixture and autoencoder act on people without any label, half of those of a step.

Source: Kanazawa et al., CVPR 2018, section 3.4 and figure 6 ("monsters"); mixture: Bogo et al., ECCV 2016; autoencoder:
Pavlakos et al., CVPR 2019.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import view_camera
from render_fit.core.rotations import roma
from render_fit.core.skeletons import COCO_17
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.experiments.small_trainings import Variant, compare_trainings
from render_fit.evaluation.fit_errors import render_views
from render_fit.evaluation.regressors import covered_pixels, regressor_metrics
from render_fit.evaluation.tables import ExperimentResult, Metrics
from render_fit.export.overlays import Pixels
from render_fit.fitting.recipe import TermSetting
from render_fit.losses.priors import default_joint_limits, default_pose_prior
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.regressors.prediction import Prediction
from render_fit.renderers import CpuRenderer
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.adversarial import AdversarialConfig
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.render_supervision import RenderSupervisionConfig
from render_fit.training.runs import make_people_sampler
from render_fit.training.samples import LabelAvailability
from render_fit.training.unlabelled_photos import sample_unlabelled
from render_fit.training.validation import HeldOut

STEPS = 1000
UNLABELLED = 2000
"""People without labels on whom priors act, at scale 1."""

PICTURED, PICTURE_PX = 6, 160
"""Number of people on the contact sheet, and the side of their images in pixels."""

IMPOSSIBLE = 0.15
"""Excess over the joint limits, radians squared, above which a pose counts as impossible."""

_PROJECTION_ONLY = LabelAvailability(latent=0.0, joints=0.0)


def _with_prior(name: str, term: str) -> Variant:
    """L_2D with a prior on the predicted poses; the shape has its own."""
    terms = {term: TermSetting(weight=1.0), "shape": TermSetting(weight=1.0)}
    changes = {
        "label_availability": _PROJECTION_ONLY,
        "render_supervision": RenderSupervisionConfig(terms=terms, batch=64),
    }
    return Variant(name, changes, photos=True)


VARIANTS = (
    Variant("L_2D alone", {"label_availability": _PROJECTION_ONLY}),
    _with_prior("L_2D and mixture", "pose_mixture"),
    _with_prior("L_2D and autoencoder", "pose_vae"),
    Variant(
        "L_2D and adversary",
        {"label_availability": _PROJECTION_ONLY, "adversarial": AdversarialConfig(weight=0.02)},
    ),
    Variant("all labels", {}),
)


def two_d_supervision(config: ExperimentConfig) -> ExperimentResult:
    """Training with L_2D alone, with three priors on poses, and with 3D labels: errors and plausibility of poses."""
    recipe = TrainingRecipe(
        name="two-d-supervision",
        description="body from keypoints alone",
        clothing=False,
        regressor=RegressorConfig(pictures=(), hypotheses=1),
        steps=config.steps(STEPS),
    )
    evaluation = make_people_sampler(recipe, config.bank("held_out"))
    one_format = replace(make_people_sampler(recipe, config.bank("train")), keypoint_formats=(COCO_17,))
    generator = torch.Generator().manual_seed(config.seed + 3)
    photos, _ = sample_unlabelled(one_format, config.steps(UNLABELLED), generator)

    def errors(regressor: Regressor, held_out: HeldOut, body: Body) -> dict[str, float]:
        return regressor_metrics(regressor, held_out, evaluation) | _plausibility(regressor, held_out)

    def pictures(variant: Variant, regressor: Regressor, held_out: HeldOut) -> Metrics:
        return Metrics({}, tuple(_comparison_images(regressor, held_out, evaluation)), variant.name)

    rows = compare_trainings(recipe, VARIANTS, config, errors=errors, photos=photos, finished=pictures)
    poses = config.bank("held_out").pose[:, 1:22]
    rows.append(Metrics({"what": "real poses of the held-out subjects"} | _pose_plausibility(poses)))
    columns = ("what", "pa_mpjpe_mm", "pa_mpjpe_mm_sd", "mpjpe_mm", "iou", "mixture_nats", "impossible")
    summary = {"held-out people": config.people, "steps": recipe.steps, "seeds": config.repeats}
    return ExperimentResult("two-d-supervision", rows, summary, columns)


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

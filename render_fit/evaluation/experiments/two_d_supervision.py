"""What 2D keypoints alone teach: bodies whose picture is right and whose depth nobody has seen, unless something says
what people look like.

Three regressors see the same keypoints: one is told where joints are in the picture (L_2D) and nothing else, one has an
adversary beside that, which knows poses of motion capture and not whose they are, and one is told everything.

Source: Kanazawa et al., CVPR 2018, section 3.4 and figure 6 ("monsters").
"""

from __future__ import annotations

import roma
import torch

from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import view_camera
from render_fit.evaluation.experiments.settings import Settings
from render_fit.evaluation.fit_errors import render_views
from render_fit.evaluation.regressors import covered, regressor_metrics
from render_fit.evaluation.tables import ExperimentResult, Metrics
from render_fit.export.overlays import Pixels
from render_fit.losses.priors import default_joint_limits, default_pose_prior
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Prediction, Regressor
from render_fit.renderers import CpuRenderer
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.adversarial import AdversarialConfig
from render_fit.training.checkpointing import REGRESSOR
from render_fit.training.label_availability import LabelAvailability
from render_fit.training.loop import train
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.runs import people_sampler
from render_fit.training.validation import HeldOut, sample_held_out

STEPS = 1000
PICTURED, PICTURE_PX = 6, 160
"""People on the contact sheet, and the side of their pictures."""

IMPOSSIBLE = 0.15
"""Excess over the joints' ranges, radians squared, above which a pose counts as impossible."""

_PICTURE_ALONE = LabelAvailability(latent=0.0, joints=0.0)
ARMS: dict[str, dict[str, object]] = {
    "L_2D alone": {"label_availability": _PICTURE_ALONE},
    "L_2D and adversary": {"label_availability": _PICTURE_ALONE, "adversarial": AdversarialConfig(weight=0.02)},
    "all labels": {},
}


def monsters(settings: Settings) -> ExperimentResult:
    """L_2D alone, with an adversarial prior, and with 3D labels: errors, how human the poses are, pictures."""
    recipe = TrainingRecipe(
        name="monsters",
        description="keypoints alone to a body",
        clothing=False,
        regressor=RegressorConfig(pictures=(), hypotheses=1),
        steps=settings.steps(STEPS),
        seed=settings.seed,
    )
    synthesis = people_sampler(recipe, settings.bank("train"))
    judge = people_sampler(recipe, settings.bank("held_out"))
    held_out = sample_held_out(judge, settings.people)
    rows = []
    for name, changes in ARMS.items():
        settings.say(f"training: {name}")
        folder = settings.out / "trainings" / name.replace(" ", "_")
        train(recipe.model_copy(update=changes), folder, synthesis, workers=settings.workers)
        regressor = load_regressor(folder / REGRESSOR)
        values = {"what": name} | regressor_metrics(regressor, held_out, judge) | _human(regressor, held_out)
        rows.append(Metrics(values, tuple(_pictures(regressor, held_out, judge)), name))
    poses = settings.bank("held_out").pose[:, 1:22]
    rows.append(Metrics({"what": "real poses of the held-out subjects"} | _of(poses)))
    columns = ("what", "pa_mpjpe_mm", "mpjpe_mm", "iou", "mixture_nats", "impossible")
    return ExperimentResult("monsters", rows, {"held-out people": settings.people}, columns)


@torch.no_grad()
def _human(regressor: Regressor, held_out: HeldOut) -> dict[str, float]:
    """How human the poses are that a regressor says."""
    said: Prediction = regressor(held_out.inputs)
    return _of(roma.rotmat_to_rotvec(said.rotations[:, 0, 1:22]))


def _of(poses: torch.Tensor) -> dict[str, float]:
    """Median energy under the shipped mixture, and the share of poses beyond the joints' ranges."""
    energy, excess = default_pose_prior()(poses.flatten(1)), default_joint_limits()(poses)
    return {
        "mixture_nats": round(float(energy.median()), 1),
        "impossible": round(float((excess > IMPOSSIBLE).float().mean()), 3),
    }


@torch.no_grad()
def _pictures(regressor: Regressor, held_out: HeldOut, synthesis: PeopleSampler) -> list[Pixels]:
    """What a regressor says of some people, over the true silhouette and from the side."""
    rows = torch.arange(PICTURED)
    truth = held_out.truth[rows]
    said: Prediction = regressor(held_out.inputs[rows])
    transl = truth.pelvis - synthesis.body.rest_joints(truth.betas)[:, 0]
    true = covered(BodyParameters(truth.rotations, truth.betas, transl), truth.focal, synthesis, PICTURE_PX)
    found, camera = said.parameters(synthesis.body, truth.focal), view_camera(truth.focal, PICTURE_PX)
    whole = torch.tensor([0.0, 0.0, PICTURE_PX, PICTURE_PX])
    result: list[Pixels] = []
    for index in range(PICTURED):
        one = slice(index, index + 1)
        grey = 0.2 + 0.5 * true[index].float().expand(3, -1, -1)
        _, over, side = render_views(grey, synthesis.body, found[one], camera[one], whole, CpuRenderer())
        result += [over, side]
    return result

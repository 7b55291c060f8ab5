"""Domain adaptation without labels: from a narrow distribution of synthetic people to a wide one.

*Narrow*: people of average shape who stand and face the camera. *Wide*: all poses, shapes and views of the sampler. A
regressor is trained on the narrow distribution with labels. Training then continues, always for the same number of
steps, on the narrow distribution alone, with render losses on unlabelled observations of the wide one, with fits of
them in the loop, with both, or with all labels of the wide distribution. The last variant also samples new people in
every step, where the others have the same few thousand.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import torch

from render_fit.core.metrics import pa_mpjpe
from render_fit.core.skeletons import COCO_17, SMPL_24
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.experiments.small_trainings import SMALL_RESNET
from render_fit.evaluation.regressors import regressor_metrics
from render_fit.evaluation.tables import ExperimentResult, Metrics
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.synthesis.people import PeopleDistribution
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseAugmentation, PoseBank
from render_fit.training.checkpointing import REGRESSOR
from render_fit.training.fitting_in_the_loop import FittingInTheLoopConfig, fit_batch
from render_fit.training.loop import train
from render_fit.training.recipe import Optimiser, TrainingRecipe
from render_fit.training.render_supervision import RenderSupervisionConfig
from render_fit.training.runs import make_people_sampler
from render_fit.training.samples import GroundTruth
from render_fit.training.unlabelled_photos import UnlabelledPhotos, sample_unlabelled
from render_fit.training.validation import HeldOut

log = logging.getLogger(__name__)

PHOTOS = 2000
"""Number of unlabelled people of the wide distribution."""

FIRST_STEPS, MORE_STEPS = 1000, 600
"""Steps of the training on the narrow distribution, and of each continuation."""

PRECISION = "auto"

NETWORK = RegressorConfig(
    pictures=("silhouette",),
    n_clothing=48,
    width=256,
    backbone=SMALL_RESNET,
)

NARROW_POSES = PoseAugmentation(**{name: 0.0 for name in PoseAugmentation.model_fields if name != "limit_penalty"})
NARROW_PEOPLE = PeopleDistribution(
    beta_scale=0.25, beta_limit=0.5, facing_rad=0.3, pitch_rad=0.05, roll_rad=0.03, truncated=0.0
)
STANDS_RAD = 0.45
"""Largest rotation of pelvis, hips and knees of a standing person, radians."""

VARIANTS: dict[str, dict[str, object]] = {
    "narrow labels alone": {},
    "and render losses": {"render_supervision": RenderSupervisionConfig(batch=32)},
    "and fits in the loop": {
        "render_supervision": RenderSupervisionConfig(weight=0.0, batch=32),
        "fitting_in_the_loop": FittingInTheLoopConfig(),
    },
    "and both": {
        "render_supervision": RenderSupervisionConfig(batch=32),
        "fitting_in_the_loop": FittingInTheLoopConfig(),
    },
}


def standing(bank: PoseBank) -> PoseBank:
    """The upright standing poses of a bank."""
    legs = [SMPL_24.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("hip", "knee")]
    upright = bank.pose[:, 0].norm(dim=-1) < STANDS_RAD
    return PoseBank(bank.pose[upright & (bank.pose[:, legs].norm(dim=-1) < STANDS_RAD).all(1)])


def domain_adaptation(config: ExperimentConfig) -> ExperimentResult:
    """Labels of a narrow distribution and unlabelled observations of a wide one, against all labels."""
    recipe = TrainingRecipe(
        name="narrow",
        description="people who stand and face the camera",
        regressor=NETWORK,
        steps=config.steps(FIRST_STEPS),
        precision=PRECISION,
        seed=config.seed,
    )
    bank = config.bank("train")
    wide = replace(make_people_sampler(recipe, bank), keypoint_formats=(COCO_17,))
    narrow = replace(wide, bank=standing(bank), poses=NARROW_POSES, people=NARROW_PEOPLE)
    held_out = _observed(replace(wide, bank=config.bank("held_out")), config.people, 7)
    held_out_narrow = _observed(replace(narrow, bank=standing(config.bank("held_out"))), config.people, 8)
    count = config.steps(PHOTOS)
    log.info("%d standing poses of %d; generating %d unlabelled people", len(narrow.bank), len(bank), count)
    photos, _ = sample_unlabelled(wide, count, torch.Generator().manual_seed(config.seed + 3))
    rows = []

    def run(name: str, changes: dict[str, object], synthesis: PeopleSampler, photos: UnlabelledPhotos | None) -> Path:
        log.info("training: %s", name)
        one = recipe.model_copy(update=changes)
        out = config.training_folder("domain-adaptation", name, one.steps, config.seed)
        trained = train(one, out, synthesis, photos=photos, workers=config.workers).folder / REGRESSOR
        errors = _errors(load_regressor(trained), held_out, held_out_narrow, wide)
        rows.append(Metrics({"what": name} | errors))
        return trained

    more = {
        "pretrained": str(run("narrow", {}, narrow, None)),
        "steps": config.steps(MORE_STEPS),
        "optimiser": Optimiser(learning_rate=3e-4, warm_up=50, average=0.99),
    }
    for name, changes in VARIANTS.items():
        # The number of people in a step is the same: 64 labelled, or 32 labelled and 32 unlabelled.
        run(name, {**more, **changes, "batch": 32 if changes else 64}, narrow, photos if changes else None)
    run("all labels of the wide world", more, wide, None)
    rows.append(Metrics({"what": "fits alone, from the zero pose and four sides"} | _fits_alone(held_out, wide)))
    return ExperimentResult("domain-adaptation", rows, _gaps(rows), COLUMNS)


COLUMNS = ("what", "pa_mpjpe_mm", "mpjpe_mm", "iou", "refined_pa_mpjpe_mm", "narrow_pa_mpjpe_mm")

Observed = tuple[UnlabelledPhotos, GroundTruth]


def _observed(synthesis: PeopleSampler, count: int, seed: int) -> Observed:
    return sample_unlabelled(synthesis, count, torch.Generator().manual_seed(seed))


def _errors(
    regressor: Regressor, held_out: Observed, held_out_narrow: Observed, wide: PeopleSampler
) -> dict[str, float]:
    """Errors on the wide distribution, of the regressor and of fits initialised from it, and on the narrow one."""
    (observed, truth), (observed_narrow, truth_narrow) = held_out, held_out_narrow
    errors = regressor_metrics(regressor, HeldOut(observed.inputs, truth), wide)
    errors["refined_pa_mpjpe_mm"] = _refined(regressor, held_out, wide)
    narrow = regressor_metrics(regressor, HeldOut(observed_narrow.inputs, truth_narrow), wide)
    errors["narrow_pa_mpjpe_mm"] = narrow["pa_mpjpe_mm"]
    return errors


def _refined(regressor: Regressor, held_out: Observed, wide: PeopleSampler) -> float:
    """PA-MPJPE of fits to keypoints that are initialised from a regressor, millimetres."""
    observed, truth = held_out
    errors = []
    for rows in torch.arange(len(truth)).split(64):
        with torch.no_grad():
            prediction = regressor(observed.inputs[rows])
        fits = fit_batch(prediction, observed[rows], wide.body, FittingInTheLoopConfig(iterations=30))
        joints = fits.truth(observed.view[rows], wide.body, 0, fits.value.isfinite()).joints
        errors.append(pa_mpjpe(joints, truth.joints[rows]))
    return round(1000 * float(torch.cat(errors).mean()), 1)


def _fits_alone(held_out: Observed, wide: PeopleSampler) -> dict[str, float]:
    """Error of fits without a trained regressor: an untrained one predicts the zero pose, from four sides."""
    torch.manual_seed(0)
    untrained = Regressor(NETWORK)
    torch.nn.init.zeros_(untrained.get_parameter("head.weight"))
    return {"refined_pa_mpjpe_mm": _refined(untrained, held_out, wide)}


def _gaps(rows: list[Metrics]) -> dict[str, str]:
    """Share of the gap between no and all labels of the wide distribution that each variant closes."""
    by_name = {str(row.values["what"]): row.values for row in rows}
    lower, upper = by_name["narrow labels alone"], by_name["all labels of the wide world"]
    result = {}
    for name in VARIANTS:
        shares = []
        for column in ("pa_mpjpe_mm", "mpjpe_mm", "iou", "refined_pa_mpjpe_mm"):
            gap = upper[column] - lower[column]
            shares.append(f"{column} {100 * (by_name[name][column] - lower[column]) / gap:.0f} %" if gap else "")
        result[f"of the gap, {name}"] = ", ".join(shares)
    return result

"""Learning from observations alone: a regressor of a narrow world meets a wide one that nobody has labelled.

The set-up is fixed here. *Narrow*: people of average shape who stand and face the camera. *Wide*: every pose, shape and
side that the synthesis knows. A regressor learns the narrow world with labels; then it goes on, for the same number of
steps each time, with the narrow world alone, with render losses on observations of the wide one, with fits of them in
the loop, with both, or with all labels of the wide world (which also draws new people in every step, where the others
see the same few thousand).
"""

from __future__ import annotations

from dataclasses import replace

import torch

from render_fit.core.metrics import pa_mpjpe
from render_fit.core.skeletons import COCO_17, SMPL_24
from render_fit.evaluation.experiments.settings import Settings
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
from render_fit.training.render_supervision import RenderSupervisionConfig, UnlabelledPhotos
from render_fit.training.runs import people_sampler
from render_fit.training.samples import GroundTruth
from render_fit.training.synthetic_photos import sample_unlabelled
from render_fit.training.validation import HeldOut

PHOTOS = 2000
FIRST_STEPS, MORE_STEPS = 1000, 600
PRECISION = "auto"

NETWORK = RegressorConfig(
    pictures=("silhouette",),
    n_clothing=48,
    width=256,
    backbone={
        "model_type": "resnet",
        "embedding_size": 16,
        "hidden_sizes": [32, 64, 128, 256],
        "depths": [1, 1, 1, 1],
        "layer_type": "basic",
    },
)

NARROW_POSES = PoseAugmentation(**{name: 0.0 for name in PoseAugmentation.model_fields if name != "excess"})
NARROW_PEOPLE = PeopleDistribution(
    beta_scale=0.25, beta_limit=0.5, facing_rad=0.3, pitch_rad=0.05, roll_rad=0.03, truncated=0.0
)
STANDS_RAD = 0.45
"""Nobody who stands turns a hip or knee by more than this."""

ARMS: dict[str, dict[str, object]] = {
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
    """The poses of a bank in which somebody stands upright."""
    legs = [SMPL_24.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("hip", "knee")]
    upright = bank.pose[:, 0].norm(dim=-1) < STANDS_RAD
    return PoseBank(bank.pose[upright & (bank.pose[:, legs].norm(dim=-1) < STANDS_RAD).all(1)])


def adaptation(settings: Settings) -> ExperimentResult:
    """Narrow to wide: labels of a narrow world and observations of a wide one, against all labels."""
    recipe = TrainingRecipe(
        name="narrow",
        description="people who stand and face the camera",
        regressor=NETWORK,
        steps=settings.steps(FIRST_STEPS),
        precision=PRECISION,
        seed=settings.seed,
    )
    bank = settings.bank("train")
    wide = replace(people_sampler(recipe, bank), keypoint_formats=(COCO_17,))
    narrow = replace(wide, bank=standing(bank), poses=NARROW_POSES, people=NARROW_PEOPLE)
    judges = _observed(replace(wide, bank=settings.bank("held_out")), settings.people, 7)
    own = _observed(replace(narrow, bank=standing(settings.bank("held_out"))), settings.people, 8)
    settings.say(f"{len(narrow.bank)} standing poses of {len(bank)}; observing {PHOTOS} people of the wide world")
    photos, _ = sample_unlabelled(wide, settings.steps(PHOTOS), torch.Generator().manual_seed(settings.seed + 3))
    folder = settings.out / "trainings"
    rows = []

    def trained(
        name: str, changes: dict[str, object], synthesis: PeopleSampler, seen: UnlabelledPhotos | None
    ) -> Regressor:
        settings.say(f"training: {name}")
        out = folder / name.replace(" ", "_")
        done = train(recipe.model_copy(update=changes), out, synthesis, photos=seen, workers=settings.workers)
        regressor = load_regressor(done.folder / REGRESSOR)
        rows.append(Metrics({"what": name} | _figures(regressor, judges, own, wide)))
        return regressor

    trained("narrow", {}, narrow, None)
    more = {
        "pretrained": str(folder / "narrow" / REGRESSOR),
        "steps": settings.steps(MORE_STEPS),
        "optimiser": Optimiser(learning_rate=3e-4, warm_up=50, average=0.99),
    }
    for name, changes in ARMS.items():
        # As many people in a step: half of them of the narrow world, half observed.
        trained(name, {**more, **changes, "batch": 32 if changes else 64}, narrow, photos if changes else None)
    trained("all labels of the wide world", more, wide, None)
    rows.append(Metrics({"what": "fits alone, from the zero pose and four sides"} | _fits_alone(judges, wide)))
    return ExperimentResult("adaptation", rows, _gaps(rows), COLUMNS)


COLUMNS = ("what", "pa_mpjpe_mm", "mpjpe_mm", "iou", "refined_pa_mpjpe_mm", "narrow_pa_mpjpe_mm")


def _observed(synthesis: PeopleSampler, count: int, seed: int) -> tuple[UnlabelledPhotos, GroundTruth]:
    return sample_unlabelled(synthesis, count, torch.Generator().manual_seed(seed))


def _figures(
    regressor: Regressor,
    judges: tuple[UnlabelledPhotos, GroundTruth],
    own: tuple[UnlabelledPhotos, GroundTruth],
    wide: PeopleSampler,
) -> dict[str, float]:
    """Errors on the wide world, alone and with a fit started by it, and on the narrow one."""
    seen, truth = judges
    figures = regressor_metrics(regressor, HeldOut(seen.inputs, truth), wide)
    figures["refined_pa_mpjpe_mm"] = _refined(regressor, judges, wide)
    figures["narrow_pa_mpjpe_mm"] = regressor_metrics(regressor, HeldOut(own[0].inputs, own[1]), wide)["pa_mpjpe_mm"]
    return figures


def _refined(regressor: Regressor, judges: tuple[UnlabelledPhotos, GroundTruth], wide: PeopleSampler) -> float:
    """Error of fits to keypoints that a regressor starts, millimetres."""
    seen, truth = judges
    errors = []
    for rows in torch.arange(len(truth)).split(64):
        with torch.no_grad():
            said = regressor(seen.inputs[rows])
        fits = fit_batch(said, seen[rows], wide.body, FittingInTheLoopConfig(iterations=30))
        joints = fits.truth(seen.view[rows], wide.body, 0, fits.value.isfinite()).joints
        errors.append(pa_mpjpe(joints, truth.joints[rows]))
    return round(1000 * float(torch.cat(errors).mean()), 1)


def _fits_alone(judges: tuple[UnlabelledPhotos, GroundTruth], wide: PeopleSampler) -> dict[str, float]:
    """Fits that no regressor starts: an untrained one says the zero pose, from four sides."""
    torch.manual_seed(0)
    untrained = Regressor(NETWORK)
    torch.nn.init.zeros_(untrained.get_parameter("head.weight"))
    return {"refined_pa_mpjpe_mm": _refined(untrained, judges, wide)}


def _gaps(rows: list[Metrics]) -> dict[str, str]:
    """What share of the way from nothing to all labels each arm goes."""
    by_name = {str(row.values["what"]): row.values for row in rows}
    nothing, everything = by_name["narrow labels alone"], by_name["all labels of the wide world"]
    result = {}
    for name in ARMS:
        shares = []
        for column in ("pa_mpjpe_mm", "mpjpe_mm", "iou", "refined_pa_mpjpe_mm"):
            way = everything[column] - nothing[column]
            shares.append(f"{column} {100 * (by_name[name][column] - nothing[column]) / way:.0f} %" if way else "")
        result[f"of the gap, {name}"] = ", ".join(shares)
    return result

"""What a regressor must beat: the mean pose, and the most similar person among many who were seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import roma
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.batch import Batch
from render_fit.core.metrics import mpjpe, pa_mpjpe
from render_fit.evaluation.experiments.fits_of_synthetic_people import errors_of_fits, sample_fit_targets
from render_fit.evaluation.experiments.settings import Settings
from render_fit.evaluation.regressors import regressor_metrics
from render_fit.evaluation.tables import ExperimentResult, Metrics
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.inputs import RegressorInputs
from render_fit.synthesis.observation_noise import ObservationNoise
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.checkpointing import RECIPE
from render_fit.training.recipe import TrainingRecipe, load_training_recipe, training_recipe_names
from render_fit.training.runs import people_sampler
from render_fit.training.samples import GroundTruth, training_batch
from render_fit.training.validation import sample_held_out

SEEN = 20_000
"""People among whom the most similar one is looked for."""

KINDS = {"keypoints": (1.0, 0.0), "silhouette": (0.0, 1.0), "keypoints and silhouette": (1.0, 0.5)}
"""What likeness is judged by: weights of keypoints' distance (half views) and of 1 - IoU of silhouettes."""


@dataclass(frozen=True)
class NeighbourFeatures(Batch):
    """How N people are remembered: silhouettes of a quarter of the pixels, and keypoints (see `RegressorInputs`)."""

    silhouette: Float[Tensor, "n s s"]
    keypoints: Float[Tensor, "n k 2"]
    confidence: Float[Tensor, "n k"]

    def __len__(self) -> int:
        return len(self.confidence)

    @staticmethod
    def of(inputs: RegressorInputs) -> NeighbourFeatures:
        """What is remembered of people."""
        silhouette = avg_pool2d(inputs.silhouette[:, None], 2)[:, 0].sign()
        return NeighbourFeatures(silhouette, inputs.keypoints, inputs.confidence)


def baselines(settings: Settings) -> ExperimentResult:
    """Held-out subjects' poses with observers' errors: regressors, fits, nearest neighbours and the mean pose."""
    train, held_out = settings.bank("train"), settings.bank("held_out")
    people: list[Metrics] = []
    base = TrainingRecipe(name="baselines", description="people as the lifter sees them", steps=1)
    synthesis = people_sampler(base, train)
    judges = sample_held_out(replace(synthesis, bank=held_out), settings.people)

    def tell(what: str, count: int, figures: dict[str, float]) -> None:
        people.append(Metrics({"what": what, "people": count} | figures))

    def tell_mean_pose(truth: GroundTruth) -> None:
        tell("mean pose", len(truth), _errors(mean_pose(train, len(truth)), truth, synthesis))

    tell_mean_pose(judges.truth)
    settings.say(f"drawing {SEEN} people to look among")
    generator = torch.Generator().manual_seed(settings.seed + 1)
    looks, truths = [], []
    for _ in range(max(1, round(settings.scale * SEEN / 200))):
        inputs, truth = training_batch(synthesis, 200, generator)
        looks.append(NeighbourFeatures.of(inputs))
        truths.append(truth)
    seen, truth, query = (
        NeighbourFeatures.joined(looks),
        GroundTruth.joined(truths),
        NeighbourFeatures.of(judges.inputs),
    )
    for kind, (keypoints, silhouette) in KINDS.items():
        nearest = nearest_neighbours(query, seen, keypoints, silhouette)
        row = _errors(truth.rotations[nearest], judges.truth, synthesis, truth.betas[nearest])
        tell(f"most similar of {len(truth)} by {kind}", len(query), row)
    for name in settings.regressors:
        settings.say(f"judging {name}")
        regressor = load_regressor(name)
        recipe = base.model_copy(update={"regressor": regressor.config, "observation_noise": training_noise_of(name)})
        theirs = people_sampler(recipe, held_out)
        tell(name, settings.people, regressor_metrics(regressor, sample_held_out(theirs, settings.people), theirs))
    if settings.recipes:
        some, truth = sample_fit_targets(replace(synthesis, bank=held_out), settings.fits)
        tell_mean_pose(truth)
        for name in settings.recipes:
            settings.say(f"fitting {len(some)} people by {name}")
            tell(name, len(some), errors_of_fits(name, some, truth, settings))
    columns = ("what", "people", "pa_mpjpe_mm", "mpjpe_mm", "best_pa_mpjpe_mm", "iou")
    return ExperimentResult("baselines", people, {"held-out people": settings.people}, columns)


def training_noise_of(name: str) -> ObservationNoise:
    """The observers' errors that a regressor was trained with: who looks at part maps alone is always shown one.

    Args:
        name: One that ships, named as its recipe is, or the file that a training left in its folder; any other is
            judged by the errors that the lifter knows.
    """
    if name in training_recipe_names():
        return load_training_recipe(name).observation_noise
    recipe = Path(name).parent / RECIPE
    return load_training_recipe(recipe).observation_noise if recipe.is_file() else ObservationNoise()


def mean_pose(bank: PoseBank, count: int) -> Float[Tensor, "n 24 3 3"]:
    """The mean of a bank's poses, upright and facing the camera."""
    facing = roma.rotvec_to_rotmat(torch.tensor([[torch.pi, 0.0, 0.0]]))
    return torch.cat([facing, bank.mean_rotations()]).expand(count, -1, -1, -1)


def nearest_neighbours(
    query: NeighbourFeatures, seen: NeighbourFeatures, keypoints: float, silhouette: float, chunk: int = 16
) -> Tensor:
    """Who of those seen looks most like each person, by what both show.

    Args:
        query: N people.
        seen: M people.
        keypoints: Weight of the mean distance of keypoints, half views.
        silhouette: Weight of 1 - IoU where both know what is silhouette.
        chunk: People looked for at a time.

    Returns:
        (N,) numbers of those seen.
    """
    result = []
    known, covered = (seen.silhouette != 0).flatten(1).float(), (seen.silhouette > 0).flatten(1).float()
    for rows in torch.arange(len(query)).split(chunk):
        one = query[rows]
        value = torch.zeros(len(rows), len(seen))
        if keypoints:
            both = ((one.confidence[:, None] > 0) & (seen.confidence[None] > 0)).float()
            off = (one.keypoints[:, None] - seen.keypoints[None]).norm(dim=-1)
            told = both.sum(-1)
            value += keypoints * torch.where(told > 5, (off * both).sum(-1) / told.clamp(min=1), 1.0)
        if silhouette:
            mine, theirs = (one.silhouette > 0).flatten(1).float(), (one.silhouette != 0).flatten(1).float()
            shared = (mine @ covered.T) / (mine @ known.T + theirs @ covered.T - mine @ covered.T).clamp(min=1)
            value += silhouette * (1 - shared)
        result.append(value.argmin(1))
    return torch.cat(result)


def _errors(
    rotations: Float[Tensor, "n 24 3 3"], truth: GroundTruth, synthesis: PeopleSampler, betas: Tensor | None = None
) -> dict[str, float]:
    """Errors of given poses, millimetres."""
    body: Body = synthesis.body
    shape = torch.zeros_like(truth.betas) if betas is None else betas
    joints = body.kinematics(BodyParameters(rotations, shape, torch.zeros(len(truth), 3))).joints
    aligned, rooted = pa_mpjpe(joints, truth.joints), mpjpe(joints, truth.joints, root=0)
    return {"pa_mpjpe_mm": round(1000 * float(aligned.mean()), 1), "mpjpe_mm": round(1000 * float(rooted.mean()), 1)}

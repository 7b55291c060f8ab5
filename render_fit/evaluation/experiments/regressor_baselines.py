"""Baselines for regressors on synthetic people: mean pose, nearest neighbour among many, fits to the same people."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.batch import Batch
from render_fit.core.cameras import PERSON_MARGIN
from render_fit.core.metrics import mpjpe, pa_mpjpe
from render_fit.core.rotations import roma
from render_fit.core.skeletons import COCO_17
from render_fit.evaluation.experiments.runner import fit_person, load_components, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.regressors import regressor_metrics
from render_fit.evaluation.tables import ExperimentResult, Metrics, column
from render_fit.observations.observation import Observation
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.inputs import RegressorInputs
from render_fit.synthesis.observation_noise import ObservationNoise
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.checkpointing import RECIPE
from render_fit.training.recipe import TrainingRecipe, load_training_recipe, training_recipe_names
from render_fit.training.runs import make_people_sampler
from render_fit.training.samples import GroundTruth, training_batch
from render_fit.training.unlabelled_photos import UnlabelledPhotos, sample_unlabelled
from render_fit.training.validation import sample_held_out

log = logging.getLogger(__name__)

N_SEARCHED = 20_000
"""Number of people among which the nearest neighbour is searched."""

KINDS = {"keypoints": (1.0, 0.0), "silhouette": (0.0, 1.0), "keypoints and silhouette": (1.0, 0.5)}
"""Distances between people: weights of the distance of keypoints (half views) and of 1 - IoU of silhouettes."""


@dataclass(frozen=True)
class NeighbourFeatures(Batch):
    """Features of N people: silhouettes at half the resolution, and keypoints (see `RegressorInputs`)."""

    silhouette: Float[Tensor, "n s s"]
    keypoints: Float[Tensor, "n k 2"]
    confidence: Float[Tensor, "n k"]

    def __len__(self) -> int:
        return len(self.confidence)

    @staticmethod
    def of(inputs: RegressorInputs) -> NeighbourFeatures:
        """Features of a regressor's inputs."""
        silhouette = avg_pool2d(inputs.silhouette[:, None], 2)[:, 0].sign()
        return NeighbourFeatures(silhouette, inputs.keypoints, inputs.confidence)


def regressor_baselines(config: ExperimentConfig) -> ExperimentResult:
    """Regressors, fits, nearest neighbours and the mean pose on held-out synthetic people with observation noise."""
    train, held_out = config.bank("train"), config.bank("held_out")
    rows: list[Metrics] = []
    base = TrainingRecipe(name="regressor-baselines", description="synthetic people as for the lifter", steps=1)
    synthesis = make_people_sampler(base, train)
    people = sample_held_out(replace(synthesis, bank=held_out), config.people)

    def add_row(what: str, count: int, values: dict[str, float]) -> None:
        rows.append(Metrics({"what": what, "people": count} | values))

    def add_mean_pose(truth: GroundTruth) -> None:
        add_row("mean pose", len(truth), _errors(mean_pose(train, len(truth)), truth, synthesis))

    add_mean_pose(people.truth)
    log.info("generating %d people to search", round(config.scale * N_SEARCHED))
    generator = torch.Generator().manual_seed(config.seed + 1)
    features, truths = [], []
    for _ in range(max(1, round(config.scale * N_SEARCHED / 200))):
        inputs, truth = training_batch(synthesis, 200, generator)
        features.append(NeighbourFeatures.of(inputs))
        truths.append(truth)
    seen, truth = NeighbourFeatures.joined(features), GroundTruth.joined(truths)
    query = NeighbourFeatures.of(people.inputs)
    for kind, (keypoints, silhouette) in KINDS.items():
        nearest = nearest_neighbours(query, seen, keypoints, silhouette)
        errors = _errors(truth.rotations[nearest], people.truth, synthesis, truth.betas[nearest])
        add_row(f"most similar of {len(truth)} by {kind}", len(query), errors)
    for name in config.regressors or ("lifter",):
        if name == "none":
            continue
        log.info("evaluating %s", name)
        regressor = load_regressor(name)
        recipe = base.model_copy(update={"regressor": regressor.config, "observation_noise": training_noise_of(name)})
        sampler = make_people_sampler(recipe, held_out)
        values = regressor_metrics(regressor, sample_held_out(sampler, config.people), sampler)
        add_row(name, config.people, values)
    if config.recipes:
        targets, truth = sample_fit_targets(replace(synthesis, bank=held_out), config.fits)
        add_mean_pose(truth)
        for name in config.recipes:
            log.info("fitting %d people with %s", len(targets), name)
            add_row(name, len(targets), errors_of_fits(name, targets, truth, config))
    columns = ("what", "people", "pa_mpjpe_mm", "mpjpe_mm", "best_pa_mpjpe_mm", "iou")
    return ExperimentResult("regressor-baselines", rows, {"held-out people": config.people}, columns)


def training_noise_of(name: str) -> ObservationNoise:
    """Observation noise that a regressor was trained with; a regressor on part maps alone, say, is always given one.

    Args:
        name: Name of a shipped regressor, or path of a regressor in the folder of its training. Any other is evaluated
            with the noise of the lifter's training.
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
    """Nearest neighbour of each person, by features that both have.

    Args:
        query: Features of N people.
        seen: Features of M people.
        keypoints: Weight of the mean distance of keypoints, half views.
        silhouette: Weight of 1 - IoU on pixels where both silhouettes are known.
        chunk: Number of queries at a time.

    Returns:
        (N,) indices into ``seen``.
    """
    result = []
    known, covered = (seen.silhouette != 0).flatten(1).float(), (seen.silhouette > 0).flatten(1).float()
    for rows in torch.arange(len(query)).split(chunk):
        one = query[rows]
        value = torch.zeros(len(rows), len(seen))
        if keypoints:
            both = ((one.confidence[:, None] > 0) & (seen.confidence[None] > 0)).float()
            distance = (one.keypoints[:, None] - seen.keypoints[None]).norm(dim=-1)
            shared = both.sum(-1)
            value += keypoints * torch.where(shared > 5, (distance * both).sum(-1) / shared.clamp(min=1), 1.0)
        if silhouette:
            mine, theirs = (one.silhouette > 0).flatten(1).float(), (one.silhouette != 0).flatten(1).float()
            overlap = (mine @ covered.T) / (mine @ known.T + theirs @ covered.T - mine @ covered.T).clamp(min=1)
            value += silhouette * (1 - overlap)
        result.append(value.argmin(1))
    return torch.cat(result)


def _errors(
    rotations: Float[Tensor, "n 24 3 3"], truth: GroundTruth, synthesis: PeopleSampler, betas: Tensor | None = None
) -> dict[str, float]:
    """Mean errors of given poses, millimetres; of the mean shape if no betas are given."""
    body: Body = synthesis.body
    shape = torch.zeros_like(truth.betas) if betas is None else betas
    joints = body.kinematics(BodyParameters(rotations, shape, torch.zeros(len(truth), 3))).joints
    aligned, rooted = pa_mpjpe(joints, truth.joints), mpjpe(joints, truth.joints, root=0)
    return {"pa_mpjpe_mm": round(1000 * float(aligned.mean()), 1), "mpjpe_mm": round(1000 * float(rooted.mean()), 1)}


@dataclass(frozen=True)
class FitTarget:
    """Observation of one person, and their SMPL joints relative to the pelvis, metres, camera axes."""

    observation: Observation
    joints: Float[Tensor, "24 3"]


def sample_fit_targets(synthesis: PeopleSampler, count: int, seed: int = 7) -> tuple[UnlabelledPhotos, GroundTruth]:
    """Sample people with an observed mask or observed keypoints (COCO format), and their ground truth.

    Args:
        synthesis: Sampler of synthetic people.
        count: Number of people.
        seed: Seed of the sample.
    """
    generator = torch.Generator().manual_seed(seed)
    sampler = replace(synthesis, keypoint_formats=(COCO_17,))
    unseen = synthesis.noise.no_mask * synthesis.noise.no_keypoints
    enough = math.ceil(1.1 * count / (1 - unseen)) + 16
    observed, truth = sample_unlabelled(sampler, enough, generator)
    has_mask = (observed.inputs.silhouette != 0).flatten(1).any(1)
    rows = (has_mask | (observed.inputs.confidence > 0).any(1)).nonzero()[:count, 0]
    return observed[rows], truth[rows]


def observations_of(observed: UnlabelledPhotos) -> list[Observation]:
    """Observations of people in the form that `fit_image` takes; each view is a photo of its own.

    Raises:
        ValueError: if the observations contain no mask or no keypoints.
    """
    targets = observed.targets
    if targets.mask is None or targets.keypoints_px is None or targets.confidence is None:
        raise ValueError("observed: expected masks and keypoints")
    size = targets.camera.width
    side = size / PERSON_MARGIN
    corner = (size - side) / 2
    return [
        Observation(
            image_size=(size, size),
            valid=targets.valid[row],
            box=(corner, corner, side, side),
            mask=targets.mask[row] if bool(targets.valid[row].any()) else None,
            keypoints_px=targets.keypoints_px[row],
            confidence=targets.confidence[row],
            skeleton=targets.skeleton,
            camera=targets.camera[torch.tensor([row])],
        )
        for row in range(len(observed))
    ]


def errors_of_fits(
    recipe: str, observed: UnlabelledPhotos, truth: GroundTruth, config: ExperimentConfig
) -> dict[str, float]:
    """Mean errors of fits in ``config.jobs`` processes, millimetres.

    Args:
        recipe: Name or path of a fit recipe.
        observed: Observations of N people.
        truth: Ground truth of the same people.
        config: Configuration; its recipes and regressors are not used.

    Raises:
        InputError: if there is no such recipe.
    """
    config = replace(config, recipes=(recipe,), regressors=())
    load_components(config)
    targets = [FitTarget(one, joints) for one, joints in zip(observations_of(observed), truth.joints, strict=True)]
    people = run_all(_errors_of_one, targets, config)
    return {name: round(mean(column(people, name)), 1) for name in ("pa_mpjpe_mm", "mpjpe_mm")}


def _errors_of_one(target: FitTarget, config: ExperimentConfig) -> Metrics:
    fit = fit_person(target.observation, config)
    joints, true = load_components(config).body.kinematics(fit.parameters).joints, target.joints[None]
    aligned, rooted = 1000 * float(pa_mpjpe(joints, true)), 1000 * float(mpjpe(joints, true, root=0))
    return Metrics({"pa_mpjpe_mm": aligned, "mpjpe_mm": rooted})

"""Errors of fits on synthetic people with simulated observer errors, to compare with regressors on the same people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.cameras import PERSON_MARGIN
from render_fit.core.metrics import mpjpe, pa_mpjpe
from render_fit.core.skeletons import COCO_17
from render_fit.evaluation.experiments.runner import fit_person, load_components, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import Metrics, column
from render_fit.observations.observation import Observation
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.samples import GroundTruth
from render_fit.training.synthetic_photos import sample_unlabelled
from render_fit.training.unlabelled_photos import UnlabelledPhotos


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
    sampler, spare = replace(synthesis, keypoint_formats=(COCO_17,)), count // 16 + 8
    observed, truth = sample_unlabelled(sampler, count + spare, generator)
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

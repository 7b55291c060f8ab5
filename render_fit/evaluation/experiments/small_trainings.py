"""Trainings that differ in one thing: the same people, network and steps for each, and several seeds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import torch

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import view_camera
from render_fit.core.metrics import mpjpe, pa_mpjpe, pckh
from render_fit.core.rotation_metrics import quaternion_error, rotation_error
from render_fit.core.skeletons import LSP_14
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import Metrics
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.network import Regressor
from render_fit.training.checkpointing import REGRESSOR
from render_fit.training.loop import train
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.runs import make_people_sampler
from render_fit.training.unlabelled_photos import UnlabelledPhotos
from render_fit.training.validation import CHUNK, HeldOut, sample_held_out

log = logging.getLogger(__name__)

SMALL_RESNET = {
    "model_type": "resnet",
    "embedding_size": 16,
    "hidden_sizes": [32, 64, 128, 256],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
}
"""Backbone of all networks that are compared: small, so that many can be trained."""

HEAD_TOP, NECK = LSP_14.index("head_top"), LSP_14.index("neck")

Errors = Callable[[Regressor, HeldOut, Body], dict[str, float]]


@dataclass(frozen=True)
class Variant:
    """A training of a comparison.

    Attributes:
        name: Name of its row.
        changes: Fields of the recipe that differ.
        photos: Whether people in unlabelled photos join its steps.
        more: Further columns of its row, such as published figures.
    """

    name: str
    changes: dict[str, Any]
    photos: bool = False
    more: dict[str, Any] | None = None


def compare_trainings(
    recipe: TrainingRecipe,
    variants: Sequence[Variant],
    config: ExperimentConfig,
    *,
    errors: Errors | None = None,
    photos: UnlabelledPhotos | None = None,
    finished: Callable[[Variant, Regressor, HeldOut], Metrics] | None = None,
) -> list[Metrics]:
    """Trains every variant of a recipe ``config.repeats`` times, and measures it on held-out people.

    Args:
        recipe: What the variants share. Their seeds are ``config.seed`` and the numbers after it.
        variants: What differs.
        config: Sizes; trainings are kept in ``config.out / "trainings"`` and resumed.
        errors: Errors of a regressor; `supervised_errors` if None.
        photos: People in unlabelled photos, for the variants that use them.
        finished: Makes pictures of a variant's first regressor; their row is given the errors.

    Returns:
        A row per variant: the mean of each error and, with several seeds, its standard deviation, ``…_sd``.
    """
    train_bank, held_out_bank = config.bank("train"), config.bank("held_out")
    rows = []
    for number, variant in enumerate(variants):
        measured: list[dict[str, float]] = []
        pictures: Metrics | None = None
        for seed in range(config.seed, config.seed + config.repeats):
            one = recipe.model_copy(update={**variant.changes, "seed": seed})
            log.info("training %d of %d: %s, seed %d", number + 1, len(variants), variant.name, seed)
            folder = config.out / "trainings" / recipe.name / f"{variant.name}, seed {seed}".replace(" ", "_")
            sampler = make_people_sampler(one, train_bank)
            train(one, folder, sampler, photos=photos if variant.photos else None, workers=config.workers)
            regressor = load_regressor(folder / REGRESSOR)
            people = sample_held_out(make_people_sampler(one, held_out_bank), config.people)
            measured.append((errors or supervised_errors)(regressor, people, sampler.body))
            if finished is not None and pictures is None:
                pictures = finished(variant, regressor, people)
        values = {"what": variant.name} | mean_and_spread(measured) | (variant.more or {})
        rows.append(Metrics(values, pictures.pictures if pictures else (), variant.name if pictures else ""))
    return rows


def mean_and_spread(measured: Sequence[dict[str, float]], digits: int = 3) -> dict[str, float]:
    """Mean over several runs of each figure and, of two or more, its standard deviation, named ``…_sd``."""
    result = {}
    for name in measured[0]:
        values = [one[name] for one in measured]
        result[name] = round(mean(values), digits)
        if len(values) > 1:
            result[f"{name}_sd"] = round(stdev(values), digits)
    return result


@torch.no_grad()
def supervised_errors(regressor: Regressor, held_out: HeldOut, body: Body) -> dict[str, float]:
    """Errors of the most probable hypotheses in 3D, in the image and in rotations.

    Returns:
        ``mpjpe_mm`` with the pelvis aligned, ``pa_mpjpe_mm``; ``pckh``, the share of LSP's 14 joints within half a head
        segment, percent; ``rotation_deg``, mean geodesic distance of local rotations, and ``quaternion``, that of NBF
        up to its scale (`core.rotation_metrics.quaternion_error`).
    """
    columns: dict[str, list[torch.Tensor]] = {}
    for start in range(0, len(held_out.truth), CHUNK):
        rows = slice(start, start + CHUNK)
        truth = held_out.truth[rows]
        prediction = regressor(held_out.inputs[rows]).ranked()
        likeliest = torch.arange(len(truth)) * prediction.betas.shape[1]
        predicted = prediction.parameters(body, truth.focal)[likeliest]
        true = BodyParameters(truth.rotations, truth.betas, truth.pelvis - body.rest_joints(truth.betas)[:, 0])
        camera = view_camera(truth.focal, 2)
        joints, true_joints = body.kinematics(predicted).joints, body.kinematics(true).joints
        points = [camera.project(body.keypoints(one, LSP_14)) for one in (predicted, true)]
        everything = torch.ones(points[0].shape[:2], dtype=torch.bool)
        figures = {
            "mpjpe_mm": 1000 * mpjpe(joints, true_joints, root=0),
            "pa_mpjpe_mm": 1000 * pa_mpjpe(joints, true_joints),
            "pckh": 100 * pckh(points[0], points[1], everything, HEAD_TOP, NECK),
            "rotation_deg": rotation_error(predicted.rotations, true.rotations).rad2deg(),
            "quaternion": quaternion_error(predicted.rotations, true.rotations),
        }
        for name, values in figures.items():
            columns.setdefault(name, []).append(values)
    return {name: float(torch.cat(values).mean()) for name, values in columns.items()}

"""Trainings that differ in one thing: the same people, network and steps for each, and several seeds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from render_fit.bodies import load_body_or_fail
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
from render_fit.synthesis.people_sampler import RenderedPeople
from render_fit.training.checkpointing import REGRESSOR
from render_fit.training.drawn_people import DrawnPeople, draw_people
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

PEOPLE = 8192
"""People of each seed, at scale 1. All trainings see the same ones, with new errors of observation in every epoch."""

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
    """Trains every variant of a recipe ``config.repeats`` times on the same people, and measures it on held-out people.

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
    held_out_bank = config.bank("held_out")
    measured: dict[str, list[dict[str, float]]] = {variant.name: [] for variant in variants}
    pictures: dict[str, Metrics] = {}
    for seed in range(config.seed, config.seed + config.repeats):
        drawn = people_to_compare_on(recipe, config, seed)
        for number, variant in enumerate(variants):
            one = recipe.model_copy(update={**variant.changes, "seed": seed})
            log.info("training %d of %d: %s, seed %d", number + 1, len(variants), variant.name, seed)
            folder = config.training_folder(recipe.name, variant.name, one.steps, seed)
            regressor = train_on(drawn, one, folder, config, photos if variant.photos else None)
            people = sample_held_out(make_people_sampler(one, held_out_bank), config.people)
            body = load_body_or_fail(one.body, one.regressor.n_betas)
            measured[variant.name].append((errors or supervised_errors)(regressor, people, body))
            if finished is not None and variant.name not in pictures:
                pictures[variant.name] = finished(variant, regressor, people)
    rows = []
    for variant in variants:
        values = {"what": variant.name} | mean_and_spread(measured[variant.name]) | (variant.more or {})
        drawing = pictures.get(variant.name)
        rows.append(Metrics(values, drawing.pictures if drawing else (), variant.name if drawing else ""))
    return rows


def people_to_compare_on(recipe: TrainingRecipe, config: ExperimentConfig, seed: int) -> list[RenderedPeople]:
    """Draws the people of all trainings of one seed: `PEOPLE` of them at scale 1, or as many as they see."""
    count = min(config.steps(PEOPLE), recipe.steps * recipe.batch)
    sampler = make_people_sampler(recipe, config.bank("train"))
    return draw_people(sampler, -(-count // recipe.shard), recipe.shard, seed)


def train_on(
    drawn: Sequence[RenderedPeople],
    recipe: TrainingRecipe,
    folder: Path,
    config: ExperimentConfig,
    photos: UnlabelledPhotos | None = None,
) -> Regressor:
    """Trains on people that were drawn before, with the observation noise of the recipe, or resumes the training."""
    sampler = make_people_sampler(recipe, config.bank("train"))
    people = DrawnPeople(drawn, sampler, recipe.seed, recipe.label_availability)
    train(recipe, folder, sampler, photos=photos, cached=people)
    return load_regressor(folder / REGRESSOR)


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

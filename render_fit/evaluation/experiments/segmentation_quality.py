"""How good must a segmentation be? The pose error of a network against the quality of the part maps that it sees.

One network is trained on exact part maps, one on part maps with a segmenter's errors. Both see the same held-out
people with part maps of growing errors: dilated, eroded and ragged boundaries, lost limbs, occluders and false
regions, all in proportion. The quality is the mean F1 score of the parts against the exact map.

Source: Omran et al., 3DV 2018, section 4, who compare segmentation networks of different quality.
"""

from __future__ import annotations

from typing import Any

import torch

from render_fit.bodies import load_body_or_fail
from render_fit.core.metrics import part_f1
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.experiments.small_trainings import (
    mean_and_spread,
    people_to_compare_on,
    supervised_errors,
    train_on,
)
from render_fit.evaluation.experiments.supervision import STEPS, small_nbf
from render_fit.evaluation.tables import ExperimentResult, Metrics
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Regressor
from render_fit.synthesis.observation_noise import ObservationNoise
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.runs import make_people_sampler
from render_fit.training.validation import HeldOut, sample_held_out

DEGREES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Size of the errors of part maps, in units of those of the recipe `nbf`."""

_MASK_ERRORS = ("mask_dilation", "mask_boundary_noise", "limb_lost", "occluded", "false_positive_region")


def degraded(noise: ObservationNoise, degree: float) -> ObservationNoise:
    """Observation noise with errors of masks and part maps ``degree`` times as large or frequent, at most always."""
    values: dict[str, Any] = {name: min(1.0, degree * getattr(noise, name)) for name in _MASK_ERRORS}
    return noise.model_copy(update=values)


def segmentation_quality(config: ExperimentConfig) -> ExperimentResult:
    """Pose errors of networks trained on exact and on flawed part maps against the quality of the map they see."""
    recipe = small_nbf("segmentation-quality", config)
    trained = {"exact": degraded(recipe.observation_noise, 0.0), "flawed": recipe.observation_noise}
    seeds = range(config.seed, config.seed + config.repeats)
    found: dict[str, list[Regressor]] = {name: [] for name in trained}
    for seed in seeds:
        drawn = people_to_compare_on(recipe, config, seed)
        for name, noise in trained.items():
            one = recipe.model_copy(update={"observation_noise": noise, "seed": seed})
            folder = config.training_folder("segmentation-quality", name, one.steps, seed)
            found[name].append(train_on(drawn, one, folder, config))
    body = load_body_or_fail(recipe.body, recipe.regressor.n_betas)
    exact = _people(recipe, config, 0.0)
    rows = []
    for degree in DEGREES:
        people = _people(recipe, config, degree)
        values: dict[str, Any] = {"what": f"errors × {degree:g}", "part_f1": round(_quality(people, exact), 3)}
        for name, regressors in found.items():
            errors = mean_and_spread([supervised_errors(regressor, people, body) for regressor in regressors], 1)
            chosen = [column for column in errors if column.startswith(("mpjpe_mm", "pa_mpjpe_mm"))]
            values |= {f"{name}_{column}": errors[column] for column in chosen}
        rows.append(Metrics(values))
    summary = {"held-out people": config.people, "steps": config.steps(STEPS), "seeds": config.repeats}
    columns = ("what", "part_f1", *(f"{name}_{what}" for name in trained for what in ("pa_mpjpe_mm", "mpjpe_mm")))
    return ExperimentResult("segmentation-quality", rows, summary, columns)


def _people(recipe: TrainingRecipe, config: ExperimentConfig, degree: float) -> HeldOut:
    """Held-out people whose part maps have errors of a degree. The people are the same for all degrees."""
    noise = degraded(recipe.observation_noise, degree)
    sampler = make_people_sampler(recipe.model_copy(update={"observation_noise": noise}), config.bank("held_out"))
    return sample_held_out(sampler, config.people)


def _labels(inputs: RegressorInputs) -> torch.Tensor:
    """Part labels of the maps that a network sees: the likeliest part + 1, 0 for background."""
    likeliest = inputs.parts.argmax(dim=1) + 1
    return torch.where(inputs.parts.sum(dim=1) > 0.5, likeliest, 0)


def _quality(people: HeldOut, exact: HeldOut) -> float:
    """Mean F1 score of the parts over all people."""
    seen, true = _labels(people.inputs), _labels(exact.inputs)
    return float(part_f1(seen, true, 25).nanmean())
